"""Writes one start under two names: ``mmseg.pth`` or ``mmdet.pth`` for their MaskFormer, ``ours.pth`` for ours.

Two trainings are only compared fairly from the same weights: give each its file as ``load_from``. The start is random,
as the config says, or a trained model of ours.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import torch
from mmengine.registry import MODELS, init_default_scope
from mmengine.runner import set_random_seed
from torch import Tensor

from mmmaskformer import runs
from mmmaskformer.checkpoint import from_mmseg_head, to_mmseg_head
from mmmaskformer.checkpoint.formats import read_checkpoint
from mmmaskformer.errors import UserError, one_line_errors
from mmmaskformer.files import atomic_open


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", help="config of mmseg's or mmdet's own MaskFormer, for instance in configs/peers/")
    parser.add_argument("out_dir", type=Path, help="folder for the two files")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--checkpoint",
        help="of our model: start from it, and at random only where its shapes differ, as for other classes",
    )
    args = parser.parse_args()

    cfg = runs.load_config(args.config)
    peer = cfg.get("default_scope", "mmseg")
    init_default_scope(peer)
    prefix = "panoptic_head." if "panoptic_head" in cfg.model else "decode_head."
    set_random_seed(args.seed)
    model = MODELS.build(cfg.model)
    model.init_weights()
    theirs = model.state_dict()
    if args.checkpoint:
        take(theirs, to_mmseg_head(read_checkpoint(args.checkpoint).weights, prefix), args.checkpoint)
    args.out_dir.mkdir(parents=True, exist_ok=True)
    for name, weights in ((peer, theirs), ("ours", from_mmseg_head(theirs, prefix))):
        with atomic_open(args.out_dir / f"{name}.pth") as file:
            torch.save(dict(state_dict=weights, meta={}), file)
        print(args.out_dir / f"{name}.pth")


def take(state: dict[str, Tensor], trained: Mapping[str, Tensor], path: str) -> None:
    """Replaces what ``trained`` has in the same shape, and says what it has not.

    Raises:
        UserError: nothing fits.
    """
    fitting = {name: tensor for name, tensor in trained.items() if name in state and tensor.shape == state[name].shape}
    if not fitting:
        raise UserError(f"--checkpoint {path}: none of its {len(trained)} tensors is in the model of the config")
    random = [name for name in state if name not in fitting]
    print(f"{len(fitting)} tensors of {path}; at random: {', '.join(random) or 'none'}")
    state.update(fitting)


if __name__ == "__main__":
    with one_line_errors():
        main()
