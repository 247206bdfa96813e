#!/usr/bin/env bash
# Runs `pytest -m compat` with the oldest and the newest stack that is promised, each in an environment
# of its own: tools/compat_matrix.sh FOLDER [oldest|newest|NAME=PYTHON:PINS ...]
# FOLDER keeps the environments (several GB each where torch comes as a CUDA build) for the next time,
# and the output of each as NAME.log. Without names: oldest newest. A Python that is not there is a
# fault, so that nothing passes for having run. The last lines are rows for docs/compatibility.md.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib/env.sh"
if (( $# < 1 )); then
    echo "usage: $0 FOLDER [oldest|newest|NAME=PYTHON:PINS ...]" >&2
    exit 2
fi
mkdir -p "$1" || fail "$1 cannot be written"
folder=$(realpath "$1")
shift
(( $# )) || set -- oldest newest

run_one() (
    name=$1 python=$2 pins=$3
    [[ -f $pins ]] || fail "$name: there are no pins $pins"
    command -v "$python" > /dev/null || fail "$name: $python is not there, so nothing was run"
    check_python "$python"
    if ! "$folder/$name/bin/python" -m pip --version > /dev/null 2>&1; then
        "$python" -m venv "$folder/$name" || fail "$name: $python cannot make a virtual environment"
    fi
    unset CONDA_PREFIX PYTHONHOME
    source "$folder/$name/bin/activate"
    export MMSSL_PINS=$pins OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
    install_package tests
    cd "$REPO"
    # PyTorch's own line of a GPU that is not there, and the like, stay in the log
    python -m pytest -m compat -q -p no:cacheprovider
)

faults=0 rows=()
for entry in "$@"; do
    case $entry in
        oldest) entry=oldest=python3.9:$REPO/requirements/oldest.txt ;;
        newest) entry=newest=python3.13:$REPO/requirements/newest.txt ;;
        *=*:*) ;;
        *) fail "must be oldest, newest or NAME=PYTHON:PINS, not '$entry'" ;;
    esac
    name=${entry%%=*} rest=${entry#*=}
    echo "== $name: ${rest%%:*}, $folder/$name.log"
    run_one "$name" "${rest%%:*}" "${rest#*:}" > "$folder/$name.log" 2>&1 || faults=$(( faults + 1 ))
    rows+=("$("$folder/$name/bin/python" "$REPO/tools/lib/versions.py" 2> /dev/null || echo "| $name | nothing installed") | $(tail -n 1 "$folder/$name.log") |")
done
printf '%s\n' "${rows[@]}"
exit $(( faults > 0 ))
