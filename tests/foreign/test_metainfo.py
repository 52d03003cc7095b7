"""Names and colors of classes in a checkpoint's meta."""

import numpy as np
import pytest

from mmmaskformer.errors import UserError
from mmmaskformer.foreign.metainfo import read_dataset_meta


def test_known_keys_are_kept_and_others_left_out() -> None:
    meta = dict(classes=("a", "b"), palette=np.zeros((2, 3), int), thing_classes=["a"], label_map={0: 1}, x=print)
    found = read_dataset_meta(dict(dataset_meta=meta), "x.pth")
    assert found == dict(classes=("a", "b"), palette=[[0, 0, 0]] * 2, thing_classes=["a"])
    assert read_dataset_meta({}, "x.pth") == read_dataset_meta(dict(dataset_meta=None), "x.pth") == {}


@pytest.mark.parametrize(
    ("meta", "message"),
    [
        (dict(classes="cell"), "x.pth: dataset_meta.classes is 'cell', must be a list"),
        (dict(classes=["a", "b\nc"]), r"dataset_meta.classes\[1\] is 'b.*c', must be a name"),
        (dict(palette=[[0, 0, 300]]), r"dataset_meta.palette\[0\] is 300, must be a whole number from 0 to 255"),
        (["classes"], r"dataset_meta is \['classes'\], must be an object"),
        ({1: 2}, "dataset_meta: a name is 1, must be a string"),
    ],
)
def test_what_is_no_description_of_classes_is_refused(meta: object, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_dataset_meta(dict(dataset_meta=meta), "x.pth")
