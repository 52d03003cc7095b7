"""PanopticQualityMetric gives the numbers of panopticapi and of mmdet, from files, from samples and on two ranks."""

import contextlib
import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import panoptic_scenes as scenes
import pytest
import torch
from launching import run_on_ranks
from mmengine.evaluator import Evaluator
from mmengine.logging import MMLogger
from mmengine.structures import BaseDataElement, PixelData
from panoptic_scenes import META, encode, random_scene, sample_of, write_truth

from mmmaskformer.coco.panoptic_png import read_panoptic_png
from mmmaskformer.errors import UserError
from mmmaskformer.evaluation import PanopticQualityMetric

SEEDS = [1, 2, 3, 4, 5]


def evaluate(samples: Sequence[BaseDataElement], meta: dict, **options) -> dict[str, float]:
    """Through MMEngine's evaluator, as runners do it, in batches of two."""
    evaluator = Evaluator(dict(type="mmmaskformer.PanopticQualityMetric", **options))
    evaluator.dataset_meta = meta
    for start in range(0, len(samples), 2):
        evaluator.process(samples[start : start + 2], {})
    return evaluator.evaluate(len(samples))


def meta_of(categories: list[dict]) -> dict:
    return {
        "classes": tuple(c["name"] for c in categories),
        "thing_classes": tuple(c["name"] for c in categories if c["isthing"]),
        "stuff_classes": tuple(c["name"] for c in categories if not c["isthing"]),
    }


def spoil(pixels: np.ndarray, segments: list[dict], categories: list[dict], seed: int) -> torch.Tensor:
    """A prediction, in mmdet's encoding, of a truth: shifted, with wrong classes, split and lost segments."""
    rng = np.random.default_rng(seed)
    shifted = np.roll(pixels, rng.integers(-9, 10, 2), (0, 1)).astype(np.int64)
    infos = [dict(info) for info in segments]
    for number, info in enumerate(segments):
        fate = rng.integers(6)
        if fate == 0:
            infos[number]["category_id"] = categories[rng.integers(len(categories))]["id"]
        elif fate == 1:
            half = (shifted == info["id"]) & (np.arange(pixels.shape[1]) > rng.integers(pixels.shape[1]))
            shifted[half] = -number - 1
            infos.append({"id": -number - 1, "category_id": info["category_id"]})
        elif fate == 2:
            shifted[shifted == info["id"]] = 0
    return encode(shifted, infos, {c["id"]: label for label, c in enumerate(categories)})


def real_samples(ann_file: Path, seg_prefix: Path, seed: int) -> list[BaseDataElement]:
    content = json.loads(ann_file.read_text())
    return [
        BaseDataElement(
            metainfo={"img_id": annotation["image_id"], "img_path": annotation["file_name"]},
            pred_panoptic_seg=PixelData(
                sem_seg=spoil(
                    read_panoptic_png(seg_prefix / annotation["file_name"]),
                    annotation["segments_info"],
                    content["categories"],
                    seed + number,
                )
            ),
        )
        for number, annotation in enumerate(content["annotations"])
    ]


@pytest.mark.parametrize(
    ("ann_file", "seg_prefix", "seed"),
    [
        ("coco_panoptic_sample/panoptic.json", "coco_panoptic_sample/panoptic", 0),
        ("coco_panoptic_sample/panoptic.json", "coco_panoptic_sample/panoptic", 1),
        ("pennfudan/panoptic_val.json", "pennfudan/panoptic/val", 0),
    ],
)
def test_numbers_and_written_files_of_spoilt_real_truth_agree_with_panopticapi(
    ann_file: str, seg_prefix: str, seed: int, shared_data: Path, tmp_path: Path
) -> None:
    evaluation = pytest.importorskip("panopticapi.evaluation", reason="pip install --no-deps panopticapi-lite==0.2.0")
    ann_file, seg_prefix = shared_data / ann_file, shared_data / seg_prefix
    content = json.loads(ann_file.read_text())
    numbers = evaluate(
        real_samples(ann_file, seg_prefix, seed),
        meta_of(content["categories"]),
        ann_file=str(ann_file),
        seg_prefix=str(seg_prefix),
        classwise=True,
        out_dir=tmp_path,
    )
    written = {a["image_id"]: a for a in json.loads((tmp_path / "panoptic.json").read_text())["annotations"]}
    assert len(written) == len(content["annotations"])
    by_id = {category["id"]: category for category in content["categories"]}
    pairs = [(annotation, written[annotation["image_id"]]) for annotation in content["annotations"]]
    with contextlib.redirect_stdout(io.StringIO()):
        theirs = evaluation.pq_compute_single_core(0, pairs, str(seg_prefix), str(tmp_path / "panoptic"), by_id)
    assert 0.1 < theirs.pq_average(by_id, None)[0]["pq"] < 0.95  # neither lost nor perfect
    for suffix, isthing in (("", None), ("_th", True), ("_st", False)):
        expected, of_classes = theirs.pq_average(by_id, isthing)
        ours = {name: numbers[f"coco_panoptic/{name.upper()}{suffix}"] / 100 for name in ("pq", "sq", "rq")}
        assert ours == pytest.approx({name: expected[name] for name in ours}, rel=0, abs=1e-12)
        for category, row in of_classes.items():
            name = by_id[category]["name"]
            for what, value in row.items():
                number = numbers.get(f"coco_panoptic/{name}_{what.upper()}", 0.0)
                assert number / 100 == pytest.approx(value, rel=0, abs=1e-12), name


