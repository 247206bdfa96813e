#!/usr/bin/env bash
# Test in GPUS processes: tools/dist_test.sh CONFIG CHECKPOINT GPUS [arguments of test.py]
# Several machines: set NNODES, NODE_RANK, MASTER_ADDR and PORT. Without a GPU it runs on the CPU.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib/dist.sh"
if (( $# < 3 )); then
    echo "usage: $0 CONFIG CHECKPOINT GPUS [arguments of test.py]" >&2
    exit 2
fi
config=$1 checkpoint=$2 gpus=$3
shift 3
launch_tool test.py "$gpus" "$config" "$checkpoint" "$@"
