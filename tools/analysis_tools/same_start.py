"""Writes one random start under two names: ``mmseg.pth`` or ``mmdet.pth`` for their MaskFormer, ``ours.pth`` for ours.

Two trainings are only compared fairly from the same weights: give each its file as ``load_from``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from mmengine.registry import MODELS, init_default_scope
from mmengine.runner import set_random_seed

from mmmaskformer import apis
from mmmaskformer.checkpoint import from_mmseg_head
from mmmaskformer.errors import one_line_errors
from mmmaskformer.files import atomic_open


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", help="config of mmseg's or mmdet's own MaskFormer, for instance in configs/peers/")
    parser.add_argument("out_dir", type=Path, help="folder for the two files")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    cfg = apis.load_config(args.config)
    peer = cfg.get("default_scope", "mmseg")
    init_default_scope(peer)
    prefix = "panoptic_head." if "panoptic_head" in cfg.model else "decode_head."
    set_random_seed(args.seed)
    model = MODELS.build(cfg.model)
    model.init_weights()
    theirs = model.state_dict()
    args.out_dir.mkdir(parents=True, exist_ok=True)
    for name, weights in ((peer, theirs), ("ours", from_mmseg_head(theirs, prefix))):
        with atomic_open(args.out_dir / f"{name}.pth") as file:
            torch.save(dict(state_dict=weights, meta={}), file)
        print(args.out_dir / f"{name}.pth")


if __name__ == "__main__":
    with one_line_errors():
        main()
