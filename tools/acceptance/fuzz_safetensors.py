"""Converts Hugging Face models whose safetensors header or index of shards was tampered with.

Each case changes the header of the one file, or the index of several, and calls ``tools/model_converters/convert.py``.
What says something else about the weights than they are must be refused in one line; the rest converts to the same
weights.
"""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

import torch
from foreign_cases import Context, check_refused, expect, run_from_command_line
from hostile_headers import BYTES, HEADERS, REFUSED, SAME, with_header
from hostile_indexes import INDEXES, Shards
from small_models import BACKBONES, write_small_hf

from mmmaskformer.checkpoint.convert import to_ours
from mmmaskformer.checkpoint.formats import read_checkpoint

TOOL = "model_converters/convert.py"


@functools.cache
def original(backbone: str) -> dict[str, bytes]:
    """The files of a sound model."""
    with tempfile.TemporaryDirectory() as folder:
        return {path.name: path.read_bytes() for path in write_small_hf(Path(folder), backbone).iterdir()}


@functools.cache
def sound_weights(backbone: str) -> dict[str, torch.Tensor]:
    """What it converts to."""
    with tempfile.TemporaryDirectory() as folder:
        return to_ours(read_checkpoint(write_small_hf(Path(folder), backbone))).weights


def case(context: Context) -> str:
    """One model, tampered with."""
    rng, folder = context.rng, context.folder
    backbone = rng.choice(list(BACKBONES))
    for name in ("hub", "out"):
        (folder / name).mkdir()
    files = dict(original(backbone))
    weights = files.pop("model.safetensors")
    for name, content in files.items():
        (folder / "hub" / name).write_bytes(content)
    kind, changes = rng.choice([("header", HEADERS), ("header", BYTES), ("index", INDEXES)])
    name = rng.choice(list(changes))
    change, expected = changes[name]
    if changes is INDEXES:
        change(rng, Shards(folder / "hub", weights))
    else:
        (folder / "hub" / "model.safetensors").write_bytes(
            change(rng, weights) if changes is BYTES else with_header(weights, functools.partial(change, rng))
        )
    outcome = context.call(TOOL, folder / "hub", folder / "out" / "ours.pth")
    found = REFUSED if outcome.status else SAME
    if found == REFUSED:
        check_refused(outcome, folder / "out")
    else:
        saved = torch.load(folder / "out" / "ours.pth", weights_only=True)["state_dict"]
        sound = sound_weights(backbone)
        expect(saved.keys() == sound.keys(), "other weights")
        expect(all(torch.equal(saved[key], value) for key, value in sound.items()), f"{name}: weights have changed")
    expect(expected in (None, found), f"{kind}: {name} is {found}, must be {expected}: {outcome.errors}")
    return f"{kind}: {found}"


def main() -> None:
    run_from_command_line(case, __doc__)


if __name__ == "__main__":
    main()
