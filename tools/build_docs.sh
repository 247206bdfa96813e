#!/usr/bin/env bash
# The API reference, from the docstrings: tools/build_docs.sh [FOLDER]   (default: build/docs)
# Open FOLDER/index.html afterwards. See lib/env.sh for the settings.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib/env.sh"
use_env
install_package dev
folder=$(realpath -m "${1:-$REPO/build/docs}")
cd "$REPO"
python -W error::UserWarning:pdoc -m pdoc --docformat google --output-directory "$folder" mmssl_video
echo "Written to $folder: index.html"
