# How dist_*.sh and slurm_*.sh, which source this file, start the processes of a script.
tools=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# Threads of OpenMP wait for work in a busy loop, which takes the cores from other processes: end it soon.
export GOMP_SPINCOUNT=${GOMP_SPINCOUNT:-1000}

# require NUMBER USAGE ARGUMENTS...: ends with the usage where there are fewer arguments than NUMBER.
require() {
    if [ $(($# - 2)) -lt "$1" ]; then
        echo "usage: $0 $2" >&2
        exit 2
    fi
}

# torchrun PROCESSES SCRIPT ARGUMENTS...
torchrun() {
    local processes=$1 script=$2
    shift 2
    # Without this, torchrun gives every process one thread and says so at length.
    export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
    exec "${PYTHON:-python}" "$tools/torchrun.py" \
        --nnodes="${NNODES:-1}" \
        --node_rank="${NODE_RANK:-0}" \
        --master_addr="${MASTER_ADDR:-127.0.0.1}" \
        --master_port="${PORT:-29500}" \
        --nproc_per_node="$processes" \
        "$tools/$script" "$@" --launcher pytorch
}

# slurm_run PARTITION JOB_NAME SCRIPT ARGUMENTS...
slurm_run() {
    local partition=$1 job_name=$2 script=$3
    shift 3
    local gpus=${GPUS:-8}
    local gpus_per_node=${GPUS_PER_NODE:-$((gpus < 8 ? gpus : 8))}
    # SRUN_ARGS holds several words.
    # shellcheck disable=SC2086
    exec srun --partition="$partition" \
        --job-name="$job_name" \
        --gres="gpu:$gpus_per_node" \
        --ntasks="$gpus" \
        --ntasks-per-node="$gpus_per_node" \
        --cpus-per-task="${CPUS_PER_TASK:-5}" \
        --kill-on-bad-exit=1 \
        ${SRUN_ARGS:-} \
        "${PYTHON:-python}" -u "$tools/$script" "$@" --launcher slurm
}
