"""Which data sets and models the checks of training data look at."""

import pytest
from mmengine.config import ConfigDict
from tiny_models import build_segmentor
from torch import nn

from mmmaskformer.engine.training_data import check_instances, check_not_empty, uses_this_package
from mmmaskformer.errors import UserError


class Listed:
    """A data set of samples, as MMEngine's are asked for them."""

    metainfo = dict(classes=("cat",))

    def __init__(self, *samples: dict) -> None:
        self.samples = samples

    def __len__(self) -> int:
        return len(self.samples)

    def get_data_info(self, index: int) -> dict:
        return self.samples[index]


class Wrapper:
    """A wrapper under either of the names that they have."""

    def __init__(self, **inner: object) -> None:
        self.__dict__.update(inner)


@pytest.mark.parametrize(
    "sample",
    [
        {"instances": []},
        {"instances": [], "seg_map_path": "a.png"},  # which the pipeline does not load
        {"instances": [{"ignore_flag": 1}]},
        {"instances": [], "segments_info": [], "seg_map_path": "a.png"},
    ],
)
def test_samples_without_ground_truth_are_refused(sample: dict) -> None:
    with pytest.raises(UserError, match=r"Listed: 2 images, but no instance of any class \(cat\)"):
        check_instances(Listed(sample, sample))


@pytest.mark.parametrize(
    "samples",
    [
        [{"instances": []}, {"instances": [{"ignore_flag": 0}]}],
        [{"instances": [], "segments_info": [{"id": 1}]}],
        [{"seg_map_path": "a.png"}],  # of mmseg: not told by its samples
    ],
)
def test_samples_with_ground_truth_and_those_that_do_not_tell_pass(samples: list[dict]) -> None:
    check_instances(Listed(*samples))
    check_instances(Wrapper(datasets=[Listed({"instances": []}), Listed(*samples)]))
    with pytest.raises(UserError, match="no instance"):
        check_instances(Wrapper(datasets=[Listed({"instances": []})]))


def test_only_a_data_set_that_has_a_length_can_be_empty() -> None:
    check_not_empty(None, iter(()))
    check_not_empty(Listed({}), Listed({}))
    with pytest.raises(UserError, match="the data set Listed has no sample"):
        check_not_empty(Listed(), Listed())


def test_a_part_of_ours_is_found_in_models_and_their_configs() -> None:
    model = build_segmentor("mmseg.EncoderDecoder")
    assert uses_this_package(model) and not uses_this_package(model.backbone)
    config = ConfigDict(
        type="EncoderDecoder", decode_head=[dict(type="FCNHead"), dict(type="mmmaskformer.MaskFormerHead")]
    )
    assert uses_this_package(config)
    assert uses_this_package(dict(type=type(model.decode_head)))
    config.decode_head.pop()
    assert not uses_this_package(config) and not uses_this_package(dict(type=nn.Linear))
