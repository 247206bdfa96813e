#!/usr/bin/env bash
# Train with Slurm: tools/slurm_train.sh PARTITION JOB_NAME CONFIG WORK_DIR [arguments of train.py]
# GPUS (8), GPUS_PER_NODE (at most 8), CPUS_PER_TASK (5), SRUN_ARGS and MASTER_PORT may be set.
set -euo pipefail
if (( $# < 4 )); then
    echo "usage: [GPUS=8] $0 PARTITION JOB_NAME CONFIG WORK_DIR [arguments of train.py]" >&2
    exit 2
fi
partition=$1 job=$2 config=$3 work_dir=$4
shift 4
# bash runs commands in what it takes for arithmetic, as in x[$(command)]
for name in GPUS GPUS_PER_NODE CPUS_PER_TASK MASTER_PORT; do
    if ! [[ ${!name:-1} =~ ^[1-9][0-9]{0,8}$ ]]; then
        echo "error: $name must be a whole number of at least 1, not '${!name}'" >&2
        exit 2
    fi
done
gpus=${GPUS:-8}
per_node=${GPUS_PER_NODE:-$(( gpus < 8 ? gpus : 8 ))}
tools="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
if ! command -v srun > /dev/null; then
    echo "error: srun is not there: this machine is no Slurm login node; use dist_train.sh" >&2
    exit 2
fi
# jobs on one node must not share a port
export MASTER_PORT=${MASTER_PORT:-$(( 20000 + RANDOM % 20000 ))}
export PYTHONPATH="$(dirname "$tools")${PYTHONPATH:+:$PYTHONPATH}"
# SRUN_ARGS is split into words on purpose
exec srun --partition="$partition" --job-name="$job" --gres="gpu:$per_node" --ntasks="$gpus" \
    --ntasks-per-node="$per_node" --cpus-per-task="${CPUS_PER_TASK:-5}" --kill-on-bad-exit=1 \
    ${SRUN_ARGS:-} \
    python -u "$tools/train.py" "$config" --work-dir "$work_dir" --launcher slurm "$@"
