"""The panoptic head: every output from one forward pass, options, data sets, mmdet's own detector, mmseg's model."""

import copy

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import ConfigDict
from tiny_detectors import QUERIES, STUFF, THINGS, build_detector, head_config, images, samples
from tiny_models import BACKBONE, FAST, PLACED, build_segmentor
from tiny_models import head_config as semantic_head

from mmmaskformer.core.panoptic import PanopticSegments
from mmmaskformer.det.panoptic_code import segment_codes

SIZES = [(64, 80), (48, 96)]
ALL = dict(panoptic_on=True, instance_on=True, semantic_on=True, object_mask_thr=0.2, iou_thr=0.1, max_per_image=12)


def predicted(test_cfg: dict, **head) -> list:
    batch = samples(SIZES, truth="")
    with torch.no_grad():
        return build_detector(head_config(**head), test_cfg=test_cfg).predict(images(batch), batch)


@pytest.mark.parametrize("truth", ["panoptic", "instance"])
def test_a_model_with_fewer_queries_than_segments_trains(truth):
    model, batch = build_detector(head_config(num_queries=2)), samples(SIZES, truth=truth)
    losses = model.loss(images(batch), batch)
    sum(losses.values()).backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


def test_three_outputs_come_from_one_forward_pass_and_equal_those_asked_for_alone():
    model = build_detector(test_cfg=ALL)
    calls = []
    model.panoptic_head.transformer_decoder.register_forward_hook(lambda *args: calls.append(1))
    batch = samples(SIZES, truth="")
    with torch.no_grad():
        together = model.predict(images(batch), batch)
    assert len(calls) == 1
    for sample in together:
        assert sample.pred_panoptic_seg.sem_seg.shape == (1, 40, 60)
        assert sample.pred_sem_seg.sem_seg.shape == (1, 40, 60)
        assert sample.pred_instances.masks.shape[1:] == (40, 60)
        assert set(sample.pred_panoptic_seg.sem_seg.unique().tolist()) - {THINGS + STUFF} == set(
            sample.pred_segments.ids.tolist()
        )
    off = dict(panoptic_on=False, instance_on=False, semantic_on=False)
    for option, keys in (("panoptic_on", {"pred_panoptic_seg", "pred_segments"}), ("instance_on", {"pred_instances"})):
        for sample, other in zip(predicted({**ALL, **off, option: True}), together):
            assert {name for name in sample.all_keys() if name.startswith("pred")} == keys
            for key in keys:
                for name, value in sample.get(key).items():
                    assert torch.equal(value, other.get(key).get(name)), f"{key}.{name}"


def test_detrs_postprocessing_gives_every_pixel_away():
    for sample in predicted({**ALL, "postprocess": "detr"}):
        assert (sample.pred_panoptic_seg.sem_seg != THINGS + STUFF).all()


def test_ids_are_mmdets_code_with_things_counted_from_one():
    segments = PanopticSegments(torch.zeros(1, 1), torch.tensor([2, 4, 0, 2, 3]), torch.ones(5))
    assert segment_codes(segments.labels, 3).tolist() == [1002, 4, 2000, 3002, 3]


@pytest.mark.parametrize(
    ("test_cfg", "words"),
    [
        (dict(panoptic=True), "test_cfg has panoptic; it knows panoptic_on"),
        (dict(object_mask_thr=8), "object_mask_thr=8, expected 0..1"),
        (dict(iou_thr=-1), "iou_thr=-1, expected 0..1"),
        (dict(max_per_image=0), "max_per_image=0, expected at least 1"),
        (dict(postprocess="mask2former"), "postprocess='mask2former', expected one of"),
        (dict(panoptic_on=False), "asks for no output"),
    ],
)
def test_options_that_cannot_be_are_refused(test_cfg, words):
    with pytest.raises(ValueError, match=words):
        build_detector(test_cfg=test_cfg)


@pytest.mark.parametrize(
    ("metainfo", "words"),
    [
        (dict(classes="abcdef", thing_classes="abcd", stuff_classes="ef"), r"4 things \+ 2 stuff classes"),
        (dict(classes="abcd"), "data set has 4 classes"),
    ],
)
def test_a_data_set_of_other_classes_is_refused(metainfo, words):
    head = build_detector().panoptic_head
    head.check_dataset_meta(dict(classes="abcde", thing_classes="abc", stuff_classes="de"))
    head.check_dataset_meta(dict(classes="abcde"))
    head.check_dataset_meta({})
    with pytest.raises(ValueError, match=words):
        head.check_dataset_meta(metainfo)


