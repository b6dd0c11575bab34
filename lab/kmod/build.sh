#!/bin/bash
# Build gpuvirt_sim.ko for the kernel of a root tree of Debian 13.
#
# usage: build.sh ROOTFS BUILDER OUT
#
# ROOTFS has one kernel in lib/modules. BUILDER is the tree that the module is
# compiled in; it is made where it is missing, or has another kernel's headers.
# The module is OUT/gpuvirt_sim.ko.
set -euo pipefail

usage='usage: build.sh ROOTFS BUILDER OUT'
rootfs=${1:?$usage}
builder=${2:?$usage}
out=${3:?$usage}
here=$(dirname "$(readlink -f "$0")")

kernels=("$rootfs"/lib/modules/*)
kernel=${kernels[0]##*/}
if [ ${#kernels[@]} != 1 ] || [ ! -d "${kernels[0]}" ]; then
    echo "lab/kmod/build.sh: $rootfs/lib/modules: wanted one kernel, found" \
        "${kernels[*]##*/}; remove the tree, and have it made again" >&2
    exit 1
fi

[ -d "$builder/lib/modules/$kernel" ] || rm -f "$builder/.complete"
"$here/tree.sh" "$builder" trixie builder "linux-headers-$kernel" || {
    echo "lab/kmod/build.sh: $builder: wanted the headers of $kernel, found" \
        "none; if Debian has a newer kernel by now, remove .lab, and have" \
        "$rootfs made again" >&2
    exit 1
}

rm -rf "$builder/srv/kmod"
mkdir -p "$builder/srv/kmod" "$out"
cp "$here"/Kbuild "$here"/*.[ch] "$builder/srv/kmod/"
chroot "$builder" make --silent -C "/lib/modules/$kernel/build" \
    M=/srv/kmod KCFLAGS=-Werror modules
chroot "$builder" strip --strip-debug /srv/kmod/gpuvirt_sim.ko
cp "$builder/srv/kmod/gpuvirt_sim.ko" "$out/"
echo "$out/gpuvirt_sim.ko is for $kernel"
