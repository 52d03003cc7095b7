"""Our head against mmseg's MaskFormerHead: same weights, same batch, alternating in one run.

Prints medians and ratios (ours / mmseg's, smaller is better); ``--json FILE`` also writes them. Memory is the peak over
the resting process, each side in a process of its own (resident set on a CPU, allocator's peak on a GPU).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
from mmengine.config import ConfigDict
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

import mmmaskformer  # noqa: F401  (makes mmseg importable without compiled ops)
from mmmaskformer.analysis.measure import peak_megabytes
from mmmaskformer.checkpoint import to_mmseg_head
from mmmaskformer.files import atomic_open
from mmmaskformer.labels import default_void
from mmmaskformer.structures import MaskPredictions, SegmentTargets

CHANNELS = (256, 512, 1024, 2048)  # a ResNet-50's stages
SWIN_B_CHANNELS = (128, 256, 512, 1024)
STRIDES = (4, 8, 16, 32)
SEGMENTS = 9  # about what a training image of ADE20K has
SIDES = ("ours", "mmseg")


def build_ours(num_classes: int, channels: tuple[int, ...] = CHANNELS) -> torch.nn.Module:
    """Our head in the paper's size."""
    torch.manual_seed(0)
    head = dict(in_channels=list(channels), num_classes=num_classes, ignore_index=default_void(num_classes))
    return MODELS.build(dict(type="mmmaskformer.MaskFormerHead", **head))


def build_heads(num_classes: int, device: torch.device) -> dict[str, torch.nn.Module]:
    """Both heads in the paper's size with the same weights."""
    ours = build_ours(num_classes)
    attention = dict(embed_dims=256, num_heads=8, attn_drop=0.1, proj_drop=0.1, dropout_layer=None, batch_first=True)
    ffn = dict(embed_dims=256, feedforward_channels=2048, num_fcs=2, ffn_drop=0.1, add_identity=True)
    costs = [
        dict(type="mmdet.ClassificationCost", weight=1.0),
        dict(type="mmdet.FocalLossCost", weight=20.0, binary_input=True),
        dict(type="mmdet.DiceCost", weight=1.0, pred_act=True, eps=1.0),
    ]
    theirs = MODELS.build(
        ConfigDict(
            type="mmseg.MaskFormerHead",
            in_channels=list(CHANNELS),
            in_index=[0, 1, 2, 3],
            feat_channels=256,
            out_channels=256,
            num_classes=num_classes,
            num_queries=100,
            pixel_decoder=dict(type="mmdet.PixelDecoder", norm_cfg=dict(type="GN", num_groups=32)),
            positional_encoding=dict(num_feats=128, normalize=True),
            transformer_decoder=dict(
                num_layers=6, layer_cfg=dict(self_attn_cfg=attention, cross_attn_cfg=attention, ffn_cfg=ffn)
            ),
            loss_cls=dict(type="mmdet.CrossEntropyLoss", class_weight=[1.0] * num_classes + [0.1]),
            loss_mask=dict(type="mmdet.FocalLoss", use_sigmoid=True, gamma=2.0, alpha=0.25, loss_weight=20.0),
            loss_dice=dict(type="mmdet.DiceLoss", activate=True, naive_dice=True, eps=1.0, loss_weight=1.0),
            train_cfg=dict(
                assigner=dict(type="mmdet.HungarianAssigner", match_costs=costs),
                sampler=dict(type="mmdet.MaskPseudoSampler"),
            ),
        )
    )
    theirs.load_state_dict(to_mmseg_head(ours.state_dict(), prefix=""))
    return {"ours": ours.to(device), "mmseg": theirs.to(device)}


