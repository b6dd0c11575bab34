# mdevs on a card itself.
card=$(function_of 1234 1111)
driver=gpuvirt_sim_mdev
one=10000000-0000-4000-8000-000000000001
two=10000000-0000-4000-8000-000000000002
three=10000000-0000-4000-8000-000000000003
four=10000000-0000-4000-8000-000000000004
five=10000000-0000-4000-8000-000000000005

is 'a function without driver_override is not taken' ENODEV \
    "$(put /sys/bus/pci/drivers/$driver/bind $card)"
give $card $driver
is 'a function with driver_override is' $driver "$(driver_of $card)"
is 'it is in mdev_bus' $card "$(ls /sys/class/mdev_bus)"

types=$pci/$card/mdev_supported_types
is 'types are named after driver and number' \
    "$driver-9001 $driver-9002 $driver-9003 $driver-9004" \
    "$(line ls $types)"
is 'names' 'GPUVIRT SIM-1B GPUVIRT SIM-1Q GPUVIRT SIM-2Q GPUVIRT SIM-4Q' \
    "$(line cat $types/*/name)"
is 'a description is one line, in the form of NVIDIA' \
    'num_heads=4, frl_config=60, framebuffer=2048M, max_resolution=7680x4320, max_instance=2' \
    "$(cat $types/$driver-9003/description)"
is 'the API is that of PCI' vfio-pci "$(cat $types/$driver-9003/device_api)"
is 'an empty card has room for what its memory holds' '4 4 2 1' \
    "$(available $card)"

is 'create' ok "$(create $card $driver-9002 $one)"
is 'others of its size lose one, other sizes have none' '3 3 0 0' \
    "$(available $card)"
is 'create of another size' EIO "$(create $card $driver-9003 $two)"
is 'create of a UUID that exists' EEXIST "$(create $card $driver-9002 $one)"
is 'create of what is no UUID' EINVAL "$(create $card $driver-9002 one)"
is 'another series of the same size' ok \
    "$(create $card $driver-9001 $two)"
is 'a third' ok "$(create $card $driver-9002 $three)"
is 'a fourth' ok "$(create $card $driver-9002 $four)"
is 'the card is full' '0 0 0 0' "$(available $card)"
is 'a fifth' EIO "$(create $card $driver-9002 $five)"
is 'what was refused is not there' "$one $two $three $four" \
    "$(line ls /sys/bus/mdev/devices)"

mdev=/sys/bus/mdev/devices/$one
is 'the driver of mdevs says what it is' gpuvirt_sim_vgpu \
    "$(basename "$(readlink $mdev/driver)")"
is 'a device of its own, with its type in the subsystem id' \
    '1234:5349 class 030200 subsystem 1234:232a BAR0 4096 irqs 0' \
    "$(vfio show $mdev)"
is 'another type is another device' \
    '1234:5349 class 030200 subsystem 1234:2329 BAR0 4096 irqs 0' \
    "$(vfio show /sys/bus/mdev/devices/$two)"
is 'registers take what is written, ids do not, a reset clears' \
    'found 0 took 12345678 ids 53491234 size fffff000 reset 0 0' \
    "$(vfio scratch $mdev)"

hold $mdev
is 'a process opens it' open "$(cat /held)"
put $mdev/remove 1 > /removed &
remover=$!
sleep 1
is 'its removal waits' '' "$(cat /removed)"
is 'and its place is not free before' '0 0 0 0' "$(available $card)"
release
wait $remover
is 'it is removed when it is closed' ok "$(cat /removed)"
is 'one has room again' '1 1 0 0' "$(available $card)"
for mdev in $two $three $four; do
    put /sys/bus/mdev/devices/$mdev/remove 1 > /dev/null
done
is 'all are gone' '4 4 2 1' "$(available $card)"

create $card $driver-9004 $one > /dev/null
echo $card > $pci/$card/driver/unbind
is 'mdevs go with their driver' '' "$(ls /sys/bus/mdev/devices)"
