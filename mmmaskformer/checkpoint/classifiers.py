"""ImageNet classifiers of torchvision, timm and Detectron2 -> weights of mmseg's and mmdet's backbones.

torchvision's and timm's ResNets have the very names of mmseg's.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from mmmaskformer.errors import UserError, listed

from .detectron2 import BLOCKS, DEEPLAB_STEM, STEM
from .keymap import Conversion, KeyMap, Rule
from .swin import SWIN

# timm puts the merging at the beginning of a stage, the original one at the end of the stage before.
TIMM_SWIN = [
    Rule(rule.theirs.replace("layers.{i}.downsample", "layers.{i+1}.downsample"), rule.ours, rule.reorder)
    for rule in SWIN
    if rule.ours != "norm{i}.{name}"
]
RESNET = [
    Rule(name, name)
    for name in (
        "conv1.{name}",
        "bn1.{name}",
        "layer{i}.{j}.conv{k}.{name}",
        "layer{i}.{j}.bn{k}.{name}",
        "layer{i}.{j}.downsample.{name}",
    )
]
EXTRAS = [
    (r"(fc|head|stem\.fc)\..+", "the classifier"),
    (r"norm\..+", "the classifier's norm"),
    (r".*\.attn_mask", "computed"),
]
FAMILIES = {
    "timm_swin": KeyMap("timm's Swin", TIMM_SWIN, EXTRAS),
    "swin": KeyMap("the original Swin", SWIN, EXTRAS),
    "resnet": KeyMap("torchvision's or timm's ResNet", RESNET, EXTRAS),
    "detectron2": KeyMap("Detectron2's ResNet", STEM + BLOCKS, EXTRAS),
    "detectron2_deeplab": KeyMap("Detectron2's ResNet with DeepLab's stem", DEEPLAB_STEM + BLOCKS, EXTRAS),
}


def from_classifier(state: Mapping[str, Tensor]) -> Conversion:
    """Return a classifier's weights under the names of mmseg's and mmdet's backbone.

    Returns:
        Weights to name in ``init_cfg=dict(type="Pretrained", checkpoint=...)`` of the backbone.

    Raises:
        UserError: a model of another kind.
    """
    return FAMILIES[classifier_family(state)].to_ours(state)


def classifier_family(state: Mapping[str, Tensor]) -> str:
    """Which of ``FAMILIES`` the weights are of.

    Raises:
        UserError: none of them.
    """
    if "layers.0.blocks.0.attn.qkv.weight" in state:
        return "swin" if "layers.0.downsample.reduction.weight" in state else "timm_swin"
    if "res2.0.conv1.weight" in state:
        return "detectron2_deeplab" if "stem.conv3.weight" in state else "detectron2"
    if "layer1.0.conv1.weight" in state:
        return "resnet"
    raise UserError(
        f"{listed(state, 3)} are names of no model that can be converted: known are MaskFormer of the "
        "reference release, Hugging Face, mmseg and mmdet, and ImageNet classifiers: ResNet of torchvision, timm and "
        "Detectron2, Swin of timm. Other backbones of timm work as they are through mmmaskformer.TimmBackbone"
    )
