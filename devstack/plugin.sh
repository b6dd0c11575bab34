# DevStack plugin: a nova-compute that gives the GPUs of its host to guests.
# shellcheck shell=bash
#
# DevStack sources this file in each of its phases, so it sets no shell
# options; iniset, setup_develop, die and the like are DevStack's functions.

_gpuvirt_host=$GPUVIRT_DATA_DIR/host
_gpuvirt_mtty=$GPUVIRT_DATA_DIR/mtty
_gpuvirt_state=$GPUVIRT_DATA_DIR/state

# Refuse what can't work before anything is installed.
function check_gpuvirt {
    if [[ $VIRT_DRIVER != libvirt ]]; then
        die $LINENO "VIRT_DRIVER: wanted libvirt, whose driver this extends," \
            "found $VIRT_DRIVER; set it to libvirt, or disable the plugin"
    fi
    if [[ $GPUVIRT_MTTY == True ]]; then
        if [[ ! -r $GPUVIRT_KERNEL_SOURCE/samples/vfio-mdev/mtty.c ]]; then
            die $LINENO "GPUVIRT_KERNEL_SOURCE: wanted a folder with the" \
                "kernel's samples/vfio-mdev/mtty.c, found none in" \
                "$GPUVIRT_KERNEL_SOURCE; unpack the sources of $(uname -r)," \
                "and name their folder"
        fi
        if [[ ! -e $GPUVIRT_KERNEL_BUILD/Makefile ]]; then
            die $LINENO "GPUVIRT_KERNEL_BUILD: wanted the headers of" \
                "$(uname -r), found none in $GPUVIRT_KERNEL_BUILD;" \
                "install the distribution's package of them"
        fi
    fi
}

# Let Nova's loader find the driver: DevStack starts nova-compute by that
# name, so the launcher, which needs no link, can't be used.
function link_gpuvirt {
    ln -sfn "$GPUVIRT_DIR/nova_gpuvirt/novavirt/gpuvirt.py" \
        "$NOVA_DIR/nova/virt/gpuvirt.py"
}

# Print the folder with the sysfs that nova-compute looks at.
function gpuvirt_root {
    if [[ -d $_gpuvirt_host/sys ]]; then
        echo "$_gpuvirt_host"
    else
        echo /
    fi
}

# Tell whether the host has something in any of these columns of discover.
function gpuvirt_offers {
    local found
    found=$(sudo "$NOVA_BIN_DIR/nova-gpuvirt" discover \
        --root "$(gpuvirt_root)" -f value "${@/#/--column=}") ||
        die $LINENO "nova-gpuvirt discover failed; it says above why"
    [[ $found == *[1-9]* ]]
}

# Put a simulated host in the place of this one, as GPUVIRT_SIMULATE says.
function simulate_gpuvirt_host {
    local host=$GPUVIRT_SIMULATE
    rm -rf "$_gpuvirt_host"
    if [[ $host == auto ]]; then
        host=t4
        if gpuvirt_offers PGPU VGPU Profiles Sessions; then
            host=False
        fi
    fi
    if [[ $host != False ]]; then
        "$NOVA_BIN_DIR/nova-gpuvirt" simulate "$host" "$_gpuvirt_host" ||
            die $LINENO "GPUVIRT_SIMULATE: $host is no simulated host"
        echo_summary "nova-gpuvirt reports a simulated $host"
    fi
}

# Build the kernel's sample of a mediated device, and load it.
function load_mtty {
    mkdir -p "$_gpuvirt_mtty"
    cp "$GPUVIRT_KERNEL_SOURCE/samples/vfio-mdev/mtty.c" "$_gpuvirt_mtty"
    echo 'obj-m := mtty.o' > "$_gpuvirt_mtty/Makefile"
    make -C "$GPUVIRT_KERNEL_BUILD" M="$_gpuvirt_mtty" modules ||
        die $LINENO "mtty.c does not compile; are these the sources of" \
            "$(uname -r): $GPUVIRT_KERNEL_SOURCE"
    if ! _mtty_is_loaded; then
        local module=$_gpuvirt_mtty/mtty.ko needed
        IFS=, read -r -a needed <<< "$(modinfo -F depends "$module")"
        sudo modprobe -a "${needed[@]}"
        sudo insmod "$module"
    fi
}

function _mtty_is_loaded {
    lsmod | grep '^mtty ' > /dev/null
}

function configure_gpuvirt_compute {
    # Not $NOVA_CPU_CONF, which DevStack copies from $NOVA_CONF later.
    iniset "$NOVA_CONF" DEFAULT compute_driver gpuvirt.GpuLibvirtDriver
    if [[ $(gpuvirt_root) != / ]]; then
        iniset "$NOVA_CONF" gpuvirt sysfs_root "$(gpuvirt_root)"
    fi
    # It runs as the user that stacks.
    mkdir -p "$_gpuvirt_state"
    iniset "$NOVA_CONF" gpuvirt state_path "$_gpuvirt_state"
    if [[ $GPUVIRT_MTTY == True ]]; then
        # A class of its own: Nova would take VGPU of ours for one of these.
        iniset "$NOVA_CONF" devices enabled_mdev_types mtty-2
        iniset "$NOVA_CONF" mdev_mtty-2 mdev_class CUSTOM_MTTY
    fi
    sudo install -o root -g root -m 644 \
        "$GPUVIRT_DIR/etc/nova/rootwrap.d/gpuvirt.filters" \
        "$NOVA_CONF_DIR/rootwrap.d/gpuvirt.filters"
}

