"""Writes one random start under two names: ``mmseg.pth`` for mmseg's MaskFormerHead and ``ours.pth`` for ours.

Two trainings are only compared fairly from the same weights: give each its file as ``load_from``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from mmengine.registry import init_default_scope
from mmengine.runner import set_random_seed

from mmmaskformer import apis
from mmmaskformer.checkpoint import from_mmseg_head
from mmmaskformer.errors import one_line_errors
from mmmaskformer.files import atomic_open


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", help="config of a model with mmseg's MaskFormerHead, for instance in configs/peers/")
    parser.add_argument("out_dir", type=Path, help="folder for the two files")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    cfg = apis.load_config(args.config)
    init_default_scope(cfg.get("default_scope", "mmseg"))
    from mmseg.registry import MODELS

    set_random_seed(args.seed)
    model = MODELS.build(cfg.model)
    model.init_weights()
    theirs = model.state_dict()
    args.out_dir.mkdir(parents=True, exist_ok=True)
    for name, weights in (("mmseg", theirs), ("ours", from_mmseg_head(theirs))):
        with atomic_open(args.out_dir / f"{name}.pth") as file:
            torch.save(dict(state_dict=weights, meta={}), file)
        print(args.out_dir / f"{name}.pth")


if __name__ == "__main__":
    with one_line_errors():
        main()
