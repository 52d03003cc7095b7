"""ADE20K's class layer on its way into mmdet's order and back."""

import torch

from mmmaskformer.checkpoint.classes import ADE20K_ORDER, CLASS_ORDER
from mmmaskformer.labels import ADE20K_THINGS_FIRST


def test_no_object_stays_last_and_the_way_back_is_the_inverse() -> None:
    logits = torch.arange(151)
    moved = CLASS_ORDER.to_ours(logits)
    assert moved[-1] == 150 and moved[0] == 7 and moved[100] == 0  # bed comes first, wall is the first stuff
    assert torch.equal(CLASS_ORDER.to_theirs(moved), logits)
    assert [ADE20K_THINGS_FIRST[place] for place in ADE20K_ORDER] == list(range(150))
