#!/usr/bin/env bash
# Makes an environment, draws the Shapes data set, trains a small MaskFormer on it, evaluates it and draws what it
# sees: bash tools/quickstart.sh [--iterations N]
# Takes a few minutes on two CPU cores. The environment lies in .venv, or where MMMASKFORMER_VENV says, and is used
# again; so is the data set. Everything else is made anew by every run, in work_dirs/quickstart.
set -euo pipefail
tools=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
QUICKSTART_STARTED=$(date +%s)
export QUICKSTART_STARTED
# PyTorch's threads wait for each other in a loop, by default for so long that one other busy process on two cores makes
# training 20 times slower. This bounds the loop; an idle machine loses a few percent.
export GOMP_SPINCOUNT=${GOMP_SPINCOUNT:-1000}

echo "[1/4] make or find the Python environment"
python=$(bash "$tools/setup_venv.sh")
exec "$python" -W "ignore:pkg_resources is deprecated:UserWarning" "$tools/quickstart.py" "$@"
