"""What can be wrong in a panoptic json is named with the file, the value and what was expected."""

import pytest
from panoptic_files import CROWD, META, PERSON, SKY, write_dataset

from mmmaskformer.coco.panoptic_json import (
    annotations_by_image,
    check_class_lists,
    labels_of_categories,
    read_panoptic_json,
    read_panoptic_predictions,
    thing_ids,
)
from mmmaskformer.errors import UserError


@pytest.fixture
def panoptic(tmp_path):
    return read_panoptic_json(write_dataset(tmp_path / "data") / "panoptic.json")


def changed(tmp_path, change):
    return read_panoptic_json(write_dataset(tmp_path / "data", change) / "panoptic.json")


def test_a_good_file_gives_labels_and_segments(panoptic):
    check_class_lists(META, "Owner")
    assert labels_of_categories(panoptic, META, "a.json") == {7: 0, 3: 1, 92: 2}
    found = annotations_by_image(panoptic, "a.json")
    assert list(found) == [3, 8] and [segment.id for segment in found[3].segments_info][-2:] == [CROWD, SKY]
    assert thing_ids(panoptic, "a.json") == {7, 3}


@pytest.mark.parametrize(
    "content, message",
    [
        (None, r"panoptic json .*a\.json does not exist"),
        (b'{"images": [', r"panoptic json .*a\.json cannot be read: "),
        (b'{"images": [\xff]}', r"a\.json cannot be read: "),
        (b'{"info": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", r"a\.json cannot be read: maximum recursion depth"),
        (b"[]", r"a\.json is no panoptic json: it is \[\]: expected `object`, got `array`"),
        (b'{"images": [], "annotations": []}', r"it has no categories"),
        (
            b'{"images": [], "categories": [], "annotations": [{"image_id": 1, "file_name": "a", "bbox": []}]}',
            r"annotations\[0\] \(.*\) has no segments_info; is it the json of instances\?",
        ),
    ],
    ids=["missing", "cut", "encoding", "nested", "list", "no categories", "instances"],
)
def test_a_file_that_is_no_panoptic_json_is_refused(tmp_path, content, message):
    path = tmp_path / "a.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=message) as error:
        read_panoptic_json(path)
    assert len(str(error.value)) < 500


def test_a_folder_in_the_place_of_the_file_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"panoptic json .* cannot be read: Is a directory"):
        read_panoptic_json(tmp_path)


@pytest.mark.parametrize(
    "changes, message",
    [
        (dict(stuff_classes=()), r"must be the 2 of thing_classes followed by the 0 of stuff_classes;"),
        (dict(classes=("sky", "person", "car")), r"\(they differ at 0: 'sky' is not 'person'\)"),
        (dict(classes=("person", "car", "car")), r"names 'car' twice"),
        (dict(thing_classes=("person", "car", "sky")), r"the 3 of thing_classes followed by the 1 of stuff_classes"),
    ],
)
def test_things_and_stuff_that_are_not_the_classes_are_refused(changes, message):
    with pytest.raises(UserError, match=rf"Owner: metainfo\.classes .*{message}"):
        check_class_lists({**META, **changes}, "Owner")


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda c: c.append({"id": 1, "name": "cars", "isthing": True}), r"'cars' \(1 of 4\) are none .* mean car\?"),
        (lambda c: c.pop(), r" \(person, car\); set metainfo=dict\(classes=\.\.\.\)"),
        (lambda c: c.reverse(), r"another order than metainfo\.classes \(they differ at 0: 'sky' is not 'person'\)"),
        (lambda c: c[1].update(isthing=0), r"category 'car' is stuff there but thing in metainfo"),
        (lambda c: c[2].update(isthing=1), r"category 'sky' is thing there but stuff in metainfo"),
    ],
    ids=["foreign", "absent", "order", "thing as stuff", "stuff as thing"],
)
def test_categories_that_are_not_the_classes_are_refused(tmp_path, change, message):
    def categories_only(panoptic):
        panoptic["annotations"] = []
        change(panoptic["categories"])

    with pytest.raises(UserError, match=rf"a\.json.*{message}"):
        labels_of_categories(changed(tmp_path, categories_only), META, "a.json")


