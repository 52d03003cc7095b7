#!/usr/bin/env bash
# Makes the virtual environment that quickstart.sh and run_tests.sh use, or finds it up to date.
# Prints its python on stdout, progress on stderr:  python=$(bash tools/setup_venv.sh)
# MMMASKFORMER_VENV names another folder than .venv in the checkout; PYTHON another interpreter to make it with;
# MMMASKFORMER_STACK=onedl takes the maintained forks of MMEngine, MMSegmentation and MMDetection.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=${MMMASKFORMER_VENV:-$root/.venv}
python=$venv/bin/python
log=$venv/install.log
stamp=$venv/mmmaskformer.installed
stack=${MMMASKFORMER_STACK:-official}
# An editable install follows the source by itself; only what pip reads asks for installing anew.
wanted=$(cat "$root/pyproject.toml" "$root/setup.py" "${BASH_SOURCE[0]}" <(echo "$root $stack") | sha256sum)

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

# The forks have the packages of the official wheels under other names, so no requirement on an official name may reach
# pip: neither ours nor mmcv-lite's. What mmcv-lite needs besides comes with the forks.
install_onedl() {
    local pip=("$python" -m pip install -q --no-compile)
    "${pip[@]}" --no-build-isolation --no-deps -e "$root" mmcv-lite==2.1.0
    "$python" - >"$venv/requirements.txt" <<'END'
from importlib.metadata import requires
from pip._vendor.packaging.requirements import Requirement
for requirement in map(Requirement, requires("mmmaskformer")):
    extras = ("demo", "test", "export")  # `test` asks for `export` by our own name
    wanted = any(requirement.marker is None or requirement.marker.evaluate({"extra": extra}) for extra in extras)
    if wanted and requirement.name not in ("mmmaskformer", "mmengine", "mmsegmentation", "mmdet"):
        requirement.marker = None
        print(requirement)
END
    "${pip[@]}" -r "$venv/requirements.txt" \
        onedl-mmengine==0.10.12 onedl-mmsegmentation==1.4.2 onedl-mmdetection==3.5.1
}

install_official() {
    exec "$python" -m pip install -q --no-compile --no-build-isolation -e "$root[lite,demo,test]"
}

case $stack in official | onedl) ;; *) say "error: MMMASKFORMER_STACK is '$stack', not official or onedl" && exit 2 ;; esac

if [ -x "$python" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then
    say "environment $venv is up to date"
else
    mkdir -p "$venv"
    rm -f "$stamp"
    step "[1/3] virtual environment $venv" "10 s" "${PYTHON:-python3}" -m venv "$venv"
    step "[2/3] build tools" "10 s" "$python" -m pip install -q "setuptools>=64,<82" wheel
    # Bytecode is left to the first import, which makes it for what is imported only.
    step "[3/3] mmmaskformer and what it needs: PyTorch, MMEngine, MMSegmentation, MMDetection" "2 min" \
        "install_$stack"
    echo "$wanted" >"$stamp"
fi
echo "$python"
