"""Predicts from checkpoints whose own config, or the rest of whose ``meta``, was tampered with.

Each case changes the config that MMEngine stores in a checkpoint, its text or what is said about classes, and predicts
an image with ``MaskFormerInferencer(checkpoint=...)``, some with ``tools/infer.py``. What is accepted predicts; what
only asks for things that are left out predicts the same as before; all else is refused in one line.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from foreign_cases import Context, Failure, Outcome, check_refused, expect, run_from_command_line
from hostile_configs import CONFIGS, EITHER, REFUSED, SAME, as_text, training_config
from hostile_metas import METAS, TEXTS
from mmengine.config import Config
from small_models import CLASSES, small_config, small_weights

from mmmaskformer.apis import MaskFormerInferencer
from mmmaskformer.errors import explain

TOOL = "infer.py"
IMAGE = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)


@functools.cache
def sound_labels() -> np.ndarray:
    """What the sound model predicts for :data:`IMAGE`."""
    inferencer = MaskFormerInferencer(Config(small_config()), random_weights=True, device="cpu")
    inferencer.model.load_state_dict(small_weights(small_config()))
    return inferencer(IMAGE).labels


def case(context: Context) -> str:
    """One checkpoint, tampered with."""
    rng, folder = context.rng, context.folder
    table = rng.choice([CONFIGS, CONFIGS, TEXTS, METAS])
    name = rng.choice(list(table))
    change, expected = table[name]
    config, meta = training_config(), dict(dataset_meta=dict(classes=tuple(CLASSES)), epoch=1)
    if table is CONFIGS:
        change(rng, config, context.canary)
        meta["cfg"] = as_text(config)
    elif table is TEXTS:
        meta[rng.choice(["cfg", "config"])] = change(rng, as_text(config), context.canary)
    else:
        meta["cfg"] = as_text(config)
        change(rng, meta, context.canary)
    found = predict(context, write_checkpoint(folder, meta))
    kind = {id(CONFIGS): "config", id(TEXTS): "text", id(METAS): "meta"}[id(table)]
    expect(expected in (EITHER, found), f"{kind}: {name} is {found!r}, must be {expected!r}")
    left = sorted(path.name for path in folder.iterdir())
    expect(left in (["stranger.pth"], ["image.png", "out", "stranger.pth"]), f"{left} is left")
    return f"{kind}: {found}"


def write_checkpoint(folder: Path, meta: dict[str, Any]) -> Path:
    """The small model with a ``meta``."""
    torch.save(dict(meta=meta, state_dict=small_weights(small_config())), folder / "stranger.pth")
    return folder / "stranger.pth"


def predict(context: Context, checkpoint: Path) -> str:
    """What comes of the checkpoint."""
    if context.call.__name__ == "call_in_process":
        return predict_by_tool(context, checkpoint)
    try:
        inferencer = MaskFormerInferencer(checkpoint=checkpoint, device="cpu")
        result = inferencer(IMAGE)
    except Exception as error:
        line = explain(error)
        if line is None:
            raise Failure(f"{type(error).__name__}: {error}") from error
        check_refused(Outcome(2, "", f"error: {line}\n"), checkpoint.parent / "out")
        return REFUSED
    labels = result.labels
    expect(labels.shape == IMAGE.shape[:2], f"labels of {labels.shape}")
    expect(len(inferencer.classes) == 3 and all(map(str.isprintable, inferencer.classes)), "classes")
    return SAME if (labels == sound_labels()).all() else "other labels"


def predict_by_tool(context: Context, checkpoint: Path) -> str:
    """The same from the command line."""
    image, out = context.folder / "image.png", context.folder / "out"
    cv2.imwrite(str(image), IMAGE)
    outcome = context.call(TOOL, image, "--checkpoint", checkpoint, "--out-dir", out, "--device", "cpu")
    if outcome.status:
        check_refused(outcome, out)
        out.mkdir(exist_ok=True)
        return REFUSED
    labels = cv2.imread(str(out / "image_labels.png"), cv2.IMREAD_UNCHANGED)
    return SAME if (labels == sound_labels()).all() else "other labels"


def main() -> None:
    run_from_command_line(case, __doc__)


if __name__ == "__main__":
    main()
