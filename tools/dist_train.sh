#!/usr/bin/env bash
# Train in GPUS processes on this machine: tools/dist_train.sh CONFIG GPUS [arguments of train.py]
# Several machines: set NNODES, NODE_RANK, MASTER_ADDR and PORT. Without a GPU it runs on the CPU.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib/dist.sh"
if (( $# < 2 )); then
    echo "usage: $0 CONFIG GPUS [arguments of train.py]" >&2
    exit 2
fi
config=$1 gpus=$2
shift 2
launch_tool train.py "$gpus" "$config" "$@"