def test_a_file_that_does_not_say_what_is_a_thing_takes_metainfos_word(tmp_path):
    panoptic = changed(tmp_path, lambda panoptic: [category.pop("isthing") for category in panoptic["categories"]])
    assert labels_of_categories(panoptic, META, "a.json") == {7: 0, 3: 1, 92: 2}
    assert thing_ids(panoptic, "a.json", META["thing_classes"]) == {7, 3}
    with pytest.raises(UserError, match=r"a\.json: the categories 'person', 'car', 'sky' have no isthing; write 1 for"):
        thing_ids(panoptic, "a.json")


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda a: a[0].update(image_id=99), r"an annotation is of image_id 99, which is not among its images"),
        (lambda a: a[1].update(image_id=3), r"two annotations are of the image 3"),
        (lambda a: a[1].update(file_name="3.png"), r"two annotations name the PNG '3\.png'"),
        (lambda a: a[1].update(file_name="../3.png"), r"the file_name \.\./3\.png leads out of the folder"),
        (lambda a: a[0]["segments_info"][1].update(id=PERSON), r"two segments of 3\.png have the id 70000"),
        (lambda a: a[1]["segments_info"][2].update(category_id=5), r"image 8\.jpg: segment 5 has category_id 5, which"),
    ],
)
def test_annotations_that_do_not_fit_are_refused(tmp_path, change, message):
    with pytest.raises(UserError, match=rf"panoptic\.json: {message}"):
        changed(tmp_path, lambda panoptic: change(panoptic["annotations"]))


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda p: p["images"][1].pop("height"), r"images\[1\] \(\{\"id\": 8, .*\) has no height"),
        (lambda p: p["images"][1].pop("file_name"), r"images\[1\] \(.*\) has no file_name"),
        (lambda p: p["images"][1].update(height="12"), r"images\[1\]\.height is '12': expected `int`, got `str`"),
        (lambda p: p["images"][1].update(width=0), r"images\[1\]\.width is 0: expected `int` >= 1"),
        (lambda p: p["images"][1].update(file_name="a\0b"), r"images\[1\]\.file_name is 'a\\x00b': expected `str`"),
        (lambda p: p["categories"][0].pop("id"), r"categories\[0\] \(\{\"name\": \"person\".*\) has no id"),
        (lambda p: p["categories"][0].update(isthing=2), r"categories\[0\]\.isthing is 2: invalid enum value 2"),
        (lambda p: p["annotations"][0].pop("file_name"), r"annotations\[0\] \(.*\) has no file_name"),
        (lambda p: p["annotations"][0]["segments_info"][1].update(id=0), r"segments_info\[1\]\.id is 0: .* >= 1"),
        (lambda p: p["annotations"][0]["segments_info"][1].update(id=2**24), r"\[1\]\.id is 16777216: .*16777215"),
        (lambda p: p["annotations"][0]["segments_info"][1].update(bbox=[1, 2]), r"bbox is \[1, 2\]: .*length 4"),
    ],
)
def test_what_is_missing_or_of_another_type_is_named_with_its_place_and_value(tmp_path, change, message):
    with pytest.raises(UserError, match=rf"panoptic\.json is no panoptic json: .*{message}"):
        changed(tmp_path, change)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda p: p["images"][1].update(id=3), r"two images have the id 3"),
        (lambda p: p["categories"][1].update(id=7), r"two categories have the id 7"),
        (lambda p: p["categories"][1].update(name="person"), r"two categories have the name 'person'"),
    ],
)
def test_entries_that_share_an_id_or_a_name_are_refused(tmp_path, change, message):
    with pytest.raises(UserError, match=rf"panoptic\.json: {message}"):
        changed(tmp_path, change)


def test_an_image_without_annotation_among_others_is_refused(tmp_path):
    panoptic = changed(tmp_path, lambda panoptic: panoptic["annotations"].pop())
    with pytest.raises(UserError, match=r"a\.json: 1 of 2 images have no annotation, the first: 8\.jpg"):
        annotations_by_image(panoptic, "a.json")


def test_predictions_are_read_by_image(tmp_path):
    path = write_dataset(tmp_path / "data") / "panoptic.json"
    predictions = read_panoptic_predictions(path)
    assert list(predictions) == [3, 8] and predictions[8].file_name == "8.png"
    path.write_text("{}")
    with pytest.raises(UserError, match=r"is no panoptic json of predictions: it has no annotations"):
        read_panoptic_predictions(path)


def test_a_file_without_annotations_has_none(tmp_path):
    folder = write_dataset(tmp_path / "data", lambda panoptic: panoptic.pop("annotations"))
    assert annotations_by_image(read_panoptic_json(folder / "panoptic.json"), "a.json") == {}
