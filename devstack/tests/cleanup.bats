#!/usr/bin/env bats
# unstack.sh and clean.sh leave nothing behind.

load phase

# List all files but those of the stubs.
function files {
    find "$DEST" "$NOVA_CONF_DIR" -not -path "$NOVA_CONF.d*" | sort
}

function stack {
    phase stack pre-install
    phase stack install
    phase stack post-config
    phase stack extra
    phase stack test-config
}

@test "unstack removes what stack made" {
    before=$(files)
    stack
    [ "$(files)" != "$before" ]
    phase unstack
    [ "$(files)" = "$before" ]
}

@test "clean removes what stack made" {
    before=$(files)
    stack
    phase clean
    [ "$(files)" = "$before" ]
}

@test "clean after unstack finds nothing and says nothing" {
    stack
    phase unstack
    run phase clean
    [ "$status" -eq 0 ]
    [ -z "$output" ]
}

@test "a host that was never stacked is cleaned too" {
    run phase clean
    [ "$status" -eq 0 ]
    [ -z "$output" ]
}

@test "unstack unloads mtty" {
    want_mtty
    stack
    LOADED_MODULES=mtty phase unstack
    called 'sudo rmmod mtty'
    [ ! -e "$DATA_DIR/nova-gpuvirt" ]
}

@test "an mtty of somebody else is not unloaded" {
    stack
    LOADED_MODULES=mtty phase clean
    run grep rmmod "$CALLS"
    [ "$status" -eq 1 ]
}

@test "an mtty that a guest holds is left to clean" {
    want_mtty
    stack
    export LOADED_MODULES=mtty
    BUSY_MODULES=mtty run phase unstack
    [ "$status" -eq 0 ]
    [[ $output == *'run clean.sh'* ]]
    phase clean
    [ "$(grep -c 'rmmod mtty' "$CALLS")" -eq 2 ]
    [ ! -e "$DATA_DIR/nova-gpuvirt" ]
}

@test "a host without nova-compute is left alone" {
    touch "$NOVA_CONF_DIR/rootwrap.d/gpuvirt.filters"
    ENABLED_SERVICES=n-api phase clean
    [ -e "$NOVA_CONF_DIR/rootwrap.d/gpuvirt.filters" ]
}
