# What a guest of QEMU sees, a VM in this VM.
mount -t 9p -o trans=virtio,version=9p2000.L emulator /emulator
libraries=/emulator/usr/lib/x86_64-linux-gnu
give $card gpuvirt_sim_mdev
create $card gpuvirt_sim_mdev-9003 $one > /dev/null
put $first/nvidia/current_vgpu_type 9004 > /dev/null

QEMU_MODULE_DIR=$libraries/qemu \
    /emulator/usr/lib64/ld-linux-x86-64.so.2 --library-path $libraries \
    /emulator/usr/bin/qemu-system-x86_64 \
    -L /emulator/usr/share/qemu -L /emulator/usr/share/seabios \
    -nodefaults -no-user-config -display none -no-reboot \
    -machine q35 -accel kvm -cpu host -m 256 \
    -device vfio-pci,sysfsdev=/sys/bus/mdev/devices/$one \
    -device vfio-pci,host="$(basename $first)" \
    -kernel /guest/vmlinuz -initrd /guest/initrd \
    -append 'console=ttyS0 quiet mitigations=off panic=-1' \
    -serial file:/guest/console.log
is 'a guest sees the mdev, with its type' \
    '0x1234 0x5349 0x030200 0x1234 0x232b' \
    "$(grep '^0x1234' /guest/console.log | tr -d '\r')"
is 'a guest sees the VF' '0x1af4 0x1041 0x020000 0x1af4 0x1100' \
    "$(grep '^0x1af4' /guest/console.log | tr -d '\r')"
is 'the mdev is free when the guest is gone' ok \
    "$(put /sys/bus/mdev/devices/$one/remove 1)"
is 'so is the VF' ok "$(put $first/nvidia/current_vgpu_type 0)"