def test_names_and_values_are_those_of_mmdets_metric(tmp_path: Path) -> None:
    pytest.importorskip("panopticapi", reason="pip install --no-deps panopticapi-lite==0.2.0")
    from mmdet.evaluation import CocoPanopticMetric

    chosen = [random_scene(seed) for seed in SEEDS]
    ann_file = write_truth(tmp_path, chosen)
    samples = [sample_of(scene, number) for number, scene in enumerate(chosen, 100)]
    ours = evaluate(samples, META, ann_file=str(ann_file))
    theirs = CocoPanopticMetric(ann_file=str(ann_file), seg_prefix=str(tmp_path / "truth"))
    theirs.dataset_meta = META
    shapes = [{"ori_shape": scene.truth.shape} for scene in chosen]
    theirs.process({}, [{**sample.to_dict(), **shape} for sample, shape in zip(samples, shapes)])
    assert ours == pytest.approx(theirs.evaluate(len(samples)), rel=0, abs=1e-10)


def test_two_ranks_give_the_numbers_and_the_files_of_one_process(tmp_path: Path) -> None:
    write_truth(tmp_path, [random_scene(seed) for seed in SEEDS])
    alone = scenes.evaluate_share(str(tmp_path), SEEDS, str(tmp_path / "alone"))
    shares = run_on_ranks(scenes.evaluate_share, 2, str(tmp_path), SEEDS, str(tmp_path / "ranks"))
    # Five images on two ranks: one is evaluated twice, and must count once.
    assert [(share.pop("rank"), share.pop("images")) for share in shares] == [(0, 3), (1, 3)]
    assert [alone.pop("rank"), alone.pop("images")] == [0, 5]
    for share in shares:
        assert share == pytest.approx(alone, rel=0, abs=1e-10)
    one, two = (json.loads((tmp_path / run / "panoptic.json").read_text()) for run in ("alone", "ranks"))
    assert one == two and len(one["annotations"]) == 5
    for annotation in one["annotations"]:
        one, two = (tmp_path / run / "panoptic" / annotation["file_name"] for run in ("alone", "ranks"))
        assert np.array_equal(read_panoptic_png(one), read_panoptic_png(two))


def test_without_a_json_the_truth_comes_from_the_sample(tmp_path: Path) -> None:
    chosen = [random_scene(seed) for seed in SEEDS]
    samples = [sample_of(scene, number) for number, scene in enumerate(chosen, 100)]
    for sample, scene in zip(samples, chosen):
        segments = []
        for info in scene.truth_info:
            label = scenes.CLASS_OF[info["category_id"]]
            info["iscrowd"] &= int(scenes.THINGS[label])  # mmdet's samples cannot tell a crowd of stuff
            segments.append(
                {"id": info["id"], "category": label, "is_thing": scenes.THINGS[label] and not info["iscrowd"]}
            )
        sample.set_metainfo({"segments_info": segments, "seg_map_path": f"{tmp_path}/elsewhere/{sample.img_id}.png"})
    expected = evaluate(samples, META, ann_file=str(write_truth(tmp_path, chosen)))
    numbers = evaluate(samples, META, seg_prefix=str(tmp_path / "truth"))
    assert numbers == pytest.approx(expected, rel=0, abs=1e-10)