def test_an_instance_model_takes_a_data_set_that_does_not_speak_of_things():
    head = build_detector(head_config(num_stuff_classes=0)).panoptic_head
    head.check_dataset_meta(dict(classes="abc"))
    with pytest.raises(ValueError, match=r"4 things \+ 0 stuff"):
        head.check_dataset_meta(dict(classes="abcd"))


@pytest.mark.parametrize("truth", ["panoptic", "instance", "semantic"])
@pytest.mark.parametrize("parts", [{}, FAST, PLACED], ids=["paper", "fast", "placed"])
def test_the_same_model_trains_from_every_kind_of_ground_truth(truth, parts):
    model = build_detector(head_config(**parts)).train()
    batch = samples(SIZES, truth=truth)
    losses = model.loss(images(batch), batch)
    sum(losses.values()).backward()
    untrained = [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert not untrained
    assert all(loss.isfinite() for loss in losses.values())


def test_matching_and_learning_by_box():
    costs = [dict(type=f"mmmaskformer.{name}") for name in ("ClassCost", "BoxL1Cost", "GIoUCost")]
    losses = [dict(type="mmmaskformer.BoxL1Loss"), dict(type="mmmaskformer.GIoULoss")]
    criterion = dict(assigner=dict(type="mmmaskformer.HungarianAssigner", costs=costs), box_losses=losses)
    model = build_detector(head_config(predict_boxes=True, criterion=criterion)).train()
    batch = samples(SIZES)
    found = model.loss(images(batch), batch)
    sum(found.values()).backward()
    assert {"loss_bbox", "loss_giou", "d0.loss_bbox", "loss_mask"} <= found.keys()
    assert all(p.grad is not None for p in model.panoptic_head.box_embed.parameters())


def test_the_head_works_in_mmdets_own_detector_with_its_fusion_head():
    fusion = dict(type="mmdet.MaskFormerFusionHead", num_things_classes=THINGS, num_stuff_classes=STUFF)
    config = dict(type="mmdet.MaskFormer", backbone=BACKBONE, panoptic_head=head_config(), panoptic_fusion_head=fusion)
    test_cfg = {**ALL, "semantic_on": False}
    stock = MODELS.build(ConfigDict(**config, test_cfg=test_cfg)).eval()
    ours = build_detector(test_cfg=test_cfg)
    stock.load_state_dict(ours.state_dict())
    for name in ("class_embed", "mask_embed"):
        hooks = getattr(ours.panoptic_head, name)._forward_hooks
        getattr(stock.panoptic_head, name)._forward_hooks.update(hooks)
    batch = samples(SIZES)
    with torch.no_grad():
        theirs = stock.predict(images(batch), copy.deepcopy(batch))
        mine = ours.predict(images(batch), copy.deepcopy(batch))
    for sample, other in zip(mine, theirs):
        assert torch.equal(sample.pred_panoptic_seg.sem_seg, other.pred_panoptic_seg.sem_seg.long())
    assert stock.loss(images(batch), batch).keys() == ours.loss(images(batch), batch).keys()


def test_the_checkpoint_is_a_segmentors_after_a_change_of_prefix():
    detector = build_detector(test_cfg=dict(panoptic_on=False, semantic_on=True))
    segmentor = build_segmentor(head=semantic_head(num_classes=THINGS + STUFF, num_queries=QUERIES))
    weights = detector.state_dict()
    segmentor.load_state_dict({k.replace("panoptic_head.", "decode_head."): v for k, v in weights.items()})
    for name in ("class_embed", "mask_embed"):
        hooks = getattr(detector.panoptic_head, name)._forward_hooks
        getattr(segmentor.decode_head, name)._forward_hooks = hooks
    size = (64, 96)
    batch = samples([size, size], original=size, truth="")
    meta = dict(img_shape=size, pad_shape=size, ori_shape=size)
    with torch.no_grad():
        scores = segmentor.encode_decode(images(batch), [meta] * 2)
        found = detector.predict(images(batch), batch)
    for sample, score in zip(found, scores):
        assert torch.equal(sample.pred_sem_seg.sem_seg[0], score.argmax(0))
