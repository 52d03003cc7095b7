"""PQ equals panopticapi's; where it must differ, by what was decided."""

import tracemalloc
from pathlib import Path

import msgspec
import numpy as np
import panoptic_scenes as scenes
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from panoptic_scenes import CATEGORIES, CATEGORY_IDS, CLASS_OF, THINGS, Scene, panopticapi_counts_of_scene

from mmmaskformer.coco.annotations import segment_map
from mmmaskformer.coco.panoptic_json import Segment
from mmmaskformer.errors import UserError
from mmmaskformer.evaluation import PanopticCounts, count_matches
from mmmaskformer.evaluation.overlaps import Overlaps, overlaps
from mmmaskformer.segments import SegmentMap

EXACT = dict(rel=0, abs=1e-12)


@st.composite
def pairs(draw: st.DrawFn) -> Scene:
    return scenes.make_scene(lambda n: draw(st.integers(0, n - 1)))


def as_segments(infos: list[dict]) -> list[Segment]:
    return msgspec.convert(infos, list[Segment])


def maps_of(scene: Scene) -> tuple[SegmentMap, SegmentMap]:
    return (
        segment_map(scene.prediction, as_segments(scene.prediction_info), CLASS_OF, THINGS, "prediction.png"),
        segment_map(scene.truth, as_segments(scene.truth_info), CLASS_OF, THINGS, "truth.png"),
    )


def counts_of(scene: Scene) -> PanopticCounts:
    return count_matches(*maps_of(scene), len(CATEGORIES))


def segments(pixels: list, labels: list[int], crowd: list[int] | None = None) -> SegmentMap:
    """A map of one row whose segments are numbered from 1."""
    is_thing = [False] * len(labels)
    return SegmentMap.from_values(np.array([pixels]), range(1, len(labels) + 1), labels, is_thing, crowd=crowd)


def assert_equal_to_panopticapi(counts: PanopticCounts, theirs) -> None:
    """All counts, and all averages wherever panopticapi does not divide by zero."""
    of_classes = [theirs[category] for category in CATEGORY_IDS]
    assert counts.values == pytest.approx(np.array([[c.iou, c.tp, c.fp, c.fn] for c in of_classes]), **EXACT)
    by_id = {category["id"]: category for category in CATEGORIES}
    for isthing, classes in ((None, None), (True, THINGS), (False, ~THINGS)):
        ours = counts.mean(classes)
        if ours.num_classes == 0:
            assert np.isnan([ours.pq, ours.sq, ours.rq]).all()
            with pytest.raises(ZeroDivisionError):
                theirs.pq_average(by_id, isthing)
            continue
        expected, of_each = theirs.pq_average(by_id, isthing)
        assert {"pq": ours.pq, "sq": ours.sq, "rq": ours.rq, "n": ours.num_classes} == pytest.approx(expected, **EXACT)
        for category, numbers in of_each.items():
            row = counts.per_class()[CLASS_OF[category]].tolist()
            assert row == pytest.approx([numbers["pq"], numbers["sq"], numbers["rq"]], **EXACT)


def dense(shared: Overlaps) -> np.ndarray:
    """(P+1, T+1) pixels of all pairs."""
    table = np.zeros((len(shared.predicted_areas), len(shared.true_areas)))
    table[shared.predicted, shared.true] = shared.pixels
    return table


def is_split(scene: Scene) -> bool:
    """Whether two predicted segments share a true segment of their class."""
    predicted, true = maps_of(scene)
    touches = dense(overlaps(predicted, true))[1:, 1:] > 0
    return bool(((touches & (predicted.labels[:, None] == true.labels)).sum(0) >= 2).any())


