#!/bin/bash
# Try gpuvirt_sim.ko in a small VM, on emulated functions.
#
# usage: run.sh KERNEL BUILDER EMULATOR MODULE OUT
#
# KERNEL is the root tree that MODULE was built for, BUILDER the one that
# compiles, EMULATOR one with QEMU. OUT/console.log has the VM's kernel log,
# OUT/result.tap the results.
set -euo pipefail

usage='usage: run.sh KERNEL BUILDER EMULATOR MODULE OUT'
kernel=${1:?$usage}
builder=${2:?$usage}
emulator=${3:?$usage}
module=${4:?$usage}
out=${5:?$usage}
here=$(dirname "$(readlink -f "$0")")
version=$(basename "$kernel"/lib/modules/*)
# Seconds; the VM needs 90 on a free core.
patience=900

mkdir -p "$out"
rm -f "$out"/*
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
initrd=$work/initrd
guest=$work/guest

# module NAME: add it with what it needs, and list them
module() {
    local file
    chroot "$kernel" modprobe --set-version "$version" --show-depends "$1" |
        sed -n 's/^insmod //p' | while read -r file; do
        xz -dc "$kernel/$file" > "$initrd/modules/$(basename "$file" .xz)"
        basename "$file" .xz
    done
}

# program NAME: add it, compiled so that it needs no library
program() {
    cp "$here/$1.c" "$builder/srv/"
    chroot "$builder" gcc -Wall -Wextra -Werror -static \
        -o "/srv/$1" "/srv/$1.c"
    cp "$builder/srv/$1" "$initrd/bin/"
}

# pack DIR: make it an initrd
pack() {
    (cd "$1" && find . | cpio --quiet -o -H newc)
}

# What the guest in the VM boots
mkdir -p "$guest"/{bin,dev,sys}
cp "$kernel/usr/bin/busybox" "$guest/bin/"
install "$here/guest/init" "$guest/init"

mkdir -p "$initrd"/{bin,dev,emulator,guest,modules,proc,sys,test}
pack "$guest" > "$initrd/guest/initrd"
cp "$kernel/boot/vmlinuz-$version" "$initrd/guest/vmlinuz"
cp "$kernel/usr/bin/busybox" "$initrd/bin/"
ln -s busybox "$initrd/bin/sh"
program put
program vfio
for name in vfio-pci-core vfio_iommu_type1 mdev igb virtio_gpu kvm_amd \
    9pnet_virtio 9p; do
    module "$name"
done | awk '!seen[$0]++' > "$initrd/modules/order"
cp "$module" "$initrd/modules/gpuvirt_sim.ko"
echo gpuvirt_sim.ko >> "$initrd/modules/order"
cp "$here"/vm/*.sh "$initrd/test/"
install "$here/vm/init" "$initrd/init"
pack "$initrd" > "$out/initrd"

# VFs come before their PF on the command line. A PF that brings its own VFs,
# as igb, crashes QEMU 11.1.3 behind them when it has no id.
vf=virtio-net-pci,bus=port3,sriov-pf=gpu,romfile=
devices=(
    -device 'pcie-root-port,id=port1,chassis=1'
    -device 'bochs-display,bus=port1'
    -device 'pcie-root-port,id=port2,chassis=2'
    -device 'igb,id=igb,bus=port2,romfile='
    -device 'pcie-root-port,id=port3,chassis=3'
    -device "$vf,addr=0.1" -device "$vf,addr=0.2"
    -device "$vf,addr=0.3" -device "$vf,addr=0.4"
    -device 'virtio-gpu-pci,id=gpu,bus=port3,addr=0.0,multifunction=on'
)
# By the linker of its own tree, so that nothing has to be mounted there.
libraries=$emulator/usr/lib/x86_64-linux-gnu
export QEMU_MODULE_DIR=$libraries/qemu
qemu=(
    "$emulator/usr/lib64/ld-linux-x86-64.so.2" --library-path "$libraries"
    "$emulator/usr/bin/qemu-system-x86_64"
    -L "$emulator/usr/share/qemu" -L "$emulator/usr/share/seabios"
)
timeout "$patience" "${qemu[@]}" \
    -nodefaults -no-user-config -display none -no-reboot \
    -machine q35 -accel tcg -cpu max -m 1024 \
    -device intel-iommu,intremap=on,caching-mode=on "${devices[@]}" \
    -virtfs "local,path=$emulator,mount_tag=emulator,security_model=none,readonly=on" \
    -kernel "$kernel/boot/vmlinuz-$version" -initrd "$out/initrd" \
    -append 'console=ttyS0 intel_iommu=on mitigations=off panic=-1' \
    -serial "file:$out/console.log" -serial "file:$out/result.tap" \
    < /dev/null 2> "$out/qemu.log" ||
    echo "QEMU failed, or took more than $patience s: see $out/qemu.log"
prove --verbose --exec cat "$out/result.tap"
