#!/usr/bin/env bash
# Trains on a Slurm cluster: bash tools/slurm_train.sh PARTITION JOB_NAME CONFIG [arguments of train.py]
# GPUS (all, default 8), GPUS_PER_NODE (8), CPUS_PER_TASK (5) and SRUN_ARGS in the environment shape the job.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/launch.sh"
require 3 "PARTITION JOB_NAME CONFIG [arguments of train.py]" "$@"
slurm_run "$1" "$2" train.py "${@:3}"