def test_samples_of_mmdets_data_set_are_evaluated_with_and_without_the_json(shared_data: Path) -> None:
    from mmdet.datasets import CocoPanopticDataset

    root = shared_data / "pennfudan"
    content = json.loads((root / "panoptic_val.json").read_text())
    dataset = CocoPanopticDataset(
        ann_file=str(root / "panoptic_val.json"),
        metainfo=meta_of(content["categories"]),
        data_prefix=dict(img=str(root / "images/val"), seg=str(root / "panoptic/val")),
        test_mode=True,
        indices=5,
        pipeline=[
            dict(type="LoadImageFromFile"),
            dict(type="mmdet.PackDetInputs", meta_keys=("img_id", "img_path", "segments_info", "seg_map_path")),
        ],
    )
    samples = [dataset[place]["data_samples"] for place in range(len(dataset))]
    for annotation, sample in zip(content["annotations"], samples):
        pixels = read_panoptic_png(sample.seg_map_path)
        spoilt = spoil(pixels, annotation["segments_info"], content["categories"], seed=3)
        sample.pred_panoptic_seg = PixelData(sem_seg=spoilt)
    seg_prefix = str(root / "panoptic/val")
    by_json = evaluate(samples, dataset.metainfo, ann_file=str(root / "panoptic_val.json"), seg_prefix=seg_prefix)
    assert 10 < by_json["coco_panoptic/PQ"] < 95
    assert evaluate(samples, dataset.metainfo) == by_json


