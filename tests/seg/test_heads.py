"""MaskFormerHead with mmseg's calling convention."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from mmengine.logging import MMLogger
from mmseg.structures import SegDataSample
from tiny_models import (
    CLASSES,
    FAST,
    PLACED,
    SEGMENTORS,
    build_head,
    build_segmentor,
    features,
    head_config,
    label_maps,
    samples,
    values,
)

from mmmaskformer.errors import UserError

METAS = [dict(img_shape=(64, 64), pad_shape=(64, 64), ori_shape=(64, 64))] * 2


@pytest.mark.parametrize("kind", SEGMENTORS)
@pytest.mark.parametrize(
    ("parts", "prefixes"),
    [
        ({}, ("", "d0.")),
        (FAST, ("", "d0.", "d1.")),
        (PLACED, ("", "d0.", "d1.", "pilot.", "pilot.d0.")),
    ],
    ids=["paper", "fast", "placed"],
)
def test_a_training_step_in_either_segmentor_gives_three_losses_per_prediction_and_changes_the_head(
    kind: str, parts: dict, prefixes: tuple[str, ...]
) -> None:
    model = build_segmentor(kind, head_config(**parts)).train()
    losses = model.loss(torch.randn(2, 3, 64, 64), samples(label_maps()))
    names = {f"decode.{prefix}loss_{loss}" for prefix in prefixes for loss in ("cls", "mask", "dice")}
    assert set(losses) == names
    sum(losses.values()).backward()
    gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
    assert not [name for name, gradient in gradients.items() if gradient is None or not gradient.isfinite().all()]
    assert gradients["backbone.conv1.weight"].abs().max() > 0


def test_both_segmentors_compute_the_same_losses_and_labels() -> None:
    ours, stock = (build_segmentor(kind) for kind in SEGMENTORS)
    images = torch.randn(2, 3, 64, 96)
    maps = label_maps(64, 96)
    losses = [values(model.loss(images, samples(maps))) for model in (ours, stock)]
    with torch.no_grad():
        labels = [model.predict(images, samples(maps)) for model in (ours, stock)]
    assert losses[0] == pytest.approx(losses[1])
    for one, other in zip(*labels):
        assert torch.equal(one.pred_sem_seg.data, other.pred_sem_seg.data)


def test_scores_are_sums_of_probabilities_at_padded_input_size() -> None:
    scores = build_head().eval().predict(features(), METAS)
    assert tuple(scores.shape) == (2, CLASSES, 64, 64)
    predictions = build_head().eval()(features(), METAS)
    probabilities = predictions.class_logits[-1].softmax(-1)[..., :-1].sum(1)[..., None, None]
    assert scores.min() >= 0 and (scores <= probabilities + 1e-6).all()


@pytest.mark.parametrize("label", [CLASSES, 254, -1])
def test_a_label_out_of_range_is_reported_with_its_value_and_file(label: int) -> None:
    maps = label_maps()
    maps[1, 10, 10] = label
    batch = samples(maps)
    batch[1].set_metainfo(dict(img_path="images/b.jpg", seg_map_path="annotations/b.png"))
    with pytest.raises(
        ValueError, match=rf"annotations/b\.png: label {label} .*expected 0\.\.4 or the ignore index 255"
    ):
        build_head().loss(features(), batch)


def test_a_sample_without_ground_truth_is_named() -> None:
    batch = [SegDataSample(metainfo=dict(img_path="images/a.jpg"))]
    with pytest.raises(ValueError, match=r"images/a\.jpg: no gt_sem_seg"):
        build_head().loss(features(batch=1), batch)


HEADS = ["MaskFormerHead", "PerPixelBaselineHead", "PerPixelBaselinePlusHead"]


@pytest.mark.parametrize("kind", HEADS)
@pytest.mark.parametrize("meta", [dict(padding_size=(0, 0, 0, 0)), {}], ids=["padding recorded", "padding unknown"])
def test_label_maps_of_another_size_than_the_images_are_refused(kind: str, meta: dict) -> None:
    names = dict(img_path="photo.jpg", seg_map_path="labels.png")
    batch = samples(label_maps(28, 64, batch=1), img_shape=(64, 64), **names, **meta)
    with pytest.raises(UserError, match=r"^labels\.png is 28x64 but its image photo\.jpg is 64x64"):
        build_head(kind).loss(features(batch=1), batch)


def test_a_data_set_with_another_number_of_classes_is_refused() -> None:
    head = build_head()
    head.check_dataset_meta(dict(classes=list("abcde")))
    head.check_dataset_meta({})
    with pytest.raises(ValueError, match=r"num_classes=5 but the data set has 3 classes .*decode_head\.num_classes=3"):
        head.check_dataset_meta(dict(classes=("a", "b", "c")))


def test_the_ignore_index_is_whatever_the_head_is_told() -> None:
    maps = label_maps()
    other = torch.where(maps == 255, 65, maps)
    losses = build_head().loss(features(), samples(maps))
    with_65 = build_head(ignore_index=65).loss(features(), samples(other))
    assert values(with_65) == pytest.approx(values(losses))


@pytest.mark.parametrize("void_images", [1, 2])
def test_images_without_any_segment_train_the_class_head_and_keep_every_parameter_in_the_graph(
    void_images: int,
) -> None:
    head, maps = build_head(), label_maps()
    maps[:void_images] = 255
    losses = head.loss(features(), samples(maps))
    assert all(loss.isfinite() for loss in losses.values())
    if void_images == 2:
        assert losses["loss_mask"] == losses["loss_dice"] == 0
    sum(losses.values()).backward()
    assert losses["loss_cls"] > 0 and head.class_embed.weight.grad.abs().max() > 0
    assert not [name for name, parameter in head.named_parameters() if parameter.grad is None]


def test_more_segments_than_queries_train_every_query_and_are_reported_with_the_file(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    MMLogger.get_instance(tmp_path.name).addHandler(caplog.handler)  # and so the current one
    maps = torch.arange(5).repeat_interleave(16).expand(1, 64, 80)
    head = build_head(num_queries=4)
    for _ in range(2):
        losses = head.loss(features(64, 80, batch=1), samples(maps, seg_map_path="annotations/b.png"))
    sum(losses.values()).backward()
    assert all(parameter.grad.isfinite().all() for parameter in head.parameters())
    assert head.query_embed.weight.grad.abs().sum(1).gt(0).all()
    (record,) = (record for record in caplog.records if record.levelname == "WARNING")
    assert "annotations/b.png has 5 segments but the model has 4 queries" in record.message


def test_a_non_finite_prediction_is_reported_with_its_tensor_and_layer() -> None:
    head = build_head()
    with torch.no_grad():
        head.class_embed.weight[0, 0] = float("nan")
    with pytest.raises(FloatingPointError, match="non-finite values in class_logits of decoder layer 0"):
        head.loss(features(), samples(label_maps()))


def test_general_inference_gives_each_pixel_to_the_most_confident_pair() -> None:
    head = build_head(inference="general").eval()
    predictions = head(features(), METAS, last_only=True)
    confidence, classes = predictions.class_logits[0].softmax(-1).max(-1)
    masks = F.interpolate(predictions.mask_logits(), size=(64, 64), mode="bilinear").sigmoid()
    strength = confidence[..., None, None] * masks
    strength[classes == CLASSES] = -1
    expected = classes.gather(1, strength.argmax(1).flatten(1)).view(2, 64, 64)
    labels = torch.stack(head.predict_labels(features(), METAS, (64, 64)))
    assert torch.equal(labels, expected)
    assert len(expected.unique()) > 1


def test_general_inference_leaves_an_image_void_where_every_query_says_no_object() -> None:
    head = build_head(inference="general").eval()
    torch.nn.init.constant_(head.class_embed.bias[-1:], 1e4)
    labels = head.predict_labels(features(), METAS, (64, 64))
    assert all((one == 255).all() for one in labels)


def test_the_head_reads_the_stages_of_in_index() -> None:
    stages = features()
    head = build_head(in_channels=[8, 32], in_index=[1, 3], strides=(8, 32)).eval()
    assert tuple(head(stages).pixel_embeds.shape[-2:]) == (8, 8)
    assert tuple(head.predict(stages, METAS).shape[-2:]) == (64, 64)


def test_in_index_and_in_channels_must_name_as_many_stages() -> None:
    with pytest.raises(ValueError, match=r"in_index=\[0, 1, 2\] and in_channels=\[4, 8, 16, 32\]"):
        build_head(in_index=[0, 1, 2])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(num_queries=0), "num_queries=0, expected at least 1"),
        (dict(num_classes=-3), "num_classes=-3, expected at least 1"),
        (dict(in_channels=[4, -8, 16, 32]), "expected the positive channel counts"),
        (dict(transformer_decoder=dict(num_heads=3)), "num_heads=3 must divide channels=16"),
        (dict(pixel_decoder=dict(norm_groups=5)), "norm_groups=5 must divide channels=16"),
    ],
)
def test_sizes_that_cannot_be_are_refused_by_name(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build_head(**change)


def test_an_unknown_part_is_named() -> None:
    with pytest.raises(KeyError, match="NoSuchDecoder"):
        build_segmentor(head=head_config(pixel_decoder=dict(type="mmmaskformer.NoSuchDecoder")))


@pytest.mark.parametrize("mask_padding", [False, True])
def test_padding_reaches_the_queries_unless_it_is_masked(mask_padding: bool) -> None:
    head = build_head(mask_padding=mask_padding).eval()
    metas = [dict(img_shape=(64, 32), pad_shape=(64, 64))] * 2
    stages = features()
    before = head(stages, metas).class_logits
    stages[-1][..., 1:] += 3
    after = head(stages, metas).class_logits
    assert torch.allclose(before, after, atol=1e-6) == mask_padding
