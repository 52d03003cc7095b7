"""PQ^St of label maps, beside IoUMetric and up to 847 classes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.evaluator import Evaluator
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from panoptic_scenes import panopticapi_counts

from mmmaskformer.coco.panoptic_png import write_panoptic_png
from mmmaskformer.errors import UserError


def label_maps(num_classes: int, images: int = 4, void: int = 255) -> list[tuple[np.ndarray, np.ndarray]]:
    """Truths of blocks with void between them, and predictions that are shifted and wrong in places."""
    rng = np.random.default_rng(0)
    pairs = []
    for _ in range(images):
        palette = rng.choice(num_classes, 6, replace=False)
        truth = palette[rng.integers(0, 6, (5, 6))].repeat(8, 0).repeat(8, 1)
        predicted = np.roll(truth, rng.integers(-2, 3, 2), (0, 1))
        predicted[predicted == palette[0]] = palette[1]
        predicted[:3, :20] = rng.integers(num_classes)
        truth[rng.integers(30) :][:6] = void
        pairs.append((predicted, truth))
    return pairs


def seg_sample(predicted: np.ndarray, truth: np.ndarray) -> SegDataSample:
    sample = SegDataSample(metainfo={"img_path": "images/a.jpg"})
    sample.pred_sem_seg = PixelData(data=torch.from_numpy(predicted)[None])
    sample.gt_sem_seg = PixelData(data=torch.from_numpy(truth)[None])
    return sample


def evaluate(samples: list, num_classes: int, *others: dict, **options) -> dict[str, float]:
    evaluator = Evaluator([dict(type="mmmaskformer.SemanticPQMetric", **options), *others])
    evaluator.dataset_meta = {"classes": [f"c{i}" for i in range(num_classes)]}
    for sample in samples:
        evaluator.process([sample], {})
    return evaluator.evaluate(len(samples))


@pytest.mark.parametrize(("num_classes", "void"), [(20, 255), (847, 65535)])
def test_numbers_equal_panopticapis_where_every_class_is_one_stuff_segment(
    num_classes: int, void: int, tmp_path: Path
) -> None:
    pytest.importorskip("panopticapi", reason="pip install --no-deps panopticapi-lite==0.2.0")
    maps, annotations = label_maps(num_classes, void=void), []
    for number, (predicted, truth) in enumerate(maps):
        pair = []
        for folder, labels in (("truth", truth), ("panoptic", predicted)):
            ids = np.where(labels == void, 0, labels + 1)
            write_panoptic_png(ids, tmp_path / folder / f"{number}.png")
            infos = [
                {"id": int(i), "category_id": int(i) - 1, "iscrowd": 0, "area": int((ids == i).sum())}
                for i in np.unique(ids)
                if i
            ]
            pair.append({"image_id": number, "file_name": f"{number}.png", "segments_info": infos})
        annotations.append(tuple(pair))
    categories = [{"id": i, "name": f"c{i}", "isthing": 0} for i in range(num_classes)]
    theirs = panopticapi_counts(tmp_path, annotations, categories)
    expected, of_classes = theirs.pq_average({c["id"]: c for c in categories}, isthing=False)
    assert 0.05 < expected["pq"] < 0.95

    samples = [seg_sample(*pair) for pair in maps]
    numbers = evaluate(samples, num_classes, ignore_index=void, classwise=True)
    for what in ("pq", "sq", "rq"):
        assert numbers[f"{what.upper()}_st"] / 100 == pytest.approx(expected[what], rel=0, abs=1e-12)
        for label, row in of_classes.items():
            number = numbers.get(f"c{label}_{what.upper()}", 0.0)
            assert number / 100 == pytest.approx(row[what], rel=0, abs=1e-12)


def test_it_stands_beside_iou_metric_and_changes_none_of_its_numbers() -> None:
    samples = [seg_sample(*pair) for pair in label_maps(20)]
    iou = dict(type="mmseg.IoUMetric", iou_metrics=["mIoU"])
    numbers = evaluate(samples, 20, iou)
    assert list(numbers) == ["PQ_st", "SQ_st", "RQ_st", "aAcc", "mIoU", "mAcc"]
    alone = Evaluator(iou)
    alone.dataset_meta = {"classes": [f"c{i}" for i in range(20)]}
    for sample in samples:
        alone.process([sample], {})
    assert alone.evaluate(len(samples)).items() <= numbers.items()


def test_two_classes_by_hand() -> None:
    truth, predicted = np.zeros((1, 10), int), np.zeros((1, 10), int)
    truth[0, 6:], predicted[0, 9:] = 1, 1
    numbers = evaluate([seg_sample(predicted, truth)], 3, classwise=True)
    # Class 0: IoU 6/9, a match. Class 1: IoU 1/4, so missed and invented. Class 2 does not occur.
    expected = {"PQ_st": 100 / 3, "SQ_st": 100 / 3, "RQ_st": 50.0, "c0_PQ": 200 / 3, "c0_SQ": 200 / 3, "c0_RQ": 100.0}
    assert numbers == pytest.approx({**expected, "c1_PQ": 0.0, "c1_SQ": 0.0, "c1_RQ": 0.0})


def test_mmdets_samples_give_the_same_as_mmsegs() -> None:
    maps = label_maps(20)
    samples = []
    for predicted, truth in maps:
        sample = DetDataSample(metainfo={"img_path": "images/a.jpg"})
        sample.pred_sem_seg = PixelData(sem_seg=torch.from_numpy(predicted)[None])
        sample.gt_sem_seg = PixelData(sem_seg=torch.from_numpy(truth)[None])
        samples.append(sample)
    assert evaluate(samples, 20) == evaluate([seg_sample(*pair) for pair in maps], 20)


def test_an_image_of_nothing_but_void_adds_nothing() -> None:
    predicted, truth = label_maps(20, images=1)[0]
    void = np.full_like(truth, 255)
    one = evaluate([seg_sample(predicted, truth)], 20)
    assert evaluate([seg_sample(predicted, truth), seg_sample(predicted, void)], 20) == one
    assert np.isnan(list(evaluate([seg_sample(predicted, void)], 20).values())).all()


def test_labels_that_are_no_class_are_named() -> None:
    truth = np.zeros((4, 4), int)
    with pytest.raises(UserError, match=r"gt_sem_seg of images/a\.jpg: label 7; expected 0\.\.2 \(3 classes\)"):
        evaluate([seg_sample(truth, truth + 7)], 3)
    with pytest.raises(UserError, match=r"pred_sem_seg of images/a\.jpg: label 3; expected 0\.\.2"):
        evaluate([seg_sample(truth + 3, truth)], 3)


def test_an_ignore_index_that_is_a_class_is_refused_before_any_image() -> None:
    with pytest.raises(UserError, match="ignore_index=255 is one of the 847 classes"):
        evaluate([], 847)


def test_a_sample_without_truth_says_so() -> None:
    sample = SegDataSample(metainfo={"img_path": "images/a.jpg"})
    sample.pred_sem_seg = PixelData(data=torch.zeros(1, 4, 4, dtype=torch.int64))
    with pytest.raises(UserError, match=r"gt_sem_seg of images/a\.jpg is missing"):
        evaluate([sample], 3)
