# A PF whose VFs its driver makes.
give $card gpuvirt_sim_pf
is 'a function without SR-IOV is refused' '' "$(driver_of $card)"

pf=$(function_of 1af4 1050)
echo 0 > $pci/$pf/sriov_drivers_autoprobe
give $pf gpuvirt_sim_pf
is 'the PF is taken' gpuvirt_sim_pf "$(driver_of $pf)"
is 'all VFs are there' 4 "$(cat $pci/$pf/sriov_numvfs)"
is 'each has its link' 'virtfn0 virtfn1 virtfn2 virtfn3' \
    "$(cd $pci/$pf && echo virtfn*)"
is 'sriov_numvfs takes no 0' ENOENT "$(put $pci/$pf/sriov_numvfs 0)"
is 'nor a number' ENOENT "$(put $pci/$pf/sriov_numvfs 2)"
is 'its own number is no change' ok "$(put $pci/$pf/sriov_numvfs 4)"
is 'more than there can be' ERANGE "$(put $pci/$pf/sriov_numvfs 5)"

echo $pf > $pci/$pf/driver/unbind
is 'VFs go with the driver' 0 "$(cat $pci/$pf/sriov_numvfs)"
give $pf gpuvirt_sim_pf
is 'and come with it' 4 "$(cat $pci/$pf/sriov_numvfs)"
