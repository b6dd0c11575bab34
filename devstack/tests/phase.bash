#!/bin/bash
# What a test has in DevStack's place: its variables, and a way to run a phase.

function setup {
    export GPUVIRT_DIR DEST=$BATS_TEST_TMPDIR/stack
    GPUVIRT_DIR=$(realpath "$BATS_TEST_DIRNAME/../..")
    export DATA_DIR=$DEST/data
    export NOVA_DIR=$DEST/nova
    export NOVA_BIN_DIR=$BATS_TEST_DIRNAME/bin
    export NOVA_CONF_DIR=$BATS_TEST_TMPDIR/etc/nova
    export NOVA_CONF=$NOVA_CONF_DIR/nova.conf
    export TEMPEST_CONFIG=$BATS_TEST_TMPDIR/etc/tempest.conf
    export VIRT_DRIVER=libvirt
    export ENABLED_SERVICES=n-api,n-cpu,n-sch,tempest
    export CALLS=$BATS_TEST_TMPDIR/calls
    mkdir -p "$DATA_DIR" "$NOVA_DIR/nova/virt" "$NOVA_CONF_DIR/rootwrap.d"
    touch "$CALLS"
}

# Run a phase in a shell that stops at the first error, as stack.sh does.
function phase {
    # shellcheck disable=SC2016
    bash -e -c '
        source "$1/stubs.bash"
        source "$GPUVIRT_DIR/devstack/settings"
        shift
        source "$GPUVIRT_DIR/devstack/plugin.sh" "$@"
    ' phase "$BATS_TEST_DIRNAME" "$@"
}

# Tell whether a call was made, with these arguments and no others.
function called {
    grep -Fx -- "$*" "$CALLS"
}

# Print an option that was set.
function option {
    cat "$1.d/$2/$3"
}

# Ask for mtty, where all is there that it needs.
function want_mtty {
    export GPUVIRT_MTTY=True
    export GPUVIRT_KERNEL_SOURCE=$BATS_TEST_TMPDIR/linux
    export GPUVIRT_KERNEL_BUILD=$BATS_TEST_TMPDIR/build
    mkdir -p "$GPUVIRT_KERNEL_SOURCE/samples/vfio-mdev" "$GPUVIRT_KERNEL_BUILD"
    touch "$GPUVIRT_KERNEL_SOURCE/samples/vfio-mdev/mtty.c" \
        "$GPUVIRT_KERNEL_BUILD/Makefile"
}
