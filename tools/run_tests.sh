#!/usr/bin/env bash
# Install what the tests need and run them: tools/run_tests.sh [arguments of pytest]
# Tests that take long are left out; -m '' brings them in. See lib/env.sh for the settings.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib/env.sh"
use_env
install_package tests
cd "$REPO"
exec python -m pytest "$@"
