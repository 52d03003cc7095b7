"""ADE20K's class order against the names that mmseg and mmdet give the classes."""

from difflib import SequenceMatcher

import torch
from mmdet.datasets import ADE20KPanopticDataset
from mmseg.datasets import ADE20KDataset

from mmmaskformer.checkpoint.ade20k import ADE20K_ORDER, CLASS_ORDER, NUM_THINGS, THINGS_FIRST

SYNONYMS = {
    "windowpane": "window",
    "bathtub": "tub",
    "railing": "rail",
    "streetlight": "street lamp",
    "television receiver": "tv",
    "apparel": "clothes",
    "swimming pool": "pool",
    "waterfall": "falls",
    "ashcan": "trash can",
}


def test_each_class_stands_where_mmdet_has_its_name() -> None:
    ade20k = [name.strip() for name in ADE20KDataset.METAINFO["classes"]]
    for label, theirs in zip(THINGS_FIRST, ADE20KPanopticDataset.METAINFO["classes"]):
        ours = SYNONYMS.get(ade20k[label], ade20k[label])
        likeness = max(SequenceMatcher(None, ours, name.strip()).ratio() for name in theirs.split(","))
        assert likeness > 0.95, (ours, theirs)
    assert len(ADE20KPanopticDataset.METAINFO["thing_classes"]) == NUM_THINGS


def test_no_object_stays_last_and_the_way_back_is_the_inverse() -> None:
    logits = torch.arange(151)
    moved = CLASS_ORDER.to_ours(logits)
    assert moved[-1] == 150 and moved[0] == 7 and moved[100] == 0  # bed comes first, wall is the first stuff
    assert torch.equal(CLASS_ORDER.to_theirs(moved), logits)
    assert [THINGS_FIRST[place] for place in ADE20K_ORDER] == list(range(150))
