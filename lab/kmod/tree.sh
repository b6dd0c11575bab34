#!/bin/bash
# Make a tree of Debian 13 with the packages that trees.txt lists for it.
#
# usage: tree.sh DIR SUITE NAME [PACKAGE...]
#
# SUITE is trixie, or trixie-backports to prefer what is there. A tree that is
# there, and whole, is left as it is.
set -euo pipefail

usage='usage: tree.sh DIR SUITE NAME [PACKAGE...]'
dir=${1:?$usage}
suite=${2:?$usage}
name=${3:?$usage}
shift 3
here=$(dirname "$(readlink -f "$0")")
tools=$here/../../tools

[ ! -e "$dir/.complete" ] || exit 0
"$tools/debian-packages.sh" kmod trees

echo "Making $dir, in a minute or two"
mkdir -p "$(dirname "$dir")"
rm -rf "$dir"
mapfile -t packages < <(sed -n "s/ *\[$name\]$//p" "$here/trees.txt")
"$tools/debian-tree.sh" "$dir" minbase "$suite" "${packages[@]}" "$@"
touch "$dir/.complete"
