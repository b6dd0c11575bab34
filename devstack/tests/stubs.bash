#!/bin/bash
# Stubs of DevStack's functions and of commands that the plugin calls. Each
# call is a line of $CALLS; an option that is set is a file, FILE.d/GROUP/NAME.
#
# A test says what they find: OFFERS, the columns in which discover has
# something, DISCOVER_FAILS, LOADED_MODULES, BUSY_MODULES, EXISTING_FLAVORS.

function _record {
    echo "$*" >> "$CALLS"
}

# DevStack's functions

function define_plugin {
    :
}

function die {
    shift
    echo "$*"
    exit 1
}

function echo_summary {
    _record echo_summary "$@"
}

function is_service_enabled {
    [[ $1 == nova && $ENABLED_SERVICES == *n-* ]] ||
        [[ ,$ENABLED_SERVICES, == *,$1,* ]]
}

function setup_develop {
    _record setup_develop "$@"
}

function trueorfalse {
    echo "${!2:-$1}"
}

function iniset {
    mkdir -p "$1.d/$2"
    echo "$4" > "$1.d/$2/$3"
}

function iniadd {
    mkdir -p "$1.d/$2"
    echo "$4" >> "$1.d/$2/$3"
}

function iniget {
    cat "$1.d/$2/$3" 2> /dev/null || true
}

function ini_has_option {
    [[ -e $1.d/$2/$3 ]]
}

# Commands

function sudo {
    _record sudo "$@"
    case $1 in
        install) command install -m 644 "${@: -2}" ;;
        insmod | modprobe) ;;
        rmmod) [[ $BUSY_MODULES != *$2* ]] ;;
        *) "$@" ;;
    esac
}

function lsmod {
    echo 'Module Size Used by'
    [[ -z $LOADED_MODULES ]] || echo "$LOADED_MODULES 16384 0"
}

function modinfo {
    echo vfio,mdev
}

function make {
    _record make "$@"
    touch "${3#M=}/mtty.ko"
}

function openstack {
    _record openstack "$@"
    [[ $2 != show || " $EXISTING_FLAVORS " == *" $3 "* ]]
}