def features(
    batch: int, height: int, width: int, device: torch.device, channels: tuple[int, ...] = CHANNELS
) -> list[torch.Tensor]:
    """Random feature maps of a backbone's four stages."""
    generator = torch.Generator().manual_seed(1)
    shapes = [(batch, c, height // s, width // s) for c, s in zip(channels, STRIDES)]
    return [torch.randn(shape, generator=generator).relu().to(device) for shape in shapes]


def samples(batch: int, height: int, width: int, num_classes: int, device: torch.device) -> list[SegDataSample]:
    """Label maps of nearest-center regions, SEGMENTS classes an image, with a void border."""
    generator = torch.Generator().manual_seed(2)
    rows, columns = torch.arange(height)[:, None], torch.arange(width)
    result = []
    for _ in range(batch):
        centers = torch.rand(SEGMENTS, 2, generator=generator) * torch.tensor([height, width])
        distance = (rows - centers[:, 0, None, None]) ** 2 + (columns - centers[:, 1, None, None]) ** 2
        classes = torch.randperm(num_classes, generator=generator)[:SEGMENTS]
        label_map = classes[distance.argmin(0)]
        label_map[:8] = 255
        meta = dict(img_shape=(height, width), ori_shape=(height, width), pad_shape=(height, width))
        result.append(SegDataSample(metainfo=meta, gt_sem_seg=PixelData(data=label_map[None].to(device))))
    return result


def training_step(head: torch.nn.Module, inputs: list[torch.Tensor], batch: list[SegDataSample]) -> Callable:
    """Forward, loss and backward of the head, down to the backbone's features."""
    inputs = [x.detach().requires_grad_() for x in inputs]

    def step() -> dict[str, torch.Tensor]:
        losses = head.loss(inputs, batch, None)
        sum(losses.values()).backward()
        for tensor in [*inputs, *head.parameters()]:
            tensor.grad = None
        return losses

    return step


def loss_step(side: str, head: torch.nn.Module, inputs: list[torch.Tensor], batch: list[SegDataSample]) -> Callable:
    """Mask product, matching and loss, with the backward down to class logits, mask embeddings and pixel embeddings."""
    metas = [sample.metainfo for sample in batch]
    captured = {}
    if side == "ours":
        with torch.no_grad():
            predictions = head(inputs, metas)
        leaves = [predictions.class_logits, predictions.mask_embeds, predictions.pixel_embeds]
    else:
        hooks = [
            head.cls_embed.register_forward_hook(lambda *a: captured.update(class_logits=a[2])),
            head.mask_embed.register_forward_hook(lambda *a: captured.update(mask_embeds=a[2])),
            head.pixel_decoder.register_forward_hook(lambda *a: captured.update(pixel_embeds=a[2][0])),
        ]
        _, metas = head._seg_data_to_instance_data(batch)
        with torch.no_grad():
            head(inputs, batch)
        for hook in hooks:
            hook.remove()
        leaves = [captured[name] for name in ("class_logits", "mask_embeds", "pixel_embeds")]
    leaves = [leaf.detach().clone().requires_grad_() for leaf in leaves]

    def ours() -> None:
        maps = torch.cat([sample.gt_sem_seg.data for sample in batch])
        targets = SegmentTargets.from_semantic_maps(maps, head.num_classes, head.ignore_index)
        sum(head.criterion(MaskPredictions.from_embeddings(*leaves), targets).values()).backward()

    def theirs() -> None:
        instances, metas = head._seg_data_to_instance_data(batch)
        masks = torch.einsum("lbqc,bchw->lbqhw", leaves[1], leaves[2])
        sum(head.loss_by_feat(leaves[0], masks, instances, metas).values()).backward()

    def step() -> None:
        ours() if side == "ours" else theirs()
        for leaf in leaves:
            leaf.grad = None

    return step


def prediction(side: str, head: torch.nn.Module, inputs: list[torch.Tensor], batch: list[SegDataSample]) -> Callable:
    """One image to a label map, as each project's segmentor asks its head for it."""
    metas = [sample.metainfo for sample in batch]

    @torch.no_grad()
    def predict() -> torch.Tensor:
        if side == "ours":
            return head.predict_labels(inputs, metas, metas[0]["img_shape"])[0]
        return head.predict(inputs, metas, None)[0].argmax(0)

    return predict


def alternate(steps: dict[str, Callable], pairs: int, device: torch.device) -> dict[str, float]:
    """Median seconds of each side over alternating pairs, after one warm-up each; and the median of pairwise ratios."""
    seconds = {side: [] for side in steps}
    for pair in range(pairs + 1):
        for side, step in steps.items():
            start = time.perf_counter()
            step()
            if device.type == "cuda":
                torch.cuda.synchronize()
            if pair:
                seconds[side].append(time.perf_counter() - start)
    ratios = [a / b for a, b in zip(*seconds.values())]
    return {**{side: median(values) for side, values in seconds.items()}, "ratio": median(ratios)}


def memory_in_own_process(side: str, what: str, args: argparse.Namespace) -> float:
    """Run this script again for one side and one measurement."""
    command = [sys.executable, __file__, "--measure", side, what, "--device", args.device]
    command += ["--threads", str(args.threads), "--batch", str(args.batch), "--size", str(args.size)]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=os.environ).stdout
    return float(output.strip().splitlines()[-1])


def measure_memory(side: str, what: str, args: argparse.Namespace, device: torch.device) -> float:
    """Peak in this process of a training step ("train"), or of predicting 847 classes at 2048x1024 ("vocabulary") or
    a whole image of 3648x5472 with 19 classes and a Swin-B's features ("image", ours alone)."""
    if what == "train":
        head = build_heads(150, device)[side]
        inputs = features(args.batch, args.size, args.size, device)
        run = training_step(head, inputs, samples(args.batch, args.size, args.size, 150, device))
    elif what == "vocabulary":
        head = build_heads(847, device)[side].eval()
        inputs = features(1, 1024, 2048, device)
        run = prediction(side, head, inputs, samples(1, 1024, 2048, 847, device))
    else:
        head = build_ours(19, SWIN_B_CHANNELS).to(device).eval()
        inputs = features(1, 3648, 5472, device, SWIN_B_CHANNELS)
        run = prediction(side, head, inputs, samples(1, 3648, 5472, 19, device))
    return peak_megabytes(run, device)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=5, help="alternating pairs a timing, after one warm-up")
    parser.add_argument("--batch", type=int, default=2, help="images in a training step")
    parser.add_argument("--size", type=int, default=512, help="side of the square input in pixels")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="CPU threads")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--only", choices=("loss", "train", "predict", "memory"), help="one measurement alone")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.pairs < 1 or args.batch < 1 or args.size < 64 or args.size % 32:
        parser.error("--pairs and --batch must be at least 1, --size a multiple of 32 and at least 64")
    return args


