#!/bin/bash
# Write constraints/nova-NOVA_MAJOR.txt: one pin for every package that the
# tests, the linters and the documents need beside that release of Nova.
#
# usage: tools/freeze-constraints.sh NOVA_MAJOR [PROFILE]     (34 is 2026.2)
#
# With a PROFILE it keeps those pins and writes constraints/PROFILE.txt: what
# PROFILE/requirements.txt or lab/PROFILE/requirements.txt needs beside them.
#
# It resolves everything anew in a temporary environment of python3 (the oldest
# Python that is supported, so that each pin exists for all of them), so the
# newest releases come in. Run the tests with the result before committing it.
set -euo pipefail

major=${1:?usage: tools/freeze-constraints.sh NOVA_MAJOR [PROFILE]}
profile=${2:-}
placement=$((major - 18)) # 16 belongs to Nova 34
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# What a release cannot have in its newest form, though it does not say so.
held=('SQLAlchemy==2.0.52')
if [ "$major" = 33 ]; then
    held+=('oslo.policy<6') # Placement 15 reads its option enforce_scope
fi

requirements=(requirements.txt test-requirements.txt doc/requirements.txt)
if [ -n "$profile" ]; then
    export PIP_CONSTRAINT=$PWD/constraints/nova-$major.txt
    own=$profile/requirements.txt
    [ -e "$own" ] || own=lab/$own
    requirements=(requirements.txt "$own")
fi

"${BASE_PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet \
    "nova==$major.*" "openstack-placement==$placement.*" "${held[@]}" \
    "${requirements[@]/#/--requirement=}" 'pbr>=6.1.1' 'setuptools>=68'
"$work/venv/bin/pip" check
"$work/venv/bin/pip" freeze --all --exclude pip > "$work/frozen"

if [ -n "$profile" ]; then
    echo "# Made by tools/freeze-constraints.sh $major $profile; do not edit."
    echo "# It goes with constraints/nova-$major.txt."
    grep -vxFf "$PIP_CONSTRAINT" "$work/frozen"
else
    echo "# Made by tools/freeze-constraints.sh $major; do not edit."
    echo "# SQLAlchemy 2.1 breaks the tests of both Nova 33 and 34: they turn its"
    echo "# deprecation warnings into errors. 2.0.52 is what they were run with."
    cat "$work/frozen"
fi > "$work/pins"
if grep -nE '://|^-e|@' "$work/pins"; then
    echo "these are not plain pins; constraints/ is unchanged" >&2
    exit 1
fi
mkdir -p constraints
mv "$work/pins" "constraints/${profile:-nova-$major}.txt"
chmod 644 "constraints/${profile:-nova-$major}.txt"
