#!/usr/bin/env bash
# Trains with several processes: bash tools/dist_train.sh CONFIG GPUS [arguments of train.py]
# On a machine without GPUs, GPUS counts processes on the CPU. Several machines: NNODES, NODE_RANK, MASTER_ADDR, PORT.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/launch.sh"
require 2 "CONFIG GPUS [arguments of train.py]" "$@"
torchrun "$2" train.py "$1" "${@:3}"
