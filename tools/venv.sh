#!/bin/bash
# Make the environment that targets of the Makefile run in: the missing Debian
# packages of bindep.txt, the pinned Python packages beside one release of
# Nova, and this project, editable.
#
# usage: tools/venv.sh DIR NOVA_MAJOR [PROFILE]
#
# Without a PROFILE it is the development environment. With one it has what
# lab/PROFILE/requirements.txt names, pinned in constraints/PROFILE.txt, and
# bindep.txt's packages of that profile too.
#
# BASE_PYTHON names the Python to build on (default: python3; 3.11 to 3.13).
# A second run does nothing, until one of the files below changes.
set -euo pipefail

dir=${1:?usage: tools/venv.sh DIR NOVA_MAJOR [PROFILE]}
major=${2:?usage: tools/venv.sh DIR NOVA_MAJOR [PROFILE]}
profile=${3:-}
python=${BASE_PYTHON:-python3}
cd "$(dirname "$0")/.."
pins=("$PWD/constraints/nova-$major.txt")
requirements=(requirements.txt)
if [ -n "$profile" ]; then
    pins+=("$PWD/constraints/$profile.txt")
    requirements+=("lab/$profile/requirements.txt")
else
    requirements+=(test-requirements.txt doc/requirements.txt)
fi

fail() {
    echo "tools/venv.sh: $*" >&2
    exit 1
}

[ -e "${pins[0]}" ] || fail "NOVA=$major: there is no constraints/nova-$major.txt;" \
    "allowed: $(cd constraints && echo nova-*.txt | sed 's/nova-//g; s/.txt//g')"

# What a link names is another clone's, and would be made anew for this one.
[ ! -L "$dir" ] || fail "$PWD/$dir is a link to $(readlink "$dir"):" \
    'remove it, or run what you want with its programs, and not by make'

# One at a time: two makes may want the same environment.
exec 9< "$0"
flock 9

tools/debian-packages.sh "$profile"

"$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' ||
    fail "$python is $("$python" -V 2>&1); allowed: 3.11 to 3.13." \
        "Name another with BASE_PYTHON."

# A new environment where it stands on another Python, was moved (its scripts
# name its folder) or was left unfinished; else only what changed.
# (Another environment's Python, in the PATH of a shell, is the one it is of.)
base="$PWD $("$python" -c 'import sys; print(sys.base_prefix, sys.version)')"
stamp=$(cat tools/venv.sh "${pins[@]}" "${requirements[@]}" \
    setup.cfg setup.py pyproject.toml | sha256sum)
if [ "$base" != "$(cat "$dir/base" 2> /dev/null || true)" ]; then
    rm -f "$dir/stamp"
fi
if [ "$stamp" = "$(cat "$dir/stamp" 2> /dev/null || true)" ]; then
    exit 0
elif [ -e "$dir/stamp" ]; then
    echo "Bringing $dir up to date (Nova $major)"
    rm "$dir/stamp"
else
    echo "Making $dir ($("$python" -V), Nova $major): a minute or two"
    "$python" -m venv --clear "$dir"
    echo "$base" > "$dir/base"
fi

# From the environment, because builds in isolation take only this way.
export PIP_CONSTRAINT=${pins[*]} PIP_DISABLE_PIP_VERSION_CHECK=1
"$dir/bin/pip" install -qq "${requirements[@]/#/--requirement=}"
# Without Git's history (an unpacked archive) pbr has to be told a version.
git rev-parse -q --verify HEAD > /dev/null 2>&1 || export PBR_VERSION=0.0.0
"$dir/bin/pip" install -qq --no-deps --editable .
"$dir/bin/pip" check
echo "$stamp" > "$dir/stamp"
