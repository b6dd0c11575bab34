#!/bin/bash
# Make a tree of Debian 13 with some packages, and what they need.
#
# usage: tools/debian-tree.sh DIR VARIANT SUITE PACKAGE...
#
# VARIANT is mmdebstrap's: minbase installs them in a small Debian, extract
# only unpacks them. SUITE is trixie, or trixie-backports to prefer what is
# there. The packages come from where apt of this machine has its own from,
# and with its proxies. DIR has to be empty, or not there.
set -euo pipefail

usage='usage: tools/debian-tree.sh DIR VARIANT SUITE PACKAGE...'
dir=${1:?$usage}
variant=${2:?$usage}
suite=${3:?$usage}
shift 3
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

fail() {
    echo "tools/debian-tree.sh: $dir: $*" >&2
    exit 1
}

# archive LABEL: where apt has Debian's archive of that label from
archive() {
    # shellcheck disable=SC2016 # apt expands it
    apt-get indextargets --format '$(REPO_URI)' \
        'Created-By: Packages' 'Origin: Debian' "Label: $1" | head -n 1
}

main=$(archive Debian)
if [ -z "$main" ]; then
    # It knows none before it has fetched its lists.
    "$(dirname "$0")/apt-update.sh"
    main=$(archive Debian)
fi
[ -n "$main" ] || fail "wanted Debian's archive, found none among apt's" \
    "sources; add it to /etc/apt/sources.list.d"
security=$(archive Debian-Security)

from=("$main trixie" "$main trixie-updates")
[ -z "$security" ] || from+=("$security trixie-security")
aptopts=('APT::Install-Recommends "false"')
if [ "$suite" != trixie ]; then
    from+=("$main $suite")
    aptopts+=("APT::Default-Release \"$suite\"")
fi
while read -r option; do
    aptopts+=("$option")
done < <(apt-config dump --no-empty --format '%F "%v"%n' Acquire |
    grep -iE 'proxy|check-valid-until|check-date|retries')

# Who wants an initrd makes a smaller one; Debian's takes half a minute.
printf "deb [signed-by=$keyring] %s main\n" "${from[@]}" |
    INITRD=No mmdebstrap --quiet --variant="$variant" --skip=check/empty \
        "${aptopts[@]/#/--aptopt=}" \
        --dpkgopt='path-exclude=/usr/share/doc/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' \
        --dpkgopt='path-exclude=/usr/share/man/*' \
        --include="$*" trixie "$dir" - ||
    fail "mmdebstrap can't make it of $*; see above"
