#!/usr/bin/env bash
# Evaluates with several processes: bash tools/dist_test.sh CONFIG CHECKPOINT GPUS [arguments of test.py]
# On a machine without GPUs, GPUS counts processes on the CPU. Several machines: NNODES, NODE_RANK, MASTER_ADDR, PORT.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/launch.sh"
require 3 "CONFIG CHECKPOINT GPUS [arguments of test.py]" "$@"
torchrun "$3" test.py "$1" "$2" "${@:4}"
