"""Whole checkpoints of mmseg's and mmdet's own code, and what the options decide."""

from pathlib import Path

import pytest
import tiny_detectors
import tiny_models
import torch
from mmdet.models.backbones import ResNet

from mmmaskformer.checkpoint.convert import ConversionOptions, to_ours, to_theirs
from mmmaskformer.checkpoint.formats import Checkpoint
from mmmaskformer.errors import UserError
from mmmaskformer.registry import MODELS

WIDTH = 32
NUM_HEADS = ConversionOptions(num_heads=4)


@pytest.fixture
def panoptic(shared_data: Path) -> Checkpoint:
    """A model of the release whose 133 classes become 150: as its ADE20K panoptic models."""
    numbers = torch.load(shared_data / "reference_numbers" / "panoptic_r50_encoder.pt", weights_only=False)
    weights = dict(numbers["state_dict"])
    weights["sem_seg_head.predictor.class_embed.weight"] = torch.arange(151.0)[:, None].repeat(1, WIDTH)
    weights["sem_seg_head.predictor.class_embed.bias"] = torch.arange(151.0)
    weights["criterion.empty_weight"] = torch.cat([torch.ones(150), torch.tensor([0.2])])
    return Checkpoint(Path("model.pkl"), weights)


def test_an_ade20k_panoptic_model_gets_mmdets_class_order_and_names(panoptic: Checkpoint) -> None:
    model = to_ours(panoptic, NUM_HEADS)
    assert (model.head, model.num_things) == ("panoptic_head", 100)
    assert model.weights["panoptic_head.class_embed.bias"][[0, 99, 100, 150]].tolist() == [7, 149, 0, 150]
    assert model.dataset_meta["classes"][0] == "bed" and model.dataset_meta["classes"][100] == "wall"
    assert "ADE20K's classes, things first" in model.conversion.table()
    assert model.config.model.panoptic_head.criterion.class_loss.no_object_weight == 0.2
    back = to_theirs(model, "detectron2").weights
    assert back.keys() == panoptic.weights.keys()
    assert all(torch.equal(back[key], value) for key, value in panoptic.weights.items())


def test_ours_goes_through_a_second_conversion_unchanged(panoptic: Checkpoint) -> None:
    first = to_ours(panoptic, NUM_HEADS)
    again = to_ours(Checkpoint(Path("ours.pth"), first.weights, dict(dataset_meta=first.dataset_meta)), NUM_HEADS)
    assert again.format == "mmmaskformer" and again.num_things == 100
    assert all(torch.equal(again.weights[key], value) for key, value in first.weights.items())


