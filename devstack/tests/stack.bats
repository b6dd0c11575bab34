#!/usr/bin/env bats
# What the phases of stack.sh do.

load phase

# pre-install

@test "pre-install: another virt driver is refused" {
    VIRT_DRIVER=ironic run phase stack pre-install
    [ "$status" -eq 1 ]
    [[ $output == *'wanted libvirt'*'found ironic'* ]]
}

@test "pre-install: nothing is needed without mtty" {
    phase stack pre-install
    [ ! -s "$CALLS" ]
}

@test "pre-install: mtty without the kernel's sources is refused" {
    want_mtty
    rm "$GPUVIRT_KERNEL_SOURCE/samples/vfio-mdev/mtty.c"
    run phase stack pre-install
    [ "$status" -eq 1 ]
    [[ $output == 'GPUVIRT_KERNEL_SOURCE: wanted '*"$GPUVIRT_KERNEL_SOURCE"* ]]
}

@test "pre-install: mtty without the kernel's headers is refused" {
    want_mtty
    rm "$GPUVIRT_KERNEL_BUILD/Makefile"
    run phase stack pre-install
    [ "$status" -eq 1 ]
    [[ $output == 'GPUVIRT_KERNEL_BUILD: wanted '*"$GPUVIRT_KERNEL_BUILD"* ]]
}

@test "pre-install: mtty with both is accepted" {
    want_mtty
    phase stack pre-install
}

# install

@test "install: the package is installed, and the driver linked into Nova" {
    phase stack install
    called "setup_develop $GPUVIRT_DIR"
    link=$NOVA_DIR/nova/virt/gpuvirt.py
    [ "$(readlink "$link")" = "$GPUVIRT_DIR/nova_gpuvirt/novavirt/gpuvirt.py" ]
    grep GpuLibvirtDriver "$link"
}

@test "install: a second one changes nothing" {
    phase stack install
    before=$(find "$DEST" | sort)
    phase stack install
    [ "$(find "$DEST" | sort)" = "$before" ]
}

@test "install: a host with nova-api alone has the package and no driver" {
    ENABLED_SERVICES=n-api phase stack install
    called "setup_develop $GPUVIRT_DIR"
    [ ! -e "$NOVA_DIR/nova/virt/gpuvirt.py" ]
    [ ! -e "$DATA_DIR/nova-gpuvirt" ]
}

@test "install: a host without Nova has nothing" {
    ENABLED_SERVICES=key,mysql phase stack install
    [ ! -s "$CALLS" ]
    [ ! -e "$DATA_DIR/nova-gpuvirt" ]
}

@test "install: a host with nothing to give becomes a simulated t4" {
    phase stack install
    called 'echo_summary nova-gpuvirt reports a simulated t4'
    [ -d "$DATA_DIR/nova-gpuvirt/host/sys" ]
}

@test "install: a host with a GPU to give stays what it is" {
    for column in PGPU VGPU Profiles Sessions; do
        OFFERS=$column phase stack install
        [ ! -e "$DATA_DIR/nova-gpuvirt" ]
    done
}

@test "install: the host that GPUVIRT_SIMULATE names is simulated" {
    OFFERS=PGPU GPUVIRT_SIMULATE=workstation phase stack install
    called 'echo_summary nova-gpuvirt reports a simulated workstation'
}

@test "install: an unknown simulated host is refused" {
    GPUVIRT_SIMULATE=mainframe run phase stack install
    [ "$status" -eq 1 ]
    [[ $output == *'GPUVIRT_SIMULATE: mainframe is no simulated host'* ]]
}

@test "install: with GPUVIRT_SIMULATE=False nothing is simulated" {
    GPUVIRT_SIMULATE=False phase stack install
    [ ! -e "$DATA_DIR/nova-gpuvirt" ]
}

@test "install: a host that is simulated no more is the machine again" {
    phase stack install
    OFFERS=PGPU phase stack install
    [ ! -e "$DATA_DIR/nova-gpuvirt/host" ]
}

@test "install: a discover that fails is no host without GPUs" {
    DISCOVER_FAILS=1 run phase stack install
    [ "$status" -eq 1 ]
    [[ $output == *'nova-gpuvirt discover failed'* ]]
    [ ! -e "$DATA_DIR/nova-gpuvirt" ]
}

