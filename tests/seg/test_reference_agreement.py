"""The reference release's numbers, from its own weights, through the whole segmentor."""

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from mmengine.config import ConfigDict
from mmengine.structures import PixelData
from mmseg.models.segmentors import EncoderDecoder
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor

from mmmaskformer.checkpoint import from_detectron2
from mmmaskformer.structures import SegmentTargets

TOLERANCE = 1e-4
TIE = 1e-6
MASK_MODELS = ["semantic_r50", "semantic_swin"]
ALL_MODELS = [*MASK_MODELS, "per_pixel_plus_r50"]
RESNET = dict(type="mmseg.ResNet", depth=50, base_channels=4, stem_channels=8, norm_eval=True)
SWIN = dict(
    type="mmseg.SwinTransformer",
    embed_dims=16,
    depths=(2, 2, 2, 2),
    num_heads=(1, 2, 4, 8),
    window_size=4,
    drop_path_rate=0.0,
)
# Our name of a loss, and the release's without the layer.
NAMES = {"loss_cls": "loss_ce", "loss_ce": "loss_sem_seg", "loss_mask": "loss_mask", "loss_dice": "loss_dice"}


class Reference:
    """One file of the release's numbers and our segmentor with its weights."""

    def __init__(self, folder: Path, name: str) -> None:
        self.numbers: dict[str, Any] = torch.load(folder / "reference_numbers" / f"{name}.pt", weights_only=False)
        self.features = [self.numbers["features"][f"res{stage}"] for stage in (2, 3, 4, 5)]
        head = dict(type="mmmaskformer.MaskFormerHead", num_queries=12)
        if "per_pixel" in name:
            head = dict(type="mmmaskformer.PerPixelBaselinePlusHead")
        decoder = dict(num_layers=3, num_heads=4, feedforward_channels=64, dropout=0.0)
        head.update(in_channels=[stage.shape[1] for stage in self.features], channels=32, num_classes=7)
        self.model = MODELS.build(
            ConfigDict(
                type="mmmaskformer.MaskFormerSegmentor",
                backbone=SWIN if "swin" in name else RESNET,
                decode_head=dict(**head, transformer_decoder=decoder),
                test_cfg=dict(mode="whole"),
            )
        ).eval()
        missing, unexpected = self.model.load_state_dict(from_detectron2(self.numbers["state_dict"]), strict=False)
        # Constants of the release's frozen norms, and indices that Swin computes.
        assert all(key.endswith(("num_batches_tracked", "relative_position_index")) for key in missing)
        assert not unexpected

    def normalised(self, images: Tensor) -> Tensor:
        """Pixels as the network gets them."""
        mean, std = (torch.tensor(self.numbers[f"pixel_{key}"]).view(-1, 1, 1) for key in ("mean", "std"))
        return (images - mean) / std

    @property
    def images(self) -> Tensor:
        return self.normalised(self.numbers["images"])

    def samples(self, original_size: tuple[int, int]) -> list[SegDataSample]:
        """The batch's ground truth; test samples ask for their result at ``original_size``."""
        size = tuple(self.images.shape[-2:])
        meta = dict(img_shape=size, pad_shape=size, ori_shape=tuple(original_size))
        return [
            SegDataSample(gt_sem_seg=PixelData(data=labels[None]), metainfo=dict(meta))
            for labels in self.numbers["sem_seg"]
        ]


@pytest.fixture(scope="module")
def references() -> dict[str, Reference]:
    return {}


@pytest.fixture
def reference(request: pytest.FixtureRequest, shared_data: Path, references: dict[str, Reference]) -> Reference:
    """Loaded once for all tests of this file."""
    if request.param not in references:
        references[request.param] = Reference(shared_data, request.param)
    return references[request.param]


ALL = pytest.mark.parametrize("reference", ALL_MODELS, indirect=True)
MASKS = pytest.mark.parametrize("reference", MASK_MODELS, indirect=True)


def assert_close(ours: Tensor, theirs: Tensor) -> None:
    """Equal within 1e-4 of the largest magnitude."""
    assert ours.shape == theirs.shape
    assert (ours - theirs).abs().max() <= TOLERANCE * theirs.abs().max()


def assert_labels(ours: Tensor, theirs: Tensor, scores: Tensor) -> None:
    """Equal wherever the two best of the scores (K, H, W) are further apart than a tie."""
    best = scores.topk(2, dim=0).values
    different = ours != theirs
    assert (best[0] - best[1])[different].le(TIE).all(), f"{int(different.sum())} labels differ"


@ALL
def test_backbone_features_agree(reference: Reference) -> None:
    with torch.no_grad():
        ours = reference.model.extract_feat(reference.images)
    for stage, theirs in zip(ours, reference.features):
        assert_close(stage, theirs)


