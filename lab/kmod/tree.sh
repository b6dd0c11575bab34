#!/bin/bash
# Make a tree of Debian 13 with the packages that trees.txt lists for it.
#
# usage: tree.sh DIR SUITE NAME [PACKAGE...]
#
# SUITE is trixie, or trixie-backports to prefer what is there. The packages
# come from where apt of this machine has its own from. A tree that is there,
# and whole, is left as it is.
set -euo pipefail

usage='usage: tree.sh DIR SUITE NAME [PACKAGE...]'
dir=${1:?$usage}
suite=${2:?$usage}
name=${3:?$usage}
shift 3
here=$(dirname "$(readlink -f "$0")")
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

fail() {
    echo "lab/kmod/tree.sh: $dir: $*" >&2
    exit 1
}

# archive LABEL: where apt has Debian's archive of that label from
archive() {
    # shellcheck disable=SC2016 # apt expands it
    apt-get indextargets --format '$(REPO_URI)' \
        'Created-By: Packages' 'Origin: Debian' "Label: $1" | head -n 1
}

[ ! -e "$dir/.complete" ] || exit 0
"$here/../../tools/debian-packages.sh" kmod

mapfile -t packages < <(sed -n "s/ *\[$name\]$//p" "$here/trees.txt")
main=$(archive Debian)
if [ -z "$main" ]; then
    # It knows none before it has fetched its lists.
    apt-get -qq update
    main=$(archive Debian)
fi
[ -n "$main" ] || fail "wanted Debian's archive, found none among apt's" \
    "sources; add it to /etc/apt/sources.list.d"
security=$(archive Debian-Security)

from=("$main trixie" "$main trixie-updates")
[ -z "$security" ] || from+=("$security trixie-security")
options=()
if [ "$suite" = trixie-backports ]; then
    from+=("$main trixie-backports")
    options+=(--aptopt='APT::Default-Release "trixie-backports"')
fi

echo "Making $dir, in a minute or two"
mkdir -p "$(dirname "$dir")"
rm -rf "$dir"
# The tests make an initrd of their own; Debian's takes half a minute.
printf "deb [signed-by=$keyring] %s main\n" "${from[@]}" |
    INITRD=No mmdebstrap --quiet --variant=minbase --skip=check/empty \
        --aptopt='APT::Install-Recommends "false"' "${options[@]}" \
        --dpkgopt='path-exclude=/usr/share/doc/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' \
        --dpkgopt='path-exclude=/usr/share/man/*' \
        --include="${packages[*]} $*" trixie "$dir" - ||
    fail "mmdebstrap can't make it of ${packages[*]} $*; see above"
touch "$dir/.complete"
