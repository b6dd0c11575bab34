#!/bin/bash
# Fetch apt's lists, as root; wait while another process does.
#
# usage: tools/apt-update.sh
#
# apt waits for dpkg's lock (DPkg::Lock::Timeout), but not for that of its lists.
set -euo pipefail

pause=5
for ((waited = 0; waited < 300; waited += pause)); do
    said=$(LC_ALL=C apt-get -qq update 2>&1) && exit 0
    [[ $said == *'Could not get lock'* ]] || break
    [ "$waited" -gt 0 ] || echo "waiting for apt's lists: ${said%%$'\n'*}" >&2
    sleep "$pause"
done
echo "$said" >&2
exit 1