@MASKS
def test_class_and_mask_logits_of_every_layer_agree(reference: Reference) -> None:
    with torch.no_grad():
        predictions = reference.model.decode_head(reference.model.extract_feat(reference.images))
    assert_close(predictions.class_logits, reference.numbers["pred_logits"])
    for layer, theirs in enumerate(reference.numbers["pred_masks"]):
        assert_close(predictions.mask_logits(layer), theirs)


@MASKS
def test_the_matching_is_identical_in_every_layer(reference: Reference) -> None:
    with torch.no_grad():
        predictions = reference.model.decode_head(reference.model.extract_feat(reference.images))
    targets = SegmentTargets.from_semantic_maps(reference.numbers["sem_seg"], 7, 255)
    matching = reference.model.decode_head.criterion.assigner(predictions, targets)
    for layer, images in enumerate(reference.numbers["matching"]):
        ours = matching[layer].split(targets.counts)
        for queries, (their_queries, their_segments) in zip(ours, images):
            their_queries, their_segments = torch.as_tensor(their_queries), torch.as_tensor(their_segments)
            assert queries[their_segments].tolist() == their_queries.tolist()


@ALL
def test_every_loss_agrees(reference: Reference) -> None:
    size = tuple(reference.images.shape[-2:])
    losses = reference.model.loss(reference.images, reference.samples(size))
    ours = {}
    for name, value in losses.items():
        *layer, loss = name.removeprefix("decode.").split(".")
        ours[NAMES[loss] + "".join(f"_{index.removeprefix('d')}" for index in layer)] = value.item()
    theirs = {name: float(value) for name, value in reference.numbers["losses"].items()}
    assert ours == pytest.approx(theirs, rel=TOLERANCE)


@MASKS
def test_semantic_scores_and_their_label_map_agree(reference: Reference) -> None:
    size = tuple(reference.images.shape[-2:])
    with torch.no_grad():
        scores = reference.model.encode_decode(reference.images, [s.metainfo for s in reference.samples(size)])
        predicted = reference.model.predict(reference.images, reference.samples(size))
    assert_close(scores, reference.numbers["semantic"][:, :7])
    for sample, theirs, score in zip(predicted, reference.numbers["semantic_argmax"], scores):
        assert_labels(sample.pred_sem_seg.data[0], theirs, score)


@MASKS
def test_label_maps_at_original_size_agree(reference: Reference) -> None:
    original = reference.numbers["original_size"]
    with torch.no_grad():
        predicted = reference.model.predict(reference.images, reference.samples(original))
        stock = EncoderDecoder.predict(reference.model, reference.images, reference.samples(original))
    for sample, other, theirs in zip(predicted, stock, reference.numbers["semantic_at_original_size"]):
        assert_labels(sample.pred_sem_seg.data[0], theirs, other.seg_logits.data)


@pytest.mark.parametrize("reference", ["per_pixel_plus_r50"], indirect=True)
def test_per_pixel_logits_agree(reference: Reference) -> None:
    size = tuple(reference.images.shape[-2:])
    with torch.no_grad():
        logits = reference.model.encode_decode(reference.images, [s.metainfo for s in reference.samples(size)])
    assert_close(logits, reference.numbers["seg_logits"])


@pytest.mark.parametrize("reference", ["semantic_r50"], indirect=True)
def test_a_batch_of_two_sizes_agrees_through_its_padding(reference: Reference) -> None:
    padded = reference.numbers["padded"]
    height, width = padded["padded_shape"]
    images = [reference.normalised(image) for image in padded["images"]]
    margins = [(0, width - image.shape[2], 0, height - image.shape[1]) for image in images]
    batch = torch.stack([F.pad(image, margin) for image, margin in zip(images, margins)])
    metas = [
        dict(
            img_shape=tuple(image.shape[1:]),
            pad_shape=(height, width),
            img_padding_size=margin,
            ori_shape=tuple(padded["original_size"]),
        )
        for image, margin in zip(images, margins)
    ]
    with torch.no_grad():
        predictions = reference.model.decode_head(reference.model.extract_feat(batch), last_only=True)
        predicted = reference.model.predict(batch, [SegDataSample(metainfo=dict(meta)) for meta in metas])
        stock = EncoderDecoder.predict(reference.model, batch, [SegDataSample(metainfo=dict(meta)) for meta in metas])
    assert len({image.shape for image in images}) == 2
    assert_close(predictions.class_logits[0], padded["pred_logits"])
    assert_close(predictions.mask_logits(), padded["pred_masks"])
    for sample, other, theirs in zip(predicted, stock, padded["semantic_at_original_size"]):
        assert_labels(sample.pred_sem_seg.data[0], theirs, other.seg_logits.data)