# List the classes of a scheduler's module whose names end in a word.
function _gpuvirt_classes {
    local module=$1 word=$2
    local file=$GPUVIRT_DIR/nova_gpuvirt/scheduler/$module.py
    if [[ -e $file ]]; then
        sed -n "s/^class \([A-Z][A-Za-z]*$word\)\W.*/\1/p" "$file"
    fi
}

# Switch our filter and weigher on, where this release has them.
function configure_gpuvirt_scheduler {
    local group=filter_scheduler ours=nova_gpuvirt.scheduler name before
    local novas=nova.scheduler
    for name in $(_gpuvirt_classes filters Filter); do
        # Nova's own are available only as long as nothing is set.
        if ! ini_has_option "$NOVA_CONF" $group available_filters; then
            iniset "$NOVA_CONF" $group available_filters \
                $novas.filters.all_filters
        fi
        iniadd "$NOVA_CONF" $group available_filters "$ours.filters.$name"
        before=$(iniget "$NOVA_CONF" $group enabled_filters)
        iniset "$NOVA_CONF" $group enabled_filters "$before,$name"
    done
    for name in $(_gpuvirt_classes weighers Weigher); do
        before=$(iniget "$NOVA_CONF" $group weight_classes)
        iniset "$NOVA_CONF" $group weight_classes \
            "${before:-$novas.weights.all_weighers},$ours.weighers.$name"
    done
}

# List the flavors for what the host offers, each as name=class.
function gpuvirt_flavors {
    if gpuvirt_offers VGPU; then
        echo gpu.vgpu=VGPU
    fi
    if gpuvirt_offers PGPU; then
        echo gpu.whole=PGPU
    fi
}

function create_gpuvirt_flavors {
    local flavors flavor name
    flavors=$(gpuvirt_flavors)
    if [[ $GPUVIRT_MTTY == True ]]; then
        flavors+=' gpu.mtty=CUSTOM_MTTY'
    fi
    for flavor in $flavors; do
        name=${flavor%=*}
        # Another host may have made it.
        if ! openstack flavor show "$name" > /dev/null 2>&1; then
            openstack flavor create --vcpus 1 --ram 512 --disk 5 \
                --property "resources:${flavor#*=}=1" "$name"
        fi
    done
}

# Name the flavors to the tempest plugin. It boots servers, and none can have
# a device of a simulated host.
function configure_gpuvirt_tempest {
    local flavors
    flavors=$(gpuvirt_flavors)
    if [[ -n $flavors && $(gpuvirt_root) == / ]]; then
        flavors=$(cut -d= -f1 <<< "$flavors" | paste -sd ,)
        iniset "$TEMPEST_CONFIG" gpuvirt flavors "$flavors"
        # DevStack's own, whose disk is as large as that of ours.
        iniset "$TEMPEST_CONFIG" gpuvirt resize_flavor ds512M
    fi
}

function cleanup_gpuvirt {
    rm -f "$NOVA_DIR/nova/virt/gpuvirt.py"
    sudo rm -f "$NOVA_CONF_DIR/rootwrap.d/gpuvirt.filters"
    rm -rf "$_gpuvirt_host"
    if [[ -d $_gpuvirt_mtty ]] && _mtty_is_loaded && ! sudo rmmod mtty; then
        # unstack.sh stops the guests after the plugins.
        echo "mtty stays, as a guest has a device of it; run clean.sh"
    else
        rm -rf "$GPUVIRT_DATA_DIR"
    fi
}

function _gpuvirt_on_compute {
    case $1 in
        'stack pre-install')
            check_gpuvirt
            ;;
        'stack install')
            link_gpuvirt
            simulate_gpuvirt_host
            if [[ $GPUVIRT_MTTY == True ]]; then
                load_mtty
            fi
            ;;
        'stack post-config')
            configure_gpuvirt_compute
            ;;
        'stack extra')
            create_gpuvirt_flavors
            ;;
        'stack test-config')
            if is_service_enabled tempest; then
                configure_gpuvirt_tempest
            fi
            ;;
        unstack* | clean*)
            cleanup_gpuvirt
            ;;
    esac
}

# nova-api needs the package too: it checks the properties of flavors.
if is_service_enabled nova && [[ "$1 ${2:-}" == 'stack install' ]]; then
    echo_summary "Installing nova-gpuvirt"
    setup_develop "$GPUVIRT_DIR"
fi
if is_service_enabled n-sch && [[ "$1 ${2:-}" == 'stack post-config' ]]; then
    configure_gpuvirt_scheduler
fi
if is_service_enabled n-cpu; then
    _gpuvirt_on_compute "$1 ${2:-}"
fi
