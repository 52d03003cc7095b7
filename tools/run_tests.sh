#!/usr/bin/env bash
# Runs linter, formatter and all tests in an environment of their own: bash tools/run_tests.sh [arguments of pytest]
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
python=$(bash "$root/tools/setup_venv.sh")
cd "$root"
exec "$python" -m pytest "$@"
