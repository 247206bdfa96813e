# Shared by dist_train.sh and dist_test.sh (sourced): runs a Python tool in several processes.
#   launch_tool TOOL GPUS ARGS...
# NNODES, NODE_RANK, MASTER_ADDR and PORT as for torchrun. On one node a free port is taken unless
# PORT is set, so that two runs never meet. Without any GPU the processes run on the CPU (gloo).

TOOLS="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"

# Runs a line of Python that imports nothing from the current folder, where anything may lie: the
# option -P came with Python 3.11, and -I would also leave out packages of the user.
safe_python() {
    python -c "import sys; sys.path = [path for path in sys.path if path]; $1"
}

free_port() {
    safe_python 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# check_whole NAME VALUE: bash runs commands in what it takes for arithmetic, as in x[$(command)]
check_whole() {
    if ! [[ $2 =~ ^(0|[1-9][0-9]{0,8})$ ]]; then
        echo "error: $1 must be a whole number, not '$2'" >&2
        return 2
    fi
}

launch_tool() {
    local tool=$1 gpus=$2
    shift 2
    if ! [[ $gpus =~ ^[1-9][0-9]{0,3}$ ]]; then
        echo "error: GPUS must be the number of processes on this machine, not '$gpus'" >&2
        return 2
    fi
    local nodes=${NNODES:-1} node_rank=${NODE_RANK:-0} port=${PORT:-}
    check_whole NNODES "$nodes" && check_whole NODE_RANK "$node_rank" || return
    if [[ -n $port ]] && ! { [[ $port =~ ^[1-9][0-9]{0,4}$ ]] && (( port <= 65535 )); }; then
        echo "error: PORT must be a number from 1 to 65535, not '$port'" >&2
        return 2
    fi
    local visible
    visible=$(safe_python 'import torch; print(torch.cuda.device_count())') || return
    if (( visible > 0 && gpus > visible )); then
        echo "error: $gpus processes were asked for but this machine has $visible visible GPU(s)" >&2
        return 2
    fi
    if (( nodes > 1 )) && [[ -z ${MASTER_ADDR:-} ]]; then
        echo "error: NNODES=$nodes needs MASTER_ADDR, the address of the node with NODE_RANK=0" >&2
        return 2
    fi
    [[ -n $port ]] || { (( nodes > 1 )) && port=29500 || port=$(free_port); }
    if (( visible == 0 )); then  # share the cores, or every process takes all of them
        local cores
        cores=$(safe_python 'import os; print(len(os.sched_getaffinity(0)))')
        export OMP_NUM_THREADS=${OMP_NUM_THREADS:-$(( cores > gpus ? cores / gpus : 1 ))}
    else
        export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
    fi
    export MKL_NUM_THREADS=${MKL_NUM_THREADS:-$OMP_NUM_THREADS}
    export PYTHONPATH="$(dirname "$TOOLS")${PYTHONPATH:+:$PYTHONPATH}"
    exec python "$TOOLS/lib/launch.py" \
        --nnodes="$nodes" --node_rank="$node_rank" --master_addr="${MASTER_ADDR:-127.0.0.1}" \
        --master_port="$port" --nproc_per_node="$gpus" \
        "$TOOLS/$tool" "$@" --launcher pytorch
}
