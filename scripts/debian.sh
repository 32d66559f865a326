#!/bin/sh
# Brings programs from Debian's packages into a folder, for any user and without starting a service:
#   scripts/debian.sh FOLDER PROGRAM=PACKAGE[,PACKAGE][!] ...
# With "!" these packages are all that it needs: what else they name as dependencies is left out.
# A program that is already on PATH is left alone. FOLDER/bin gets one wrapper per program.
set -eu
folder=$1
PATH=$PATH:/usr/sbin:/sbin
shift
wanted=""
for pair in "$@"; do
    program=${pair%%=*}
    command -v "$program" >/dev/null 2>&1 || [ -x "$folder/bin/$program" ] || wanted="$wanted $pair"
done
[ -n "$wanted" ] || exit 0
if ! command -v apt-get >/dev/null 2>&1; then
    echo "Not found, and this is no Debian machine to fetch from:$wanted. Install them with your package manager." >&2
    exit 0
fi

mkdir -p "$folder/apt/lists/partial" "$folder/apt/cache/archives/partial" "$folder/root" "$folder/bin"
folder=$(cd "$folder" && pwd)
# lists and cache of our own, so that an ordinary user may update them
options="-q -o Dir::State::Lists=$folder/apt/lists -o Dir::Cache=$folder/apt/cache -o APT::Sandbox::User=$(id -un)"
# shellcheck disable=SC2086
apt-get $options update >"$folder/apt/update.log" 2>&1 || { cat "$folder/apt/update.log" >&2; exit 1; }

packages=""
for pair in $wanted; do
    named=$(printf '%s' "${pair#*=}" | tr -d '!' | tr , ' ')
    case $pair in *!) packages="$packages $named" && continue ;; esac
    # shellcheck disable=SC2086
    packages="$packages $named $(apt-cache $options depends --recurse --no-recommends --no-suggests --no-conflicts \
        --no-breaks --no-replaces --no-enhances --no-pre-depends $named | grep -E '^[a-z0-9]' | sort -u)"
done
missing=""
for package in $(printf '%s\n' $packages | sort -u); do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing="$missing $package"
done
(
    cd "$folder/apt/cache/archives"
    for package in $missing; do
        # a virtual package has nothing to download: whoever provides it is in the list too
        # shellcheck disable=SC2086
        apt-get $options download "$package" >/dev/null 2>"$folder/apt/download.log" || true
    done
    for archive in *.deb; do
        dpkg -x "$archive" "$folder/root"
    done
)

libraries=$(find "$folder/root" -name '*.so*' -exec dirname {} \; | sort -u | paste -sd: -)
for pair in $wanted; do
    program=${pair%%=*}
    target=$(find "$folder/root/usr/bin" "$folder/root/usr/sbin" "$folder/root/bin" "$folder/root/sbin" \
        -name "$program" \( -type f -o -type l \) 2>/dev/null | head -n 1)
    if [ -z "$target" ]; then
        echo "$program was not in Debian's package ${pair#*=}; what needs it will say so." >&2
        continue
    fi
    printf '#!/bin/sh\nLD_LIBRARY_PATH="%s${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" exec "%s" "$@"\n' \
        "$libraries" "$target" >"$folder/bin/$program"
    chmod +x "$folder/bin/$program"
done
