#!/usr/bin/env bash
# From nothing to a judged representation: tools/quickstart.sh [--videos DIR] [--out DIR] ...
# Makes or reuses a virtual environment, installs the package, pre-trains MemDPC and probes it.
# See quickstart.py --help for the options and lib/env.sh for the settings.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib/env.sh"
use_env
install_package tensorboard
exec python "$REPO/tools/quickstart.py" "$@"
