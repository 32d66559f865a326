#!/bin/sh
# Makes a virtual environment with pip in FOLDER, also where Python came without its venv package:
#   scripts/venv.sh FOLDER
set -eu
folder=$1
[ -x "$folder/bin/pip" ] && exit 0
python=""
for candidate in "${PYTHON:-python3}" python3.13 python3.12 python3.11 /usr/bin/python3; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    echo "Kunren needs Python 3.11 or newer; none was found. Debian and Ubuntu: apt-get install python3 python3-venv" >&2
    exit 1
fi
"$python" -m venv "$folder" 2>/dev/null && exit 0
"$python" -m venv --clear --without-pip "$folder"
"$python" -m pip --python "$folder/bin/python" install -q pip 2>/dev/null && exit 0
# Debian ships pip as a wheel in a package that any user may download and unpack
here=$(cd "$(dirname "$0")" && pwd)
"$here/debian.sh" "$folder/debian" kunren-needs-pip=python3-pip-whl 2>/dev/null || true
wheel=$(find "$folder/debian/root" /usr/share/python-wheels -name 'pip-*.whl' 2>/dev/null | head -n 1)
if [ -z "$wheel" ]; then
    echo "This Python has no pip to begin with. Debian and Ubuntu: apt-get install python3-venv" >&2
    exit 1
fi
PYTHONPATH=$wheel "$folder/bin/python" -m pip install -q --ignore-installed pip
