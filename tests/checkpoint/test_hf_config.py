"""Values of Hugging Face's config.json and preprocessor_config.json: taken as they are meant, or refused by name."""

import math
from typing import Any

import pytest

from mmmaskformer.checkpoint.config_from_weights import ReleaseSettings
from mmmaskformer.checkpoint.hf_config import class_names, read_settings
from mmmaskformer.errors import UserError

HOSTILE = {"a': 0, 'b': __import__('os').system('touch X'), 'c": 1}


def test_values_that_are_given_replace_the_defaults() -> None:
    config = dict(
        no_object_weight=0.2, cross_entropy_weight=2, mask_weight=5.0, dice_weight=0,
        decoder_config=dict(decoder_attention_heads=4, dropout=0.0),
    )  # fmt: skip
    preprocessor = dict(size=dict(shortest_edge=96, longest_edge=300), size_divisor=0, image_mean=[0.5, 0.4, 0.3])
    found = read_settings(config, preprocessor, ReleaseSettings())
    assert (found.no_object_weight, found.class_weight, found.mask_weight, found.dice_weight) == (0.2, 2, 5.0, 0)
    assert (found.num_heads, found.dropout, found.size_divisor) == (4, 0.0, 0)
    assert (found.short_side, found.long_side, found.mean) == (96, 300, (127.5, 102.0, 76.5))
    assert read_settings({}, {}, ReleaseSettings()) == ReleaseSettings()


@pytest.mark.parametrize(
    ("preprocessor", "mean", "std"),
    [
        (dict(image_mean=0.5, image_std=0.25), (127.5,) * 3, (63.75,) * 3),
        (dict(image_mean=[0.5] * 3, rescale_factor=1 / 127.5), (63.75,) * 3, None),
        (dict(image_mean=[100] * 3, image_std=[50.0] * 3, do_rescale=False), (100.0,) * 3, (50.0,) * 3),
        (dict(image_mean=[9] * 3, do_normalize=False), (0.0,) * 3, (255.0,) * 3),
    ],
)
def test_pixels_are_normalized_as_their_processor_does(preprocessor: dict, mean: tuple, std: tuple | None) -> None:
    found = read_settings({}, preprocessor, ReleaseSettings())
    assert found.mean == mean and std in (None, found.std)


@pytest.mark.parametrize(
    "key",
    ["no_object_weight", "cross_entropy_weight", "mask_weight", "dice_weight", "dropout", "decoder_attention_heads"],
)
@pytest.mark.parametrize("value", [HOSTILE, "1", True, [1], math.nan, math.inf, -1, 1e300], ids=range(8))
def test_a_number_of_the_config_is_one(key: str, value: Any) -> None:
    inner = key in ("dropout", "decoder_attention_heads")
    config = dict(decoder_config={key: value}) if inner else {key: value}
    with pytest.raises(
        UserError, match=rf"^config\.json: (decoder_config\.)?{key} is .*, must be a (whole )?number from"
    ):
        read_settings(config, {}, ReleaseSettings())


@pytest.mark.parametrize(
    ("preprocessor", "place"),
    [
        (dict(size=dict(shortest_edge=HOSTILE, longest_edge=8)), "size.shortest_edge"),
        (dict(size=dict(shortest_edge=8, longest_edge=HOSTILE)), "size.longest_edge"),
        (dict(size=dict(shortest_edge=8.5, longest_edge=9)), "size.shortest_edge"),
        (dict(size=dict(shortest_edge=10**6)), "size.shortest_edge"),
        (dict(size=dict(height=8, width=8)), "a key of size"),
        (dict(size="8"), "size"),
        (dict(size=8, max_size=0), "max_size"),
        (dict(size_divisor=HOSTILE), "size_divisor"),
        (dict(size_divisibility=-32), "size_divisibility"),
        (dict(rescale_factor=0), "rescale_factor"),
        (dict(rescale_factor=HOSTILE), "rescale_factor"),
        (dict(image_mean=[0.5, 0.5]), "image_mean"),
        (dict(image_mean=HOSTILE), "image_mean"),
        (dict(image_std=[0.5, 0, 0.5]), "image_std[1]"),
        (dict(image_std=[0.5, math.nan, 0.5]), "image_std[1]"),
        (dict(do_rescale=1), "do_rescale"),
        (dict(do_normalize="no"), "do_normalize"),
    ],
    ids=range(17),
)
def test_a_value_of_the_preprocessor_is_what_it_must_be(preprocessor: dict, place: str) -> None:
    with pytest.raises(UserError) as caught:
        read_settings({}, preprocessor, ReleaseSettings())
    assert str(caught.value).startswith(f"preprocessor_config.json: {place} is ")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (dict(decoder_config=[1]), r"config\.json: decoder_config is \[1\], must be an object"),
        (dict(backbone_config="swin"), "config.json: backbone_config is 'swin', must be an object"),
        (dict(backbone_config=dict(model_type="convnext")), "model_type is 'convnext', must be 'swin' or"),
        (dict(backbone_config=dict(model_type="swin", hidden_act="relu")), "hidden_act='relu', and only 'gelu' can be"),
        (dict(backbone_config=dict(model_type="resnet", hidden_act="gelu")), "hidden_act='gelu', and only 'relu' can"),
        (dict(decoder_config=dict(auxiliary_loss=0)), "auxiliary_loss=0, and only False can be converted"),
    ],
)
def test_a_part_that_is_none_or_computes_otherwise_is_refused(config: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_settings(config, {}, ReleaseSettings())


def test_a_preprocessor_that_does_not_resize_is_refused() -> None:
    with pytest.raises(UserError, match="preprocessor_config.json has do_resize=False, and only True can be converted"):
        read_settings({}, dict(do_resize=False), ReleaseSettings())


@pytest.mark.parametrize(
    "table", ["ab", ["a", "b"], {"x": "a"}, {"-1": "a"}, {"٣": "a"}, {"0": 1}, {"0": "a\nb"}, {"0": "a", "00": "b"}, 1]
)
def test_names_of_classes_are_a_table_by_number(table: Any) -> None:
    with pytest.raises(UserError, match=r"^config\.json: id2label"):
        class_names(dict(id2label=table), 2)


def test_names_of_another_number_of_classes_are_not_used() -> None:
    assert class_names(dict(id2label={"0": "a", "1": "b"}), 2) == ["a", "b"]
    assert class_names(dict(id2label={"0": "a"}), 2) is class_names({}, 2) is None
    assert class_names(dict(id2label={"0": "LABEL_0"}), 1) is None
