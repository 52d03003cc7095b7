"""The reference release's numbers: one file of them, and what "agree" means."""

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmmaskformer.core.panoptic import panoptic_segments
from mmmaskformer.core.tiles import OutputGeometry
from mmmaskformer.structures import MaskPredictions, SegmentTargets

TOLERANCE = 1e-4
TIE = 1e-6
LAYERS = 3
RESNET = dict(type="mmseg.ResNet", depth=50, base_channels=4, stem_channels=8, norm_eval=True)
DECODER = dict(num_layers=LAYERS, num_heads=4, feedforward_channels=64, dropout=0.0)
# Our name of a loss, and the release's without the layer.
NAMES = {"loss_cls": "loss_ce", "loss_ce": "loss_sem_seg", "loss_mask": "loss_mask", "loss_dice": "loss_dice"}


class Release:
    """One file of numbers."""

    def __init__(self, folder: Path, name: str) -> None:
        self.numbers: dict[str, Any] = torch.load(folder / "reference_numbers" / f"{name}.pt", weights_only=False)
        self.features = [self.numbers["features"][f"res{stage}"] for stage in (2, 3, 4, 5)]
        self.channels = [stage.shape[1] for stage in self.features]

    def normalized(self, images: Tensor) -> Tensor:
        """Pixels as the network gets them."""
        mean, std = (torch.tensor(self.numbers[f"pixel_{key}"]).view(-1, 1, 1) for key in ("mean", "std"))
        return (images - mean) / std

    @property
    def images(self) -> Tensor:
        return self.normalized(self.numbers["images"])


def load(model: nn.Module, state_dict: dict[str, Tensor]) -> nn.Module:
    """The model with all of the weights; only what is no weight may be missing."""
    missing, unexpected = model.load_state_dict(state_dict, strict=False)
    # Constants of the release's frozen norms, and indices that Swin computes.
    assert all(key.endswith(("num_batches_tracked", "relative_position_index")) for key in missing), missing
    assert not unexpected
    return model.eval()


def assert_close(ours: Tensor, theirs: Tensor) -> None:
    """Equal within 1e-4 of the largest magnitude."""
    assert ours.shape == theirs.shape
    assert (ours - theirs).abs().max() <= TOLERANCE * theirs.abs().max()


def assert_labels(ours: Tensor, theirs: Tensor, scores: Tensor) -> None:
    """Equal wherever the two best of the scores (K, H, W) are further apart than a tie."""
    best = scores.topk(2, dim=0).values
    different = ours != theirs
    assert (best[0] - best[1])[different].le(TIE).all(), f"{int(different.sum())} labels differ"


def assert_losses(ours: dict[str, Tensor], theirs: dict[str, Tensor], prefix: str = "") -> None:
    """Every loss of every layer, within 1e-4 of itself."""
    renamed = {}
    for name, value in ours.items():
        *layer, loss = name.removeprefix(prefix).split(".")
        renamed[NAMES[loss] + "".join(f"_{index.removeprefix('d')}" for index in layer)] = value.item()
    expected = {name: float(value) for name, value in theirs.items()}
    assert renamed.keys() == expected.keys()
    for name, value in expected.items():
        assert abs(renamed[name] - value) <= TOLERANCE * abs(value), (
            f"{name}: {renamed[name]}, the release's is {value}"
        )


def assert_matching(matching: Tensor, targets: SegmentTargets, theirs: list) -> None:
    """The same query for every segment, in every layer."""
    for layer, images in enumerate(theirs):
        for queries, (their_queries, their_segments) in zip(matching[layer].split(targets.counts), images):
            their_queries, their_segments = torch.as_tensor(their_queries), torch.as_tensor(their_segments)
            assert queries[their_segments].tolist() == their_queries.tolist()


def assert_panoptic(predictions: MaskPredictions, numbers: dict[str, Any], num_things: int) -> None:
    """The release's panoptic maps and segments, up to the numbering; a pixel whose two best queries tie is either's."""
    predictions.class_logits = numbers["pred_logits"][None]  # the release's numbers use class logits of their own
    thresholds = numbers["thresholds"]
    for image, (theirs, infos) in enumerate(zip(numbers["maps"], numbers["segments"])):
        geometry = OutputGeometry.plain(tuple(theirs.shape))
        ours = panoptic_segments(
            predictions, image, geometry, num_things, thresholds["class_confidence"], thresholds["overlap"]
        )
        assert len(ours) == len(infos) > 1
        number = {0: 0}
        for info in infos:
            index = int(ours.ids[theirs == info["id"]].mode().values)
            number[index] = info["id"]
            assert int(ours.labels[index - 1]) == info["category_id"]
            assert (info["category_id"] < num_things) == info["isthing"]
        renumbered = torch.tensor([number[index] for index in range(len(ours) + 1)])[ours.ids]
        masks = predictions.mask_logits()[image : image + 1]
        masks = F.interpolate(masks, size=geometry.output_size, mode="bilinear", align_corners=False)[0].sigmoid()
        confidence = predictions.class_logits[0, image].softmax(-1).max(-1).values
        best = (masks * confidence[:, None, None]).topk(2, dim=0).values
        different = renumbered != theirs
        assert (best[0] - best[1])[different].le(TIE).all(), f"{int(different.sum())} pixels differ"
