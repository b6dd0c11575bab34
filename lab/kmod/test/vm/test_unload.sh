# Unloading, with functions that have vGPUs.
rmmod gpuvirt_sim
is 'the module unloads' '' "$(grep gpuvirt_sim /proc/modules)"
is 'no mdev is left' '' "$(ls /sys/bus/mdev/devices)"
is 'no VF is left' 0 "$(cat $pci/$pf/sriov_numvfs)"
# A module out of tree (4096), unsigned (8192), and no warning, nor worse.
is 'the kernel has no complaint' 12288 "$(cat /proc/sys/kernel/tainted)"
