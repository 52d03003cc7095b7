"""The reference release's numbers, from its own weights, through the whole segmentor."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from mmengine.config import ConfigDict
from mmengine.structures import PixelData
from mmseg.models.segmentors import EncoderDecoder
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from release import DECODER, RESNET, Release, assert_close, assert_labels, assert_losses, assert_matching, load

from mmmaskformer.checkpoint import from_detectron2
from mmmaskformer.structures import SegmentTargets

MASK_MODELS = ["semantic_r50", "semantic_swin"]
ALL_MODELS = [*MASK_MODELS, "per_pixel_plus_r50"]
SWIN = dict(
    type="mmseg.SwinTransformer",
    embed_dims=16,
    depths=(2, 2, 2, 2),
    num_heads=(1, 2, 4, 8),
    window_size=4,
    drop_path_rate=0.0,
)


class Reference(Release):
    """One file of the release's numbers and our segmentor with its weights."""

    def __init__(self, folder: Path, name: str) -> None:
        super().__init__(folder, name)
        head = dict(type="mmmaskformer.MaskFormerHead", num_queries=12)
        if "per_pixel" in name:
            head = dict(type="mmmaskformer.PerPixelBaselinePlusHead")
        head.update(in_channels=self.channels, channels=32, num_classes=7, transformer_decoder=DECODER)
        config = dict(
            type="mmmaskformer.MaskFormerSegmentor",
            backbone=SWIN if "swin" in name else RESNET,
            decode_head=head,
            test_cfg=dict(mode="whole"),
        )
        self.model = load(MODELS.build(ConfigDict(config)), from_detectron2(self.numbers["state_dict"]))

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
    assert_matching(matching, targets, reference.numbers["matching"])


@ALL
def test_every_loss_agrees(reference: Reference) -> None:
    size = tuple(reference.images.shape[-2:])
    losses = reference.model.loss(reference.images, reference.samples(size))
    assert_losses(losses, reference.numbers["losses"], prefix="decode.")


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
    images = [reference.normalized(image) for image in padded["images"]]
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
