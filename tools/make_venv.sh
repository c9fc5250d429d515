#!/bin/sh
# Usage: PYTHON=python3 make_venv.sh FOLDER
# A virtual environment with pip in it, also where Debian has taken ensurepip out of Python.
set -eu
python="${PYTHON:-python3}"
folder="$1"

if ! command -v "$python" >/dev/null 2>&1; then
    echo "error: there is no '$python'. Install Python 3.10, 3.11 or 3.12 (Debian: apt-get install python3 python3-venv)" >&2
    echo "       or name one: make PYTHON=/path/to/python3.11 ..." >&2
    exit 1
fi

version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
case "$version" in
    3.10 | 3.11 | 3.12) ;;
    *)
        echo "error: '$python' is Python $version; this project needs 3.10, 3.11 or 3.12." >&2
        echo "       Name another one: make PYTHON=python3.12 ..." >&2
        exit 1
        ;;
esac

if "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then
    "$python" -m venv "$folder"
elif "$python" -m virtualenv --version >/dev/null 2>&1; then
    "$python" -m virtualenv --quiet "$folder"
elif "$python" -m pip --version >/dev/null 2>&1 && "$python" -c 'import venv' >/dev/null 2>&1; then
    # The system's pip can fill an environment that has none of its own.
    "$python" -m venv --without-pip "$folder"
    "$python" -m pip --python "$folder/bin/python" install --quiet pip
else
    echo "error: '$python' cannot make virtual environments (its ensurepip is missing)." >&2
    echo "       Debian and Ubuntu: apt-get install python$version-venv    (or python3-venv)" >&2
    exit 1
fi
