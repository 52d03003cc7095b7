#!/usr/bin/env bash
# Installs the built wheel, with all that it needs, into an empty environment and goes through mim's commands from another
# folder; then checks that the source distribution installs the same files: bash tools/check_wheel.sh FOLDER
# FOLDER is made. It takes 6 GB, minutes and the network. PYTHON names another interpreter than python3.
set -euo pipefail
if [ $# -ne 1 ] || [ -e "$1" ]; then
    echo "usage: $0 FOLDER (which must not exist yet)" >&2
    exit 2
fi
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
mkdir -p "$1/work"
folder=$(cd "$1" && pwd)
python=$folder/venv/bin/python
config=maskformer_efficientnet-lite0_shapes.py
unset PYTHONPATH
cd "$folder/work" # away from the checkout, which Python would look into first

# What is installed of the package, with hashes, but for what pip writes itself.
installed() {
    "$python" -c "
from importlib.metadata import files
print(*sorted(f'{f} {f.hash.value}' for f in files('mmmaskformer') if f.hash and f.parts[0] == 'mmmaskformer'), sep='\n')"
}

step() { echo "== $* ($SECONDS s)"; }

step build
"${PYTHON:-python3}" -m venv "$folder/build"
"$folder/build/bin/python" -m pip install -q build
"$folder/build/bin/python" -m build --outdir "$folder/dist" "$root" >"$folder/build.log" # the wheel from the sdist
step install the wheel
"${PYTHON:-python3}" -m venv "$folder/venv"
"$python" -m pip install -q "$(echo "$folder"/dist/*.whl)[lite,demo]"
"$python" -m pip check
"$python" -m pip install -q --no-deps openmim==0.3.9 pip==25.3
"$python" -m pip install -q click colorama model-index pandas tabulate rich requests
installed >"$folder/wheel.txt"

export SHAPES_ROOT=$folder/shapes PATH=$folder/venv/bin:$PATH
small=(train_cfg.max_iters=2 train_cfg.val_interval=2)
for split in train val test; do
    small+=("${split}_dataloader.dataset.generate.train=8" "${split}_dataloader.dataset.generate.val=3")
done
step mim search
mim search mmmaskformer --config "${config%.py}"
step mim train
mim train mmmaskformer "$config" --gpus 0 --work-dir run --cfg-options "${small[@]}"
step mim test
mim test mmmaskformer "$config" --checkpoint run/iter_2.pth --out maps --cfg-options "${small[@]}"
step mim run
mim run mmmaskformer infer maps --config "run/$config" --checkpoint run/iter_2.pth --out-dir out

step install the source distribution
python -m pip install -q --no-deps --force-reinstall "$folder"/dist/*.tar.gz
installed >"$folder/sdist.txt"
diff "$folder/wheel.txt" "$folder/sdist.txt"
step "done: both install the same $(wc -l <"$folder/sdist.txt") files"
