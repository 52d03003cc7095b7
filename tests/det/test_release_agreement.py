"""The reference release's panoptic model (transformer encoder, 133 classes), from its own weights."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.config import ConfigDict
from mmengine.structures import PixelData
from release import (
    DECODER,
    LAYERS,
    RESNET,
    Release,
    assert_close,
    assert_labels,
    assert_losses,
    assert_matching,
    assert_panoptic,
    load,
)
from torch import Tensor

from mmmaskformer.checkpoint import from_detectron2
from mmmaskformer.core.inference import semantic_scores
from mmmaskformer.structures import MaskPredictions, SegmentTargets

THINGS, STUFF = 80, 53


class Reference(Release):
    """The numbers and our detector with the release's weights."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "panoptic_r50_encoder")
        head = dict(
            type="mmmaskformer.MaskFormerPanopticHead",
            in_channels=self.channels,
            num_things_classes=THINGS,
            num_stuff_classes=STUFF,
            num_queries=12,
            channels=32,
            pixel_decoder=dict(
                type="mmmaskformer.TransformerEncoderPixelDecoder", encoder={**DECODER, "num_layers": 2}
            ),
            transformer_decoder=DECODER,
        )
        test_cfg = dict(panoptic_on=True, semantic_on=True, object_mask_thr=0.02, iou_thr=0.5)
        config = dict(type="mmmaskformer.MaskFormer", backbone=RESNET, panoptic_head=head, test_cfg=test_cfg)
        weights = from_detectron2(self.numbers["state_dict"], head="panoptic_head")
        self.model = load(MODELS.build(ConfigDict(config)), weights)

    @property
    def predictions(self) -> MaskPredictions:
        with torch.no_grad():
            return self.model.panoptic_head(self.model.extract_feat(self.images), samples(self.images))


def samples(batch: Tensor, **meta: object) -> list[DetDataSample]:
    size = tuple(batch.shape[-2:])
    meta = {**dict(img_shape=size, ori_shape=size, batch_input_shape=size), **meta}
    return [DetDataSample(metainfo=dict(meta)) for _ in batch]


@pytest.fixture(scope="module")
def loaded() -> list[Reference]:
    return []


@pytest.fixture
def reference(shared_data: Path, loaded: list[Reference]) -> Reference:
    """Loaded once for all tests of this file."""
    if not loaded:
        loaded.append(Reference(shared_data))
    return loaded[0]


def test_features_and_the_logits_of_every_layer_agree(reference: Reference) -> None:
    with torch.no_grad():
        for ours, theirs in zip(reference.model.extract_feat(reference.images), reference.features):
            assert_close(ours, theirs)
    predictions = reference.predictions
    assert_close(predictions.class_logits, reference.numbers["pred_logits"])
    for layer in range(LAYERS):
        assert_close(predictions.mask_logits(layer), reference.numbers["pred_masks"][layer])


def test_the_matching_is_identical_in_every_layer(reference: Reference) -> None:
    targets = SegmentTargets.from_semantic_maps(reference.numbers["sem_seg"], THINGS + STUFF, 255)
    matching = reference.model.panoptic_head.criterion.assigner(reference.predictions, targets)
    assert_matching(matching, targets, reference.numbers["matching"])


def test_every_loss_agrees_when_training_from_semantic_maps(reference: Reference) -> None:
    batch = samples(reference.images)
    for sample, labels in zip(batch, reference.numbers["sem_seg"]):
        sample.gt_sem_seg = PixelData(sem_seg=labels[None])
    assert_losses(reference.model.loss(reference.images, batch), reference.numbers["losses"])


def test_the_panoptic_map_is_the_releases_up_to_the_numbering(reference: Reference) -> None:
    assert_panoptic(reference.predictions, reference.numbers["panoptic"], THINGS)


def test_semantic_scores_and_labels_agree_at_input_and_original_size(reference: Reference) -> None:
    numbers, size = reference.numbers, tuple(reference.images.shape[-2:])
    scores = semantic_scores(reference.predictions, size)
    assert_close(scores[:, :8], numbers["semantic"])
    resized = resized_scores(reference.predictions, [size, size], size, numbers["original_size"])
    with torch.no_grad():
        at_input = reference.model.predict(reference.images, samples(reference.images))
        original = samples(reference.images, ori_shape=tuple(numbers["original_size"]))
        at_original = reference.model.predict(reference.images, original)
    for image in range(len(scores)):
        assert_labels(at_input[image].pred_sem_seg.sem_seg[0], numbers["semantic_argmax"][image], scores[image])
        theirs = numbers["semantic_at_original_size"][image]
        assert_labels(at_original[image].pred_sem_seg.sem_seg[0], theirs, resized[image])


def test_a_batch_of_two_sizes_agrees_through_its_padding(reference: Reference) -> None:
    padded = reference.numbers["padded"]
    height, width = padded["padded_shape"]
    images = [reference.normalized(image) for image in padded["images"]]
    batch = torch.stack([F.pad(i, (0, width - i.shape[2], 0, height - i.shape[1])) for i in images])
    sizes = [tuple(image.shape[1:]) for image in images]
    metas = samples(batch, ori_shape=tuple(padded["original_size"]))
    for sample, size in zip(metas, sizes):
        sample.set_metainfo(dict(img_shape=size))
    with torch.no_grad():
        predictions = reference.model.panoptic_head(reference.model.extract_feat(batch), metas, last_only=True)
        predicted = reference.model.predict(batch, metas)
    assert len(set(sizes)) == 2
    assert_close(predictions.class_logits[0], padded["pred_logits"])
    assert_close(predictions.mask_logits(), padded["pred_masks"])
    scores = resized_scores(predictions, sizes, (height, width), padded["original_size"])
    for sample, theirs, score in zip(predicted, padded["semantic_at_original_size"], scores):
        assert_labels(sample.pred_sem_seg.sem_seg[0], theirs, score)


def resized_scores(predictions: MaskPredictions, sizes: list, padded: tuple, original: tuple) -> list[Tensor]:
    """Scores (K, H', W') of each image from whole mask logits: upsampled, cropped, resized; then the product."""
    masks = F.interpolate(predictions.mask_logits(), size=padded, mode="bilinear", align_corners=False)
    probabilities = predictions.class_logits[-1].softmax(-1)[..., :-1]
    found = []
    for logits, weights, (height, width) in zip(masks, probabilities, sizes):
        logits = F.interpolate(logits[None, :, :height, :width], size=tuple(original), mode="bilinear")[0]
        found.append(torch.einsum("qk,qhw->khw", weights, logits.sigmoid()))
    return found