def test_five_hundred_random_pairs_equal_panopticapi_alone_and_added_up(tmp_path: Path) -> None:
    pytest.importorskip("panopticapi", reason="pip install --no-deps panopticapi-lite==0.2.0")
    from panopticapi.evaluation import PQStat

    seen = dict.fromkeys(("crowd", "void", "missed", "invented", "matched", "split"), 0)
    total, their_total = PanopticCounts.zeros(len(CATEGORIES)), PQStat()

    @settings(
        max_examples=500,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(pairs())
    def compare(scene: Scene) -> None:
        nonlocal total, their_total
        counts, theirs = counts_of(scene), panopticapi_counts_of_scene(tmp_path, scene)
        assert_equal_to_panopticapi(counts, theirs)
        total, their_total = total + counts, their_total.__iadd__(theirs)
        _, tp, fp, fn = counts.values.sum(0)
        for kind, found in (
            ("crowd", any(info["iscrowd"] for info in scene.truth_info)),
            ("void", (scene.truth == 0).any()),
            ("missed", fn),
            ("invented", fp),
            ("matched", tp),
            ("split", is_split(scene)),
        ):
            seen[kind] += bool(found)

    compare()
    assert_equal_to_panopticapi(total, their_total)
    assert min(seen.values()) >= 100, f"the pairs lack what they are for: {seen}"


@pytest.mark.parametrize("empty", [("prediction",), ("truth",), ("prediction", "truth")], ids=" and ".join)
def test_a_map_of_nothing_but_void_equals_panopticapi(empty: tuple[str, ...], tmp_path: Path) -> None:
    pytest.importorskip("panopticapi", reason="pip install --no-deps panopticapi-lite==0.2.0")
    scene = scenes.random_scene(5)
    for side in empty:
        setattr(scene, side, np.zeros_like(scene.truth))
        setattr(scene, f"{side}_info", [])
    assert_equal_to_panopticapi(counts_of(scene), panopticapi_counts_of_scene(tmp_path, scene))


def test_a_perfect_prediction_has_pq_1() -> None:
    scene = scenes.random_scene(3)
    perfect = Scene(scene.truth, scene.truth_info, scene.truth, scene.truth_info)
    counts = counts_of(perfect)
    assert counts.mean().pq == counts.mean().sq == counts.mean().rq == 1
    assert counts.values[:, 1].sum() == sum(not info["iscrowd"] for info in scene.truth_info)


def test_the_numbers_and_the_order_of_segments_do_not_matter() -> None:
    scene = scenes.random_scene(5)
    other = Scene(
        scene.truth,
        scene.truth_info[::-1],
        np.where(scene.prediction, 10_000 - 3 * scene.prediction, 0),
        [{**info, "id": 10_000 - 3 * info["id"]} for info in scene.prediction_info[::-1]],
    )
    assert counts_of(other).values == pytest.approx(counts_of(scene).values, **EXACT)


def test_every_memory_layout_and_integer_type_counts_the_same() -> None:
    scene = scenes.random_scene(5)
    expected = counts_of(scene).values
    for convert in (np.asfortranarray, lambda x: x.astype(np.uint32), lambda x: x.repeat(2, 1)[:, ::2]):
        changed = Scene(convert(scene.truth), scene.truth_info, convert(scene.prediction), scene.prediction_info)
        assert np.array_equal(counts_of(changed).values, expected)


def test_all_crowds_of_a_class_excuse_a_prediction_not_just_the_last_one() -> None:
    # A prediction over two crowds of its class, each of them two fifths of it: four fifths lie in crowds.
    predicted = segments([1, 1, 1, 1, 1], labels=[0])
    true = segments([1, 1, 2, 2, 3], labels=[0, 0, 1], crowd=[1, 1, 0])
    assert count_matches(predicted, true, 2).values.tolist() == [[0, 0, 0, 0], [0, 0, 0, 1]]
    other_class = segments([1, 1, 2, 2, 3], labels=[0, 1, 1], crowd=[1, 1, 0])
    assert count_matches(predicted, other_class, 2).values[0].tolist() == [0, 0, 1, 0]


def test_half_in_void_is_still_a_false_positive_and_more_is_not() -> None:
    predicted = segments([1, 1, 1, 1, 0], labels=[0])
    assert count_matches(predicted, segments([0, 0, 1, 1, 1], labels=[1]), 2).values[0].tolist() == [0, 0, 1, 0]
    assert count_matches(predicted, segments([0, 0, 0, 1, 1], labels=[1]), 2).values[0].tolist() == [0, 0, 0, 0]


def test_an_iou_of_one_half_is_no_match_and_void_is_left_out_of_it() -> None:
    assert count_matches(segments([1, 1], [0]), segments([1, 2], [0, 1]), 2).values[0].tolist() == [0, 0, 1, 1]
    assert count_matches(segments([1, 1], [0]), segments([1, 0], [0]), 1).values[0].tolist() == [1, 1, 0, 0]


def test_a_group_without_a_segment_is_nan_and_the_others_keep_their_numbers() -> None:
    counts = count_matches(segments([1, 1], [0]), segments([1, 1], [0]), 3)
    things = np.array([True, True, False])
    assert np.isnan([counts.mean(~things).pq, counts.mean(~things).sq, counts.mean(~things).rq]).all()
    assert counts.mean(~things).num_classes == 0
    assert (counts.mean().pq, counts.mean(things).pq, counts.mean(things).num_classes) == (1, 1, 1)


def test_packed_counts_of_images_add_up_and_hold_only_classes_that_occur() -> None:
    images = [counts_of(scenes.random_scene(seed)) for seed in range(20)]
    packed = [counts.pack() for counts in images]
    assert [len(rows) for rows in packed] == [int(counts.present.sum()) for counts in images]
    total = sum(images, PanopticCounts.zeros(len(CATEGORIES)))
    assert PanopticCounts.unpack(packed, len(CATEGORIES)).values == pytest.approx(total.values, **EXACT)


@pytest.mark.parametrize("count", [300, 1_000])
def test_overlaps_of_many_segments_are_those_counted_pixel_by_pixel(count: int) -> None:
    rng = np.random.default_rng(0)
    maps, places = [], []
    for segments in (count, 40):
        place = rng.permutation(np.arange(60 * 70) % (segments + 1)).reshape(60, 70)
        ids = np.append(0, rng.choice(np.arange(1, 256**3), segments, replace=False))
        none = np.zeros(segments, int)
        maps.append(SegmentMap.from_values(ids[place], ids[1:], none, none))
        places.append(place)
    expected = np.zeros((count + 1, 41))
    np.add.at(expected, tuple(places), 1)
    assert np.array_equal(dense(overlaps(*maps)), expected)


def test_many_segments_equal_panopticapi_in_little_memory(tmp_path: Path) -> None:
    pytest.importorskip("panopticapi", reason="pip install --no-deps panopticapi-lite==0.2.0")
    scene = scenes.crowded_scene(145, seed=0)
    assert min(len(scene.truth_info), len(scene.prediction_info)) > 20_000
    theirs = panopticapi_counts_of_scene(tmp_path, scene)
    maps = maps_of(scene)
    tracemalloc.start()
    counts = count_matches(*maps, len(CATEGORIES))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 60e6
    # A sum of 10,000 numbers is exact to fewer digits than a mean.
    assert counts.values[:, 1:].tolist() == [[c.tp, c.fp, c.fn] for c in (theirs[i] for i in CATEGORY_IDS)]
    for isthing, classes in ((None, None), (True, THINGS), (False, ~THINGS)):
        expected, _ = theirs.pq_average({category["id"]: category for category in CATEGORIES}, isthing)
        ours = counts.mean(classes)
        assert [ours.pq, ours.sq, ours.rq] == pytest.approx([expected[name] for name in ("pq", "sq", "rq")], **EXACT)


def test_maps_that_cannot_be_compared_are_named() -> None:
    one, other = segments([1, 1, 2], [0, 1]), segments([1, 2], [0, 1])
    with pytest.raises(UserError, match=r"the prediction has the size \(1, 3\), but the truth has \(1, 2\)"):
        count_matches(one, other, 2)
    with pytest.raises(UserError, match=r"a\.png: label -1; expected 0\.\.1 \(2 classes\) or VOID"):
        count_matches(one, segments([1, 1, 2], [0, -1]), 2, ("b.png", "a.png"))


def test_a_label_of_a_semantic_map_that_is_no_class_is_an_error() -> None:
    labels = np.array([[0, 1, 255, 200]], np.uint8)
    true = SegmentMap.from_label_map(labels, 255)
    assert true.labels.tolist() == [0, 1, 200]
    with pytest.raises(UserError, match=r"map\.png: label 200; expected 0\.\.149"):
        count_matches(true, true, 150, ("map.png", "map.png"))
