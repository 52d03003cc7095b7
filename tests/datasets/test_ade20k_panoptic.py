"""ADE20K's panoptic and semantic ground truth in one order of classes."""

import json

import cv2
import numpy as np
import pytest
from mmdet.datasets import ADE20KPanopticDataset
from mmengine.registry import init_default_scope
from mmseg.datasets import ADE20KDataset
from PIL import Image

from mmmaskformer.coco.panoptic_png import write_panoptic_png
from mmmaskformer.datasets import CheckedADE20KPanopticDataset
from mmmaskformer.errors import UserError
from mmmaskformer.labels import ADE20K_THINGS_FIRST

CLASSES = ADE20KPanopticDataset.METAINFO["classes"]
# mmdet and mmseg name these nine differently.
SYNONYMS = {
    "window": "windowpane", "tub": "bathtub", "rail": "railing", "street lamp": "streetlight",
    "tv": "television receiver", "clothes": "apparel", "pool": "swimming pool", "falls": "waterfall",
    "trash can": "ashcan",
}  # fmt: skip
SIZE = (10, 15)


@pytest.fixture(autouse=True)
def mmdet_scope():
    init_default_scope("mmdet")


@pytest.fixture
def folder(tmp_path):
    """One image: a bed (class 7 on disk: 8) with a part that no instance has, on floor (3: 4), with "other" (0)."""
    for kind in ("images", "annotations"):
        (tmp_path / kind).mkdir()
    cv2.imwrite(str(tmp_path / "images/a.jpg"), np.full((*SIZE, 3), 90, np.uint8))
    labels, ids = np.full(SIZE, 4, np.uint8), np.full(SIZE, 300, np.int32)
    labels[2:6, 2:9], ids[2:6, 2:9] = 8, 9
    ids[2:6, 8], labels[0], ids[0] = 0, 0, 0
    Image.fromarray(labels).save(tmp_path / "annotations/a.png")
    write_panoptic_png(ids, tmp_path / "panoptic/a.png")
    segments = [
        dict(id=300, category_id=103, bbox=[0, 1, 15, 9], area=1, iscrowd=0),
        dict(id=9, category_id=0, bbox=[2, 2, 6, 4], area=24, iscrowd=0),
    ]
    content = dict(
        images=[dict(id="a", file_name="a.jpg", height=SIZE[0], width=SIZE[1])],
        categories=[dict(id=i, name=name, isthing=int(i < 100)) for i, name in enumerate(CLASSES)],
        annotations=[dict(image_id="a", file_name="a.png", segments_info=segments)],
    )
    (tmp_path / "panoptic.json").write_text(json.dumps(content))
    return tmp_path


def build(folder, own_map=True, **prefix):
    pipeline = [dict(type="LoadImageFromFile"), dict(type="mmmaskformer.LoadPanopticAnnotations")]
    pipeline += [dict(type="mmmaskformer.LoadADE20KLabelMap")] if own_map else []
    return CheckedADE20KPanopticDataset(
        data_root=str(folder),
        ann_file="panoptic.json",
        data_prefix=dict(img="images", seg="panoptic", **prefix),
        pipeline=[*pipeline, dict(type="PackDetInputs")],
        test_mode=True,
    )


def same_class(label, original):
    """Whether mmdet's name of a label means what mmseg's name of ADE20K's class does."""
    theirs = ADE20KDataset.METAINFO["classes"][original].strip()
    return theirs in (*CLASSES[label].split(", "), SYNONYMS.get(CLASSES[label]))


def test_the_order_puts_every_class_under_its_name():
    assert sorted(ADE20K_THINGS_FIRST) == list(range(150))
    for label, original in enumerate(ADE20K_THINGS_FIRST):
        assert same_class(label, original), f"{label}: {CLASSES[label]!r} is not class {original}"


def test_its_own_label_map_knows_the_class_where_no_instance_is(folder):
    own = build(folder, sem="annotations")[0]["data_samples"].gt_sem_seg.sem_seg[0].numpy()
    implied = build(folder, own_map=False)[0]["data_samples"].gt_sem_seg.sem_seg[0].numpy()
    bed, floor = CLASSES.index("bed"), CLASSES.index("floor")
    assert (own[0] == 255).all() and (own[2:6, 2:9] == bed).all() and (own[6:] == floor).all()
    assert (implied[2:6, 8] == 255).all()
    np.testing.assert_array_equal(np.delete(own, 8, 1), np.delete(implied, 8, 1))


def test_real_label_maps_show_what_mmseg_loads(shared_data, folder):
    source = shared_data / "ade20k_sample" / "annotations" / "validation" / "ADE_val_00000001.png"
    stored = np.array(Image.open(source))
    Image.fromarray(stored[: SIZE[0], : SIZE[1]]).save(folder / "annotations/a.png")
    labels = build(folder, sem="annotations")[0]["data_samples"].gt_sem_seg.sem_seg[0].numpy()
    crop = stored[: SIZE[0], : SIZE[1]]
    for label in np.unique(labels[labels != 255]):
        (value,) = np.unique(crop[labels == label])
        assert same_class(label, value - 1)
    np.testing.assert_array_equal(labels == 255, crop == 0)


def test_a_label_map_that_is_not_there_or_not_ades_is_named(folder):
    with pytest.raises(UserError, match=r"a\.jpg: no label map; give the data set data_prefix=dict\(sem=FOLDER\)"):
        build(folder)[0]
    with pytest.raises(UserError, match=r"folder .*semantic does not exist"):
        build(folder, sem="semantic")
    dataset = build(folder, sem="annotations")
    Image.fromarray(np.full(SIZE, 151, np.uint8)).save(folder / "annotations/a.png")
    with pytest.raises(UserError, match=r"a\.png: label 151; expected 1\.\.150 for classes and 0 for void"):
        dataset[0]
    Image.fromarray(np.ones((4, 4), np.uint8)).save(folder / "annotations/a.png")
    with pytest.raises(UserError, match=r"a\.png is 4x4 but its image .*a\.jpg is 10x15"):
        dataset[0]
    (folder / "annotations/a.png").write_bytes(b"no image")
    with pytest.raises(UserError, match=r"annotations/a\.png cannot be decoded"):
        dataset[0]
    (folder / "annotations/a.png").unlink()
    with pytest.raises(UserError, match=r"label map .*annotations/a\.png does not exist"):
        dataset[0]


def test_a_missing_json_is_answered_with_the_converter(tmp_path):
    with pytest.raises(UserError, match=r"panoptic\.json does not exist; make it with mmdet's .*ade20k2coco\.py"):
        build(tmp_path)
