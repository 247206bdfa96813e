#!/usr/bin/env bash
# The API reference, from the docstrings: tools/build_docs.sh [FOLDER]   (default: build/docs)
# Open FOLDER/index.html afterwards. See lib/env.sh for the settings.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib/env.sh"
use_env
install_package dev
folder=$(realpath -m "${1:-$REPO/build/docs}")
cd "$REPO"
# by name, because pdoc would follow __all__ and leave out the rooms that it does not list
mapfile -t modules < <(find mmssl_video -name '*.py' ! -name '__main__.py' |
    sed 's|/__init__\.py$||; s|\.py$||; s|/|.|g' | sort)
# packages that list their modules name them a second time
python -W "ignore:The module specification" -m pdoc --docformat google --output-directory "$folder" "${modules[@]}" ||
    fail "pdoc could not read the docstrings; its own words stand above"
echo "Written to $folder: index.html"
