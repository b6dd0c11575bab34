# mdevs on the VFs of a card, whose PF has its own driver.
pf=$(function_of 8086 10c9)
is 'the PF is with its own driver' igb "$(driver_of $pf)"
echo 0 > $pci/$pf/sriov_drivers_autoprobe
echo 3 > $pci/$pf/sriov_numvfs
for number in 0 1 2; do
    give "$(vf $pf $number)" $driver
done
first=$(vf $pf 0)
second=$(vf $pf 1)
third=$(vf $pf 2)
is 'each VF is a parent' "$first $second $third" \
    "$(line ls /sys/class/mdev_bus)"
is 'a VF has room for one' '1 1 1 1' "$(available $first)"
is 'create' ok "$(create $first $driver-9003 $one)"
is 'a VF with one has no room' '0 0 0 0' "$(available $first)"
is 'its sibling has for that size' '0 0 1 0' "$(available $second)"
is 'a second on the same VF' EIO "$(create $first $driver-9003 $two)"
is 'another size on its sibling' EIO "$(create $second $driver-9002 $two)"
is 'the same size on its sibling' ok "$(create $second $driver-9003 $two)"
is 'the card is full' '0 0 0 0' "$(available $third)"
is 'one more' EIO "$(create $third $driver-9003 $three)"
is 'it opens as on a card' \
    '8086:5349 class 030200 subsystem 8086:232b BAR0 4096 irqs 0' \
    "$(vfio show /sys/bus/mdev/devices/$two)"
echo $first > $pci/$first/driver/unbind
is 'a VF that loses its driver frees its part' '0 0 1 0' \
    "$(available $third)"
echo 0 > $pci/$pf/sriov_numvfs
is 'mdevs go with their VFs' '' "$(ls /sys/bus/mdev/devices)"
