# The functions of the VM, and what is done to them.
pci=/sys/bus/pci/devices

# function_of VENDOR DEVICE: its address
function_of() {
    for device in "$pci"/*; do
        [ "$(cat $device/vendor) $(cat $device/device)" = "0x$1 0x$2" ] &&
            basename $device
    done
}

driver_of() {
    [ -e $pci/$1/driver ] && basename "$(readlink $pci/$1/driver)"
}

# give ADDRESS DRIVER: by driver_override, as the module wants it
give() {
    [ ! -e $pci/$1/driver ] || echo $1 > $pci/$1/driver/unbind
    echo $2 > $pci/$1/driver_override
    echo $1 > /sys/bus/pci/drivers_probe
}

# vf ADDRESS NUMBER: the address of a PF's VF
vf() {
    basename "$(readlink $pci/$1/virtfn$2)"
}

# line COMMAND...: what it prints, on one line
line() {
    "$@" | paste -s -d ' ' -
}

# available ADDRESS: what each mdev type of it has left
available() {
    line cat $pci/$1/mdev_supported_types/*/available_instances
}

# create ADDRESS TYPE UUID
create() {
    put $pci/$1/mdev_supported_types/$2/create $3
}

# hold DEVICE: open it and keep it so until release; /held has the result
hold() {
    rm -f /held
    vfio hold $1 > /held &
    holder=$!
    while [ ! -s /held ]; do
        sleep 0.1
    done
}

release() {
    kill $holder
    wait $holder
}
