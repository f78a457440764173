#!/bin/sh
# Set this checkout up: .venv with the pinned packages, then whatever tools this user may install.
# Idempotent: a stamp in .venv remembers what was installed, from which files and in which place.
set -eu
cd "$(dirname "$0")"
exec </dev/null
export PIP_NO_INPUT=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONWARNINGS=ignore

VENV=.venv
STAMP=$VENV/setup.stamp

if [ "$(id -u)" = 0 ]; then sudo=""; else sudo="sudo "; fi  # for commands shown to people

say() { echo "setup: $*"; }
fail() { echo "setup: $*" >&2; exit 3; }

# The first Python >= 3.11 that runs; $1 is a further condition. A pyenv shim on PATH may name a version
# that isn't there, so each candidate is tried, not only looked up.
find_python() {
    for candidate in ${PYTHON:-python3.11 python3.12 python3.13 python3 /usr/bin/python3}; do
        if "$candidate" -c "import sys; assert sys.version_info >= (3, 11); $1" 2>/dev/null; then
            command -v "$candidate"
            return 0
        fi
    done
    return 1
}

apt_install() {
    command -v apt-get >/dev/null || return 1
    root=""
    if [ "$(id -u)" != 0 ]; then
        sudo -n true 2>/dev/null || return 1
        root="sudo -n"
    fi
    say "installing Debian packages: $*"
    apt="$root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120 -o Acquire::Retries=1"
    $apt update >/dev/null && $apt install -y --no-install-recommends "$@" >/dev/null
}

make_venv() {
    if ! python=$(find_python "import ensurepip, venv"); then
        apt_install python3 python3-venv || true
        python=$(find_python "import ensurepip, venv") || python=""
    fi
    if [ -n "$python" ]; then
        "$python" -m venv --clear $VENV
    elif python=$(find_python "import pip, venv"); then
        # Debian's python3 without python3-venv: its own pip can still fill an environment.
        "$python" -m venv --clear --without-pip $VENV
        "$python" -m pip --python $VENV/bin/python install -q pip
    else
        fail "no Python 3.11 or later that can make a virtual environment; get it with: ${sudo}apt-get install -y python3 python3-venv"
    fi
}

install_packages() {
    pip="$VENV/bin/python -m pip install -q -c constraints.txt"
    $pip setuptools && $pip --no-build-isolation -e '.[dev]' || return 1
    # pnnx declares torch (gigabytes), which its binary never uses.
    $pip --no-deps pnnx || say "pnnx can't be installed now"
}

# One set-up at a time in this checkout.
exec 9<.
flock 9

key=$(cat pyproject.toml constraints.txt setup.sh | sha256sum | cut -d' ' -f1)" $PWD"
if [ "$(cat $STAMP 2>/dev/null)" != "$key" ] || ! $VENV/bin/python -c "" 2>/dev/null; then
    rm -f $STAMP
    $VENV/bin/python -m pip --version >/dev/null 2>&1 || make_venv
    say "installing Python packages into $VENV (once, about a minute)"
    if install_packages; then
        $VENV/bin/python -c "import importlib.metadata as m; m.version('pnnx')" 2>/dev/null && echo "$key" >$STAMP
    elif $VENV/bin/python -P -c "import fuzzconv, hypothesis, ncnn, numpy, onnx, onnxruntime" 2>/dev/null; then
        say "not all packages could be installed (offline?); going on with those that are there"
    else
        fail "the Python packages can't be installed (offline?); get them with: ./setup.sh, once there is a network"
    fi
fi
$VENV/bin/python -m fuzzconv.toolchain.setup
