# The parameters: sizes may differ, and drivers have the names of real ones.
rmmod gpuvirt_sim
insmod /modules/gpuvirt_sim.ko memory=2048 2> /dev/null
is 'a memory below the largest type is refused' '' \
    "$(grep gpuvirt_sim /proc/modules)"
insmod /modules/gpuvirt_sim.ko \
    mixed=1 memory=8192 vf_num=3 mdev_driver=nvidia pf_driver=gim

give $card nvidia
is 'types are named after the driver' \
    'nvidia-9001 nvidia-9002 nvidia-9003 nvidia-9004' \
    "$(line ls $pci/$card/mdev_supported_types)"
is 'an empty card' '8 8 4 2' "$(available $card)"
create $card nvidia-9002 $one > /dev/null
is 'each size has room beside another' '7 7 3 1' "$(available $card)"
is 'another size' ok "$(create $card nvidia-9004 $two)"
is 'what is left' '3 3 1 0' "$(available $card)"
is 'a size that is left no place' EIO "$(create $card nvidia-9004 $three)"

give $pf gim
is 'as many VFs as the parameter says' 3 "$(cat $pci/$pf/sriov_numvfs)"
for number in 0 1 2; do
    give "$(vf $pf $number)" gpuvirt_sim_vendor
done
first=$pci/$(vf $pf 0)
second=$pci/$(vf $pf 1)
third=$pci/$(vf $pf 2)
is 'a VF of one size' ok "$(put $first/nvidia/current_vgpu_type 9003)"
is 'its sibling of another' ok "$(put $second/nvidia/current_vgpu_type 9004)"
is 'a third finds what is left' 'ID    : vGPU Name
9001  : GPUVIRT SIM-1B
9002  : GPUVIRT SIM-1Q
9003  : GPUVIRT SIM-2Q' "$(cat $third/nvidia/creatable_vgpu_types)"
