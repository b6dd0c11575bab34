#!/bin/bash
# Install the Debian packages of bindep.txt that this machine lacks.
#
# usage: tools/debian-packages.sh [PROFILE...]
#
# Those without a profile, and those of each PROFILE.
set -euo pipefail

profiles=$(IFS='|' && echo "$*")
cd "$(dirname "$0")/.."

fail() {
    echo "tools/debian-packages.sh: $*" >&2
    exit 1
}

command -v dpkg-query > /dev/null || exit 0

missing=()
while read -r name; do
    dpkg-query -W -f '${db:Status-Abbrev}' "$name" 2> /dev/null |
        grep -q '^ii' || missing+=("$name")
done < <(sed -nE "s/ *\[platform:dpkg( ($profiles))?\].*//p" bindep.txt)
[ ${#missing[@]} -gt 0 ] || exit 0

root=()
if [ "$(id -u)" != 0 ]; then
    command -v sudo > /dev/null ||
        fail "as root, run: apt-get install ${missing[*]}"
    root=(sudo)
fi
echo "Installing Debian packages: ${missing[*]}"
# One at a time, of all clones: the first to end takes the policy away.
exec 8< /var/lib/dpkg
flock 8
# Those that bring a service must not start it.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap '"${root[@]}" rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' |
        "${root[@]}" install -m 755 /dev/stdin "$policy"
fi
# A broken source of something else is no reason to stop here.
"${root[@]}" tools/apt-update.sh ||
    echo "apt-get update failed; trying with what is known" >&2
"${root[@]}" env DEBIAN_FRONTEND=noninteractive DEBCONF_NOWARNINGS=yes \
    apt-get -qq --option=DPkg::Lock::Timeout=600 \
    install -y --no-install-recommends "${missing[@]}" \
    < /dev/null > /dev/null ||
    fail "apt-get install ${missing[*]} failed"