def test_the_log_shows_a_table_in_percent_and_a_dash_for_what_does_not_occur(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    logger = MMLogger.get_instance(tmp_path.name)  # and so the current one
    logger.addHandler(caplog.handler)
    scene = scenes.Scene(
        np.array([[5, 5]], np.int32),
        [{"id": 5, "category_id": 7, "iscrowd": 0, "area": 2}],
        np.array([[1, 1]]),
        [{"id": 1, "category_id": 7}],
    )
    ann_file = write_truth(tmp_path, [scene])
    numbers = evaluate([sample_of(scene, 100)], META, ann_file=str(ann_file), classwise=True, prefix="val")
    assert numbers["val/PQ"] == numbers["val/PQ_th"] == numbers["val/person_PQ"] == 100
    assert np.isnan([numbers["val/PQ_st"], numbers["val/SQ_st"], numbers["val/RQ_st"]]).all()
    assert "val/car_PQ" not in numbers
    rows = [line.replace(" ", "") for line in caplog.text.splitlines()]
    for row in (
        "|things|100.00|100.00|100.00|1|",
        "|stuff|-|-|-|0|",
        "|person|100.00|100.00|100.00|1|0|0|",
        "|car|-|-|-|0|0|0|",
    ):
        assert row in rows


def test_class_0_can_be_stuff_and_is_not_void(tmp_path: Path) -> None:
    # mmdet encodes stuff of class 0 as 0, which is VOID in a PNG.
    categories = [{"id": 4, "name": "wall", "isthing": 0}]
    (tmp_path / "t").mkdir()
    scenes.write_panoptic_png(np.full((2, 2), 9), tmp_path / "t" / "a.png")
    annotation = {"image_id": 1, "file_name": "a.png", "segments_info": [{"id": 9, "category_id": 4}]}
    images = [{"id": 1, "file_name": "a.jpg", "height": 2, "width": 2}]
    content = {"images": images, "categories": categories, "annotations": [annotation]}
    (tmp_path / "t.json").write_text(json.dumps(content))
    sample = BaseDataElement(
        metainfo={"img_id": 1}, pred_panoptic_seg=PixelData(sem_seg=torch.zeros(1, 2, 2, dtype=torch.int64))
    )
    numbers = evaluate([sample], meta_of(categories), ann_file=str(tmp_path / "t.json"), out_dir=tmp_path / "out")
    assert numbers["coco_panoptic/PQ_st"] == 100
    assert read_panoptic_png(tmp_path / "out" / "panoptic" / "a.png").tolist() == [[1, 1], [1, 1]]


def test_format_only_writes_predictions_for_images_without_truth(tmp_path: Path) -> None:
    scene = random_scene(5)
    content = {
        "images": [{"id": 100, "file_name": "sub/a.jpg", "height": 9, "width": 9}],
        "categories": scenes.CATEGORIES,
    }
    (tmp_path / "test-dev.json").write_text(json.dumps(content))
    options = dict(ann_file=str(tmp_path / "test-dev.json"), out_dir=str(tmp_path / "out"), format_only=True)
    assert evaluate([sample_of(scene, 100)], META, **options) == {}
    (annotation,) = json.loads((tmp_path / "out" / "panoptic.json").read_text())["annotations"]
    assert (annotation["image_id"], annotation["file_name"]) == (100, "sub/a.png")
    pixels = read_panoptic_png(tmp_path / "out" / "panoptic" / "sub" / "a.png")
    categories = {info["id"]: info["category_id"] for info in annotation["segments_info"]} | {0: 0}
    expected = {info["id"]: info["category_id"] for info in scene.prediction_info} | {0: 0}
    assert np.array_equal(
        np.vectorize(categories.get)(pixels), np.vectorize(expected.get)(scene.prediction)
    )  # every pixel has the category that was predicted
    assert len(np.unique(pixels)) == len(np.unique(scene.prediction))


@pytest.mark.parametrize(
    ("meta", "message"),
    [
        ({"classes": META["classes"]}, "metainfo has no thing_classes"),
        ({**META, "stuff_classes": ("sky",)}, r"2 thing_classes and 1 stuff_classes for 4 classes.*at odds: 'grass'"),
        ({**META, "thing_classes": ("person", "car", "sky")}, "at odds: 'sky'"),
        ({**META, "thing_classes": ("person", "cat")}, "at odds: 'car', 'cat'"),
        (
            {**META, "classes": [str(i) for i in range(1000)]},
            "the data set has 1000 classes, but panoptic output",
        ),
    ],
)
def test_metainfo_that_does_not_add_up_is_an_error_before_any_image(meta: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        PanopticQualityMetric().dataset_meta = meta


def test_options_that_need_each_other_are_asked_for() -> None:
    with pytest.raises(ValueError, match="out_dir needs ann_file"):
        PanopticQualityMetric(out_dir="out")
    with pytest.raises(ValueError, match="format_only=True needs out_dir"):
        PanopticQualityMetric(ann_file="a.json", format_only=True)


def test_a_sample_without_prediction_or_truth_says_what_is_missing(tmp_path: Path) -> None:
    scene = random_scene(5)
    ann_file = str(write_truth(tmp_path, [scene]))
    with pytest.raises(UserError, match=r"prediction for images/100\.jpg has no pred_panoptic_seg.*panoptic_on=True"):
        evaluate([BaseDataElement(metainfo=dict(img_id=100, img_path="images/100.jpg"))], META, ann_file=ann_file)
    with pytest.raises(UserError, match=r"100\.jpg has no segments_info and no seg_map_path.*ann_file.*meta_keys"):
        evaluate([sample_of(scene, 100)], META)
    with pytest.raises(UserError, match=r"truth\.json has no image with the id 7"):
        evaluate([sample_of(scene, 7)], META, ann_file=ann_file)


def test_a_prediction_at_another_size_or_of_another_class_count_is_named(tmp_path: Path) -> None:
    scene = random_scene(5)
    ann_file = str(write_truth(tmp_path, [scene]))
    sample = sample_of(scene, 100)
    sample.pred_panoptic_seg = PixelData(sem_seg=sample.pred_panoptic_seg.sem_seg[:, 1:])
    with pytest.raises(UserError, match=r"images/100\.jpg has the size .*truth/100\.png has"):
        evaluate([sample], META, ann_file=ann_file)
    sample.pred_panoptic_seg = PixelData(sem_seg=torch.full((1, *scene.truth.shape), 1133))
    with pytest.raises(UserError, match=r"images/100\.jpg: label 133; expected 0\.\.3 \(4 classes\) or VOID"):
        evaluate([sample], META, ann_file=ann_file)


@pytest.mark.parametrize("by_json", [True, False])
def test_images_of_two_data_sets_that_would_share_their_truth_are_refused(tmp_path: Path, by_json: bool) -> None:
    scene = random_scene(5)
    ann_file = write_truth(tmp_path, [scene])
    options = dict(ann_file=str(ann_file)) if by_json else dict(seg_prefix=str(tmp_path / "truth"))
    labels = [scenes.CLASS_OF[info["category_id"]] for info in scene.truth_info]
    infos = [dict(id=i["id"], category=c, is_thing=bool(scenes.THINGS[c])) for i, c in zip(scene.truth_info, labels)]
    samples = [sample_of(scene, 100) for _ in range(2)]
    for folder, sample in zip("ab", samples):
        paths = dict(img_path=f"{folder}/100.jpg", seg_map_path=f"{folder}/100.png")
        sample.set_metainfo(dict(segments_info=infos, **paths))
    with pytest.raises(UserError, match=r"a/100\.(jpg|png) and b/100\.(jpg|png) have the same truth, that of '?100"):
        evaluate(samples, META, **options)
    evaluate([samples[0], samples[0]], META, **options)  # as a sampler fills up the last rank
