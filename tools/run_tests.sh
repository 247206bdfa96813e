#!/usr/bin/env bash
# Install what the tests need and run them: tools/run_tests.sh [arguments of pytest]
# Tests that take long are left out; -m '' brings them in. They run in as many processes as there
# are cores, file by file in the order of tests/conftest.py, unless -n, --dist, a debugger or -s
# says otherwise; -n 0 is one process.
# See lib/env.sh for the settings.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib/env.sh"
use_env
install_package tests
cd "$REPO"
parallel=(-n auto --dist loadfile --no-loadscope-reorder)
for argument in "$@"; do
    case $argument in
        -n* | --numprocesses* | --dist* | --pdb | --trace | -s | --capture=no | --collect-only | --co)
            parallel=() ;;
    esac
done
# One thread a process: several, or the processes that tests start, would fight for the cores
if (( ${#parallel[@]} )); then export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}; fi
exec python -m pytest ${parallel[@]+"${parallel[@]}"} "$@"
