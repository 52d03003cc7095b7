#!/usr/bin/env bash
# Makes the virtual environment that quickstart.sh and run_tests.sh use, or finds it up to date.
# Prints its python on stdout, progress on stderr:  python=$(bash tools/setup_venv.sh)
# MMMASKFORMER_VENV names another folder than .venv in the checkout; PYTHON another interpreter to make it with.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=${MMMASKFORMER_VENV:-$root/.venv}
python=$venv/bin/python
log=$venv/install.log
stamp=$venv/mmmaskformer.installed
# An editable install follows the source by itself; only what pip reads asks for installing anew.
wanted=$(cat "$root/pyproject.toml" "$root/setup.py" <(echo "$root") | sha256sum)

say() { echo "$*" >&2; }

# step NAME ESTIMATE COMMAND...: runs the command, says every 15 seconds that it still does, shows its output if it fails.
step() {
    local name=$1 estimate=$2 start=$SECONDS said=$SECONDS
    shift 2
    say "$name (about $estimate)"
    "$@" >"$log" 2>&1 &
    local pid=$!
    # shellcheck disable=SC2064
    trap "kill $pid 2>/dev/null || true" EXIT
    while kill -0 "$pid" 2>/dev/null; do
        sleep 1
        if ((SECONDS - said >= 15)); then
            said=$SECONDS
            say "  ... $((SECONDS - start)) s"
        fi
    done
    trap - EXIT
    if ! wait "$pid"; then
        cat "$log" >&2
        say "error: '$name' failed, see above"
        exit 1
    fi
    say "  done in $((SECONDS - start)) s"
}

if [ -x "$python" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then
    say "environment $venv is up to date"
else
    mkdir -p "$venv"
    rm -f "$stamp"
    step "[1/3] virtual environment $venv" "10 s" "${PYTHON:-python3}" -m venv "$venv"
    step "[2/3] build tools" "10 s" "$python" -m pip install -q "setuptools>=64,<82" wheel
    # Bytecode is left to the first import, which makes it for what is imported only.
    step "[3/3] mmmaskformer and what it needs: PyTorch, MMEngine, MMSegmentation, MMDetection" "2 min" \
        "$python" -m pip install -q --no-compile --no-build-isolation -e "$root[lite,demo,test]"
    echo "$wanted" >"$stamp"
fi
echo "$python"
