#!/usr/bin/env bash
# Evaluates on a Slurm cluster: bash tools/slurm_test.sh PARTITION JOB_NAME CONFIG CHECKPOINT [arguments of test.py]
# GPUS (all, default 8), GPUS_PER_NODE (8), CPUS_PER_TASK (5) and SRUN_ARGS in the environment shape the job.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/launch.sh"
require 4 "PARTITION JOB_NAME CONFIG CHECKPOINT [arguments of test.py]" "$@"
slurm_run "$1" "$2" test.py "${@:3}"