def main() -> None:
    args = parse_args()
    device = torch.device(args.device)
    torch.set_num_threads(args.threads)
    if args.measure:
        print(measure_memory(*args.measure, args, device))
        return
    figures: dict[str, float] = {}

    def report(name: str, unit: str, ours: float, theirs: float, ratio: float) -> None:
        figures.update({f"{name}_ratio": ratio, f"{name}_ours_{unit}": ours, f"{name}_mmseg_{unit}": theirs})
        print(f"{name:28s} ours {ours:9.3f} {unit:3s} mmseg {theirs:9.3f} {unit:3s} ratio {ratio:.3f}", flush=True)

    heads = build_heads(150, device)
    inputs = features(args.batch, args.size, args.size, device)
    batch = samples(args.batch, args.size, args.size, 150, device)
    totals = [float(sum(heads[side].eval().loss(inputs, batch, None).values())) for side in SIDES]
    print(f"total loss without dropout: ours {totals[0]:.6f}, mmseg {totals[1]:.6f}", flush=True)
    if abs(totals[0] - totals[1]) > 1e-4 * abs(totals[1]):
        sys.exit("the two heads disagree: their times cannot be compared")

    if args.only in (None, "loss"):
        times = alternate({side: loss_step(side, heads[side], inputs, batch) for side in SIDES}, args.pairs, device)
        report("loss_time", "s", times["ours"], times["mmseg"], times["ratio"])
    if args.only in (None, "train"):
        steps = {side: training_step(heads[side].train(), inputs, batch) for side in SIDES}
        times = alternate(steps, args.pairs, device)
        report("train_time", "s", times["ours"], times["mmseg"], times["ratio"])
    if args.only in (None, "predict"):
        one = [x[:1] for x in inputs]
        steps = {side: prediction(side, heads[side].eval(), one, batch[:1]) for side in SIDES}
        times = alternate(steps, args.pairs, device)
        report("predict_time", "s", times["ours"], times["mmseg"], times["ratio"])
    if args.only in (None, "memory"):
        for name, what in (("train_memory", "train"), ("large_vocabulary_memory", "vocabulary")):
            ours, theirs = (memory_in_own_process(side, what, args) for side in SIDES)
            report(name, "MB", ours, theirs, ours / theirs)
        figures["large_image_memory_ours_MB"] = memory_in_own_process("ours", "image", args)
        print(f"{'large_image_memory':28s} ours {figures['large_image_memory_ours_MB']:9.3f} MB", flush=True)
    if args.json:
        with atomic_open(args.json, "w") as file:
            file.write(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
