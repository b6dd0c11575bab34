# VFs that become vGPUs themselves, of a PF with its own driver.
driver=gpuvirt_sim_vendor
give $card $driver
is 'a function that is no VF is refused' '' "$(driver_of $card)"

give $pf virtio-pci
echo 4 > $pci/$pf/sriov_numvfs
for number in 0 1 2 3; do
    give "$(vf $pf $number)" $driver
done
first=$pci/$(vf $pf 0)
second=$pci/$(vf $pf 1)
third=$pci/$(vf $pf 2)
is 'a VF is taken' $driver "$(driver_of "$(vf $pf 0)")"
is 'the PF has no nvidia folder' '' "$(ls -d $pci/$pf/nvidia 2> /dev/null)"
is 'the VF is a VFIO device' vfio "$(line ls $first/vfio-dev | tr -d 0-9)"
all='ID    : vGPU Name
9001  : GPUVIRT SIM-1B
9002  : GPUVIRT SIM-1Q
9003  : GPUVIRT SIM-2Q
9004  : GPUVIRT SIM-4Q'
is 'all types are creatable' "$all" \
    "$(cat $first/nvidia/creatable_vgpu_types)"
is 'the VF is none' 0 "$(cat $first/nvidia/current_vgpu_type)"
is 'creatable_vgpu_types is read only' 444 \
    "$(stat -c %a $first/nvidia/creatable_vgpu_types)"

is '0 over 0' EPERM "$(put $first/nvidia/current_vgpu_type 0)"
is 'what is no number' EINVAL "$(put $first/nvidia/current_vgpu_type 2Q)"
is 'a number of no type' EIO "$(put $first/nvidia/current_vgpu_type 1148)"
is 'a VF that is no vGPU does not open' 'GET_DEVICE_FD: ENODEV' \
    "$(vfio show $first)"

is 'a type' ok "$(put $first/nvidia/current_vgpu_type 9003)"
is 'the VF is of that type' 9003 "$(cat $first/nvidia/current_vgpu_type)"
is 'a VF that is a vGPU can become nothing' '' \
    "$(cat $first/nvidia/creatable_vgpu_types)"
is 'its sibling only the same size' 'ID    : vGPU Name
9003  : GPUVIRT SIM-2Q' "$(cat $second/nvidia/creatable_vgpu_types)"
is 'a number over another' EPERM \
    "$(put $first/nvidia/current_vgpu_type 9002)"
is 'the same number over itself' EPERM \
    "$(put $first/nvidia/current_vgpu_type 9003)"
is 'another size on its sibling' EIO \
    "$(put $second/nvidia/current_vgpu_type 9002)"
is 'the same size on its sibling' ok \
    "$(put $second/nvidia/current_vgpu_type 9003)"
is 'the card is full' '' "$(cat $third/nvidia/creatable_vgpu_types)"
is 'one more' EIO "$(put $third/nvidia/current_vgpu_type 9003)"

is 'a vGPU opens, as the VF that it is' \
    '1af4:1041 class 020000 subsystem 1af4:1100' \
    "$(vfio show $first | sed 's/ BAR0.*//')"
hold $first
is 'a process opens it' open "$(cat /held)"
is '0 while it is open' EBUSY "$(put $first/nvidia/current_vgpu_type 0)"
is 'a number while it is open' EPERM \
    "$(put $first/nvidia/current_vgpu_type 9003)"
is 'it is still a vGPU' 9003 "$(cat $first/nvidia/current_vgpu_type)"
release
is '0 when it is closed' ok "$(put $first/nvidia/current_vgpu_type 0)"
is 'a VF that was a vGPU does not open' 'GET_DEVICE_FD: ENODEV' \
    "$(vfio show $first)"

vf=$(vf $pf 1)
echo $vf > $pci/$vf/driver/unbind
is 'what a VF was goes with the driver' "$all" \
    "$(cat $first/nvidia/creatable_vgpu_types)"
give $vf $driver
is 'and does not come back' 0 "$(cat $second/nvidia/current_vgpu_type)"
is 'a VF is a vGPU' ok "$(put $first/nvidia/current_vgpu_type 9004)"
is 'VFs are disabled all the same' ok "$(put $pci/$pf/sriov_numvfs 0)"
echo 1 > $pci/$pf/sriov_numvfs
give "$(vf $pf 0)" $driver
is 'and a new one can be anything' "$all" \
    "$(cat $first/nvidia/creatable_vgpu_types)"
