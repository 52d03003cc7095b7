#!/usr/bin/env bash
# Runs the tests on the maintained forks onedl-mmengine, onedl-mmsegmentation and onedl-mmdetection, in an environment of
# their own (.venv-onedl, or MMMASKFORMER_VENV): bash tools/run_tests_onedl.sh [arguments of pytest]
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export MMMASKFORMER_STACK=onedl MMMASKFORMER_VENV=${MMMASKFORMER_VENV:-$root/.venv-onedl}
exec bash "$root/tools/run_tests.sh" "$@"