@test "install: mtty is built and loaded after what it needs" {
    want_mtty
    phase stack install
    mtty=$DATA_DIR/nova-gpuvirt/mtty
    [ "$(cat "$mtty/Makefile")" = 'obj-m := mtty.o' ]
    called "make -C $GPUVIRT_KERNEL_BUILD M=$mtty modules"
    [ "$(grep -E 'modprobe|insmod' "$CALLS")" = "sudo modprobe -a vfio mdev
sudo insmod $mtty/mtty.ko" ]
}

@test "install: an mtty that is loaded is not loaded again" {
    want_mtty
    LOADED_MODULES=mtty phase stack install
    run grep insmod "$CALLS"
    [ "$status" -eq 1 ]
}

# post-config

@test "post-config: nova-compute gets the driver and its rootwrap filter" {
    phase stack post-config
    [ "$(option "$NOVA_CONF" DEFAULT compute_driver)" = \
        gpuvirt.GpuLibvirtDriver ]
    cmp "$GPUVIRT_DIR/etc/nova/rootwrap.d/gpuvirt.filters" \
        "$NOVA_CONF_DIR/rootwrap.d/gpuvirt.filters"
    called "sudo install -o root -g root -m 644\
 $GPUVIRT_DIR/etc/nova/rootwrap.d/gpuvirt.filters\
 $NOVA_CONF_DIR/rootwrap.d/gpuvirt.filters"
}

@test "post-config: only a simulated host's sysfs is named" {
    phase stack post-config
    [ ! -e "$NOVA_CONF.d/gpuvirt/sysfs_root" ]
    phase stack install
    phase stack post-config
    [ "$(option "$NOVA_CONF" gpuvirt sysfs_root)" = \
        "$DATA_DIR/nova-gpuvirt/host" ]
}

@test "post-config: nova-compute has a folder for what it remembers" {
    phase stack post-config
    state=$(option "$NOVA_CONF" gpuvirt state_path)
    [ "$state" = "$DATA_DIR/nova-gpuvirt/state" ]
    [ -d "$state" ]
}

@test "post-config: mtty is Nova's, in a class of its own" {
    want_mtty
    phase stack post-config
    [ "$(option "$NOVA_CONF" devices enabled_mdev_types)" = mtty-2 ]
    [ "$(option "$NOVA_CONF" mdev_mtty-2 mdev_class)" = CUSTOM_MTTY ]
}

@test "post-config: a host without nova-compute keeps its driver" {
    ENABLED_SERVICES=n-api,n-sch phase stack post-config
    [ ! -e "$NOVA_CONF.d/DEFAULT" ]
    [ ! -e "$NOVA_CONF_DIR/rootwrap.d/gpuvirt.filters" ]
}

# extra

@test "extra: a flavor is made for each class that the host has" {
    OFFERS='VGPU PGPU' phase stack extra
    called openstack flavor create --vcpus 1 --ram 512 --disk 5 \
        --property resources:VGPU=1 gpu.vgpu
    called openstack flavor create --vcpus 1 --ram 512 --disk 5 \
        --property resources:PGPU=1 gpu.whole
}

@test "extra: no flavor is made for what the host has not" {
    OFFERS=PGPU phase stack extra
    run grep 'flavor create' "$CALLS"
    [ "${#lines[@]}" -eq 1 ]
    [[ $output == *gpu.whole ]]
}

@test "extra: a flavor that is there is left as it is" {
    OFFERS='VGPU PGPU' EXISTING_FLAVORS=gpu.vgpu phase stack extra
    run grep 'flavor create' "$CALLS"
    [ "${#lines[@]}" -eq 1 ]
    [[ $output == *gpu.whole ]]
}

@test "extra: mtty has a flavor" {
    want_mtty
    phase stack extra
    called openstack flavor create --vcpus 1 --ram 512 --disk 5 \
        --property resources:CUSTOM_MTTY=1 gpu.mtty
}

@test "extra: a discover that fails is no host without flavors" {
    DISCOVER_FAILS=1 run phase stack extra
    [ "$status" -eq 1 ]
}

# test-config

@test "test-config: tempest gets the flavors" {
    OFFERS='VGPU PGPU' phase stack test-config
    [ "$(option "$TEMPEST_CONFIG" gpuvirt flavors)" = gpu.vgpu,gpu.whole ]
    [ "$(option "$TEMPEST_CONFIG" gpuvirt resize_flavor)" = ds512M ]
}

@test "test-config: tempest boots nothing on a simulated host" {
    phase stack install
    OFFERS=VGPU phase stack test-config
    [ ! -e "$TEMPEST_CONFIG.d" ]
}

@test "test-config: tempest is told nothing of a host without GPUs" {
    phase stack test-config
    [ ! -e "$TEMPEST_CONFIG.d" ]
}

@test "test-config: nothing is set without tempest" {
    OFFERS=VGPU ENABLED_SERVICES=n-cpu phase stack test-config
    [ ! -e "$TEMPEST_CONFIG.d" ]
}

# With the real nova-gpuvirt

@test "a simulated host has the flavors of its GPUs" {
    export NOVA_BIN_DIR=${VENV_BIN:?make test-devstack sets it}
    GPUVIRT_SIMULATE=gvtg phase stack install
    phase stack extra
    run grep 'flavor create' "$CALLS"
    [ "${#lines[@]}" -eq 1 ]
    [[ $output == *'resources:VGPU=1 gpu.vgpu' ]]
}