def test_the_task_option_makes_the_other_model_of_the_same_weights(panoptic: Checkpoint) -> None:
    model = to_ours(panoptic, ConversionOptions(num_heads=4, task="semantic"))
    assert model.head == "decode_head" and model.config.model.decode_head.num_classes == 150
    assert model.weights["decode_head.class_embed.bias"].tolist() == list(range(151))


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({}, dict(source="hf"), "--from hf: model.pkl is of the format 'detectron2'"),
        ({}, dict(num_heads=5), "num_heads=5 must divide channels=32"),
        ({}, dict(num_things=151), "--num-things 151: the checkpoint has 150 classes"),
        ({"sem_seg_head.predictor.query_embed.weight": None}, {}, "panoptic_head.query_embed.weight is missing"),
        ({"backbone.res4.2.conv1.weight": None}, {}, r"lacks: backbone.layer3.2.conv1.weight \(model.backbone"),
        ({"backbone.res3.1.conv2.weight": torch.zeros(9, 8, 3, 3)}, {}, r"layer2.1.conv2.weight is \(9, 8, 3, 3\)"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(change: dict, options: dict, message: str, panoptic: Checkpoint) -> None:
    panoptic.weights.update({key: value for key, value in change.items() if value is not None})
    for key, value in change.items():
        if value is None:
            del panoptic.weights[key]
    with pytest.raises(UserError, match=message):
        to_ours(panoptic, ConversionOptions(**{"num_heads": 4, **options}))


@pytest.mark.parametrize(
    ("changes", "option"),
    [
        (dict(num_queries=13), r"panoptic_head.query_embed.weight is \(12, 32\).*and \(13, 32\).*num_queries"),
        (dict(num_stuff_classes=49), r"class_embed.weight .*num_things_classes and num_stuff_classes"),
        ({"transformer_decoder.feedforward_channels": 65}, "transformer_decoder.feedforward_channels"),
        ({"transformer_decoder.num_layers": 4}, "needs 18 tensors .*transformer_decoder.num_layers"),
        ({"transformer_decoder.num_layers": 2}, "no place for 18 of .*transformer_decoder.num_layers"),
        ({"pixel_decoder.encoder.num_layers": 1}, "no place for 12 of .*encoder.num_layers"),
        ({"mask_dim": 16}, "mask_dim or channels"),
    ],
)
def test_a_config_that_disagrees_is_refused_with_the_option_to_change(
    changes: dict, option: str, panoptic: Checkpoint
) -> None:
    config = to_ours(panoptic, NUM_HEADS).config
    config.merge_from_dict({f"model.panoptic_head.{key}": value for key, value in changes.items()})
    with pytest.raises(UserError, match=option):
        to_ours(panoptic, ConversionOptions(config=config))


def test_a_backbone_without_a_description_asks_for_the_config(panoptic: Checkpoint) -> None:
    model = to_ours(panoptic, NUM_HEADS)
    weights = {key.replace("backbone.", "backbone.model."): value for key, value in model.weights.items()}
    with pytest.raises(UserError, match="the backbone holds model.conv1.weight.*--config"):
        to_ours(Checkpoint(Path("ours.pth"), weights))


@pytest.mark.parametrize("head", ["decode_head", "panoptic_head"])
def test_a_model_with_masked_attention_and_pooled_names_is_ours_and_no_other_projects(head: str) -> None:
    make = tiny_models.head_config if head == "decode_head" else tiny_detectors.head_config
    # Widths that a config made from the weights assumes: 32 groups in the norms.
    wide = make(
        **tiny_models.FAST,
        channels=32,
        pixel_decoder=dict(type="mmmaskformer.PositionedPixelDecoder"),
        pilots=dict(type="mmmaskformer.MaskPilots"),
    )
    parts = {head: MODELS.build(wide), "backbone": ResNet(18, base_channels=4, stem_channels=4, avg_down=True)}
    state = {f"{name}.{key}": value for name, part in parts.items() for key, value in part.state_dict().items()}
    options = ConversionOptions(num_heads=2, num_things=tiny_detectors.THINGS if head == "panoptic_head" else None)
    found = to_ours(Checkpoint(Path("fast.pth"), state), options)
    assert found.format == "mmmaskformer"
    built = found.config.model[head]
    assert built.transformer_decoder.type == "mmmaskformer.MaskedAttentionDecoder"
    assert built.class_head.type == "mmmaskformer.PooledClassHead"
    assert built.pixel_decoder.type == "mmmaskformer.PositionedPixelDecoder"
    assert built.pilots.type == "mmmaskformer.MaskPilots"
    for target in ("hf", "detectron2"):
        with pytest.raises(UserError, match=f"--to {target}: the model has masked attention .*query_feat"):
            to_theirs(found, target)


def test_a_pixel_decoder_that_adds_places_cannot_be_written_for_other_projects() -> None:
    config = tiny_models.head_config(
        channels=32,
        pixel_decoder=dict(type="mmmaskformer.PositionedPixelDecoder"),
        transformer_decoder=dict(num_layers=1, num_heads=2, feedforward_channels=8),
    )
    parts = dict(decode_head=MODELS.build(config), backbone=ResNet(18, base_channels=4, stem_channels=4, avg_down=True))
    state = {f"{name}.{key}": value for name, part in parts.items() for key, value in part.state_dict().items()}
    found = to_ours(Checkpoint(Path("places.pth"), state), ConversionOptions(num_heads=2))
    with pytest.raises(UserError, match="--to hf: the model has a pixel decoder that adds places .*position_convs"):
        to_theirs(found, "hf")
