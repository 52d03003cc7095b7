"""PQ from files equals panopticapi's and hotcoco's, and that of runs."""

import json
from pathlib import Path

import numpy as np
import panoptic_scenes as scenes
import pytest
from panoptic_scenes import CATEGORY_IDS, META, random_scene, write_predictions, write_truth

from mmmaskformer.errors import UserError
from mmmaskformer.evaluation import PanopticQualityMetric
from mmmaskformer.evaluation.panoptic_files import CHUNK, count_files

EXACT = dict(rel=0, abs=1e-12)
HOTCOCO = "pip install --no-deps hotcoco (1.3; needs numpy alone)"


def write(folder: Path, chosen: list[scenes.Scene]) -> tuple[Path, Path]:
    return write_truth(folder, chosen), write_predictions(folder, chosen)


def hotcoco_rows(jsons: tuple[Path, Path]) -> tuple[np.ndarray, dict]:
    """IoU, TP, FP and FN of each category, and all results."""
    panoptic = pytest.importorskip("hotcoco.panoptic", reason=HOTCOCO)
    evaluation = panoptic.PanopticEval(*jsons)
    evaluation.evaluate()
    results = evaluation.results()
    rows = [[results["per_class"][c][name] for name in ("iou", "tp", "fp", "fn")] for c in CATEGORY_IDS]
    return np.array(rows), results


@pytest.mark.parametrize("seed", [0, 1000, 2000])
def test_numbers_of_random_files_equal_hotcocos(seed: int, tmp_path: Path) -> None:
    jsons = write(tmp_path, [random_scene(seed + n) for n in range(100)])
    rows, results = hotcoco_rows(jsons)
    found = count_files(*jsons)
    assert found.counts.values == pytest.approx(rows, **EXACT)
    for group, classes in (("All", None), ("Things", found.things), ("Stuff", ~found.things)):
        ours = found.counts.mean(classes)
        numbers = {"pq": ours.pq, "sq": ours.sq, "rq": ours.rq, "n": ours.num_classes}
        assert numbers == pytest.approx(results[group], **EXACT)


def test_twenty_thousand_segments_equal_hotcoco(tmp_path: Path) -> None:
    jsons = write(tmp_path, [scenes.crowded_scene(145, seed=1)])
    rows, results = hotcoco_rows(jsons)
    found = count_files(*jsons)
    assert np.array_equal(found.counts.values[:, 1:], rows[:, 1:])
    assert found.counts.mean().pq == pytest.approx(results["All"]["pq"], **EXACT)


def test_files_runs_and_any_number_of_threads_give_the_same(tmp_path: Path) -> None:
    chosen = [random_scene(seed) for seed in range(2 * CHUNK + 3)]
    jsons = write(tmp_path, chosen)
    metric = PanopticQualityMetric(ann_file=str(jsons[0]))
    metric.dataset_meta = META
    metric.process({}, [scenes.sample_of(scene, number).to_dict() for number, scene in enumerate(chosen, 100)])
    of_run = metric.evaluate(len(chosen))
    found = [count_files(*jsons, threads=threads) for threads in (1, 3, None)]
    assert all(np.array_equal(found[0].counts.values, other.counts.values) for other in found)
    assert found[0].classes == list(META["classes"]) and found[0].things.tolist() == [True, True, False, False]
    assert 100 * found[0].counts.mean().pq == pytest.approx(of_run["coco_panoptic/PQ"], rel=0, abs=1e-10)


def test_folders_can_be_named(tmp_path: Path) -> None:
    jsons = write(tmp_path, [random_scene(3)])
    expected = count_files(*jsons).counts.values
    (tmp_path / "truth").rename(tmp_path / "a")
    (tmp_path / "panoptic").rename(tmp_path / "b")
    with pytest.raises(UserError, match=r"panoptic/100\.png"):
        count_files(*jsons)
    assert np.array_equal(count_files(*jsons, tmp_path / "a", tmp_path / "b").counts.values, expected)


def change(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_what_is_missing_on_either_side_is_named(tmp_path: Path) -> None:
    truth, predicted = write(tmp_path, [random_scene(3), random_scene(4)])
    annotations = json.loads(predicted.read_text())["annotations"]
    change(predicted, annotations=annotations[:1])
    with pytest.raises(UserError, match=r"panoptic\.json has no annotation for 1 of 2 images .*, the first: 101\.png"):
        count_files(truth, predicted)
    change(predicted, annotations=annotations)
    change(truth, annotations=[])
    with pytest.raises(UserError, match=r"truth\.json has no annotations: there is nothing to compare"):
        count_files(truth, predicted)


def test_a_predicted_category_that_the_truth_does_not_have_is_named(tmp_path: Path) -> None:
    truth, predicted = write(tmp_path, [random_scene(3)])
    (annotation,) = json.loads(predicted.read_text())["annotations"]
    annotation["segments_info"][0]["category_id"] = 5
    change(predicted, annotations=[annotation])
    with pytest.raises(UserError, match=r"panoptic/100\.png: segment \d+ has category_id 5, which is none of the 4"):
        count_files(truth, predicted)
