#!/usr/bin/env bash
# Installs torch for the Python that is named, with what it needs to export to ONNX:
#
#     deploy/install-torch.sh .venv/bin/python [--if-it-can-be-had]
#
# The build for CPUs: PyPI's wheels for Linux bring gigabytes of CUDA along. It is taken from where
# pip is set up to look, else from PyTorch's own index. With TORCH=cuda, PyPI's build is taken.
# With --if-it-can-be-had, a machine that cannot reach it is told so, and that is no failure.
set -eu
cd "$(dirname "$0")/.."

python=$1
or_not=${2:-}
version=2.13.0
cpu_index=https://download.pytorch.org/whl/cpu
log=$(mktemp)
trap 'rm -f "$log"' EXIT

pip() {
    "$python" -m pip --disable-pip-version-check install --quiet --no-compile \
        --only-binary :all: "$@" >>"$log" 2>&1
}

has_torch() {
    "$python" - "$version" <<'PYTHON'
import sys
from importlib.metadata import PackageNotFoundError, version

try:
    sys.exit(version("torch").partition("+")[0] != sys.argv[1])
except PackageNotFoundError:
    sys.exit(1)
PYTHON
}

install_torch() {
    if [ "${TORCH:-cpu}" = cuda ]; then
        pip "torch==$version"
    elif [ "$(uname -s)" = Linux ]; then
        pip --no-deps "torch==$version+cpu" ||
            pip --no-deps --retries 1 --timeout 30 --index-url "$cpu_index" "torch==$version+cpu"
    else
        pip --no-deps "torch==$version"
    fi
}

install_beside() {
    pip --no-deps --require-hashes -r deploy/requirements-torch.lock
}

has_torch || install_torch || {
    echo "torch $version could not be installed (TORCH=cuda takes PyPI's build, gigabytes):" >&2
    grep -v '^ *$' "$log" | tail -n 3 >&2
    [ -n "$or_not" ] && echo "What needs it is left out." && exit 0
    exit 1
}
install_beside || {
    echo "torch is there; what its export to ONNX needs could not be installed:" >&2
    tail -n 3 "$log" >&2
    [ -n "$or_not" ] && exit 0
    exit 1
}
