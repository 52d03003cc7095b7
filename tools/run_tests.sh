#!/usr/bin/env bash
# Runs linter, formatter and all tests in an environment of their own: bash tools/run_tests.sh [arguments of pytest]
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
python=$(bash "$root/tools/setup_venv.sh")
cd "$root"
# The reference that panoptic quality is compared with. No extra can bring it: it pins numpy<2, which breaks the stack.
"$python" -c "import panopticapi" 2>/dev/null || "$python" -m pip install -q --no-deps panopticapi-lite==0.2.0 >&2
# One worker per core, of one thread each: more threads than cores wait for each other. A file stays on one worker, so that what
# its tests share is made once.
if [ $# -eq 0 ]; then
    set -- -n auto --dist loadfile
    export OMP_NUM_THREADS=1
fi
exec "$python" -m pytest "$@"
