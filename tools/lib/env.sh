# Shared by run_tests.sh, quickstart.sh and others (sourced): an environment with everything in it.
#   use_env            makes or reuses one: the active one, else .venv in the repository
#   install_package [EXTRAS]   torch where it is missing, then this package, editable. mmcv-lite
#                      comes along unless a full mmcv is there (they own the same files)
#
# TORCH_SPEC   what to install where torch is missing (default: the line of constraints.txt)
# MMSSL_PINS   a file of pins instead of constraints.txt: requirements/oldest.txt or newest.txt
# PYTHON       the Python to make .venv with (default: python3)
# MMSSL_OPENCV=headless   in an environment of your own: replace an OpenCV that does not load

REPO="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
TORCH_CPU_INDEX=https://download.pytorch.org/whl/cpu

fail() {
    echo "error: $*" >&2
    exit 1
}

use_env() {
    if [[ -z ${VIRTUAL_ENV:-} && -z ${CONDA_PREFIX:-} ]]; then
        # without pip it is the remains of a set-up that was stopped
        if ! has_pip "$REPO/.venv/bin/python" 2> /dev/null; then make_venv; fi
        source "$REPO/.venv/bin/activate"
    fi
    check_python python
    has_pip python || fail "the active environment has no pip"
}

# in the repository, since -m imports what lies in the current folder
has_pip() (
    cd "$REPO" && "$1" -m pip --version > /dev/null
)

make_venv() {
    local python=${PYTHON:-python3}
    command -v "$python" > /dev/null || fail "$python is not there: install Python 3.9 to 3.13"
    check_python "$python"
    python=$("$python" -c 'import sys; print(sys.executable)')
    echo "Making a virtual environment in $REPO/.venv"
    mkdir -p "$REPO/.venv/tmp" || fail "$REPO cannot be written: activate an environment of your own"
    (cd "$REPO" && TMPDIR=$REPO/.venv/tmp "$python" -m venv .venv) ||
        fail "$python cannot make a virtual environment (on Debian: apt install python3-venv)"
    rm -rf "$REPO/.venv/tmp"
    touch "$REPO/.venv/made-by-mmssl_video"  # opencv.py may change it
}

check_python() {
    "$1" -c 'import sys; sys.exit(not (3, 9) <= sys.version_info[:2] <= (3, 13))' ||
        fail "Python 3.9 to 3.13 is needed, but $1 is $("$1" -V 2>&1); choose one with PYTHON=..."
}

# A subshell in the repository: Python would import what happens to lie in the current folder.
install_package() (
    local extras=${1:-} prefix tools=$REPO/tools/lib
    cd "$REPO"
    python -c 'import importlib.metadata as m; m.version("mmcv")' 2> /dev/null ||
        extras=lite${extras:+,$extras}
    # pip unpacks several GB; they go where the packages go, since /tmp is often small
    prefix=$(python -c 'import sys; print(sys.prefix)')
    TMPDIR=$(mktemp -d "$prefix/setup.XXXXXX" 2> /dev/null || mktemp -d)
    export TMPDIR
    trap 'rm -rf "$TMPDIR"' EXIT
    install_torch
    python "$tools/opencv.py" keep
    python "$tools/constraints.py" > "$TMPDIR/constraints.txt"
    echo "Installing mmssl_video and what it needs"
    python -m pip install -q --disable-pip-version-check -c "$TMPDIR/constraints.txt" \
        -e ".${extras:+[$extras]}" || fail "pip could not install the package; its own words stand above"
    python "$tools/opencv.py" mend
    check_env
)

# The versions fit together, apart from one false alarm: decord's wheel carries the tag cp36 inside,
# though it runs on every Python 3, and pip >= 24.2 says "not supported on this platform".
check_env() {
    local wrong
    if ! wrong=$(python -m pip check --disable-pip-version-check); then
        wrong=$(grep -v '^decord .* is not supported on this platform$' <<< "$wrong" || true)
        [[ -z $wrong ]] || echo "warning: pip check: $wrong" >&2
    fi
    python -c 'import mmssl_video'
}

install_torch() {
    python -c 'import torch' 2> /dev/null && return
    local spec=${TORCH_SPEC:-$(python "$REPO/tools/lib/constraints.py" --torch)} options=()
    # The default index gives a CUDA build of several GB. On a machine without a GPU take the CPU
    # build, unless that is what pip would choose anyway or its index cannot be reached.
    if [[ $(uname -s) == Linux ]] && ! command -v nvidia-smi > /dev/null; then
        if ! pip_would_take '[+]cpu' "$spec"; then
            if pip_would_take '.' "$spec" --index-url "$TORCH_CPU_INDEX" --timeout 10 --retries 0; then
                options=(--index-url "$TORCH_CPU_INDEX")
            fi
        fi
    fi
    echo "Installing $spec"
    python -m pip install -q --disable-pip-version-check "${options[@]}" "$spec" ||
        fail "pip could not install $spec; choose another one with TORCH_SPEC=..."
}

# pip_would_take PATTERN SPEC [OPTIONS]: whether the file pip chooses for SPEC matches PATTERN
pip_would_take() {
    local pattern=$1 report
    shift
    report=$(python -m pip install -q --disable-pip-version-check --dry-run --no-deps --report - "$@" \
             2> /dev/null) || return 1
    python -c 'import json, re, sys, urllib.parse
url = json.loads(sys.argv[1])["install"][0]["download_info"]["url"]
sys.exit(not re.search(sys.argv[2], urllib.parse.unquote(url).rsplit("/", 1)[-1]))' "$report" "$pattern"
}
