"""The per-pixel baselines."""

import pytest
import torch
import torch.nn.functional as F
from tiny_models import CLASSES, LAYERS, SEGMENTORS, build_head, build_segmentor, features, head_config, label_maps
from tiny_models import samples as make_samples

from mmmaskformer.core import MaskCriterion
from mmmaskformer.structures import MaskPredictions, SegmentTargets

HEADS = pytest.mark.parametrize("kind", ["PerPixelBaselineHead", "PerPixelBaselinePlusHead"])
MASK_LOSSES = [dict(type="mmmaskformer.FocalLoss"), dict(type="mmmaskformer.DiceLoss")]
METAS = [dict(img_shape=(64, 64), pad_shape=(64, 64), ori_shape=(64, 64))] * 2


@HEADS
@pytest.mark.parametrize("segmentor", SEGMENTORS)
def test_a_baseline_trains_and_predicts_at_original_size_in_either_segmentor(kind: str, segmentor: str) -> None:
    model = build_segmentor(segmentor, head_config(kind)).train()
    losses = model.loss(torch.randn(2, 3, 64, 96), make_samples(label_maps(64, 96)))
    sum(losses.values()).backward()
    assert not [name for name, parameter in model.named_parameters() if parameter.grad is None]
    (first, _) = model.eval().predict(torch.randn(2, 3, 64, 96), make_samples(label_maps(64, 96), ori_shape=(50, 70)))
    assert tuple(first.pred_sem_seg.data.shape) == (1, 50, 70)


@HEADS
def test_the_loss_of_the_last_layer_is_cross_entropy_over_the_pixels_that_are_not_void(kind: str) -> None:
    head, maps = build_head(kind).eval(), label_maps()
    losses = head.loss(features(), make_samples(maps))
    expected = F.cross_entropy(head.predict(features(), METAS), maps, ignore_index=255)
    assert losses["loss_ce"].item() == pytest.approx(expected.item())


def test_the_plus_baseline_is_supervised_after_every_decoder_layer() -> None:
    losses = build_head("PerPixelBaselinePlusHead").loss(features(), make_samples(label_maps()))
    assert set(losses) == {"loss_ce", *(f"d{layer}.loss_ce" for layer in range(LAYERS - 1))}


def test_mask_losses_come_beside_cross_entropy_and_are_those_of_masks_that_are_matched_by_class() -> None:
    plain = build_head("PerPixelBaselinePlusHead").eval()
    head = build_head("PerPixelBaselinePlusHead", mask_losses=MASK_LOSSES).eval()
    maps = label_maps()
    losses = head.loss(features(), make_samples(maps))
    without = plain.loss(features(), make_samples(maps))
    assert {name: losses[name].item() for name in without} == pytest.approx({k: v.item() for k, v in without.items()})
    assert set(losses) - set(without) == {"d0.loss_mask", "d0.loss_dice", "loss_mask", "loss_dice"}

    # As embeddings, the rows of the identity pick the classes' masks out of the logits.
    logits = torch.stack(head.layer_logits(features(), METAS, last_only=False))
    queries = torch.eye(CLASSES).expand(1, 2, -1, -1)
    criterion = MaskCriterion(CLASSES, dict(type="mmmaskformer.FixedAssigner"), mask_losses=MASK_LOSSES)
    targets = SegmentTargets.from_semantic_maps(maps, CLASSES, 255)
    for prefix, layer in zip(("d0.", ""), logits):
        expected = criterion(
            MaskPredictions.from_embeddings(torch.zeros(1, 2, CLASSES, CLASSES + 1), queries, layer), targets
        )
        for name in ("loss_mask", "loss_dice"):
            assert losses[prefix + name].item() == pytest.approx(expected[name].item(), rel=1e-5)


def test_query_i_of_the_plus_baseline_is_class_i() -> None:
    head = build_head("PerPixelBaselinePlusHead")
    assert head.num_queries == CLASSES
    assert not [name for name in head.state_dict() if "class_embed" in name]
    with pytest.raises(ValueError, match="num_queries must be 5"):
        build_head("PerPixelBaselinePlusHead", num_queries=100)


@HEADS
def test_an_all_void_batch_gives_a_loss_of_0_and_keeps_every_parameter_in_the_graph(kind: str) -> None:
    head = build_head(kind, mask_losses=MASK_LOSSES)
    losses = head.loss(features(), make_samples(torch.full((2, 64, 64), 255)))
    assert all(loss == 0 for loss in losses.values())
    sum(losses.values()).backward()
    assert not [name for name, parameter in head.named_parameters() if parameter.grad is None]


@HEADS
def test_a_label_out_of_range_is_reported_with_its_value_and_file(kind: str) -> None:
    maps = label_maps()
    maps[0, 0, 0] = 77
    with pytest.raises(ValueError, match=r"a\.png: label 77 "):
        build_head(kind).loss(features(), make_samples(maps, seg_map_path="a.png"))


@HEADS
def test_a_data_set_with_another_number_of_classes_is_refused(kind: str) -> None:
    with pytest.raises(ValueError, match=f"{kind} has num_classes=5 but the data set has 2 classes"):
        build_head(kind).check_dataset_meta(dict(classes=("a", "b")))
