"""What can be wrong in a panoptic json is named with the file, the value and what was expected."""

import pytest
from panoptic_files import CROWD, META, PERSON, SKY, write_dataset

from mmmaskformer.datasets.panoptic_json import (
    annotations_by_image,
    check_class_lists,
    labels_of_categories,
    read_panoptic_json,
)
from mmmaskformer.errors import UserError


@pytest.fixture
def panoptic(tmp_path):
    return read_panoptic_json(str(write_dataset(tmp_path / "data") / "panoptic.json"))


def test_a_good_file_gives_labels_and_segments(panoptic):
    check_class_lists(META, "Owner")
    assert labels_of_categories(panoptic, META, "a.json") == {7: 0, 3: 1, 92: 2}
    found = annotations_by_image(panoptic, "a.json")
    assert list(found) == [3, 8] and [s["id"] for s in found[3]["segments_info"]][-2:] == [CROWD, SKY]


@pytest.mark.parametrize(
    "content, message",
    [
        (None, r"does not exist"),
        ('{"images": [', r"cannot be read: "),
        ("[]", r"is no panoptic json: it has no images and no categories"),
        ('{"images": [], "annotations": []}', r"it has no categories"),
        (
            '{"images": [], "categories": [], "annotations": [{"id": 1, "bbox": []}]}',
            r"annotations have \['bbox', 'id'\] and no segments_info; is it the one of instances",
        ),
    ],
    ids=["missing", "cut", "list", "no categories", "instances"],
)
def test_a_file_that_is_no_panoptic_json_is_refused(tmp_path, content, message):
    path = tmp_path / "a.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UserError, match=rf"a\.json.*{message}"):
        read_panoptic_json(str(path))


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
        (lambda c: c.append({"id": 1, "name": "cars", "isthing": 1}), r"'cars' \(1 of 4\) are none .* mean car\?"),
        (lambda c: c.pop(), r" \(person, car\); set metainfo=dict\(classes=\.\.\.\)"),
        (lambda c: c.reverse(), r"another order than metainfo\.classes \(they differ at 0: 'sky' is not 'person'\)"),
        (lambda c: c[1].update(isthing=0), r"category 'car' is stuff there but thing in metainfo"),
        (lambda c: c[2].update(isthing=1), r"category 'sky' is thing there but stuff in metainfo"),
    ],
    ids=["foreign", "absent", "order", "thing as stuff", "stuff as thing"],
)
def test_categories_that_are_not_the_classes_are_refused(panoptic, change, message):
    change(panoptic["categories"])
    with pytest.raises(UserError, match=rf"a\.json.*{message}"):
        labels_of_categories(panoptic, META, "a.json")


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda a: a[0].update(image_id=99), r"an annotation is of image_id 99, which is not among its images"),
        (lambda a: a[1].update(image_id=3), r"two annotations of image 3\.jpg"),
        (lambda a: a.pop(), r"1 of 2 images have no annotation, the first: 8\.jpg"),
        (lambda a: a[0]["segments_info"][1].update(id=PERSON), r"image 3\.jpg has two segments with id 70000"),
        (lambda a: a[0]["segments_info"][1].update(id=0), r"image 3\.jpg has a segment with id 0; .*0 is void"),
        (
            lambda a: a[0]["segments_info"][1].update(id=256**3),
            r"image 3\.jpg has a segment with id 16777216; ids are 1",
        ),
        (lambda a: a[1]["segments_info"][2].update(category_id=5), r"image 8\.jpg: segment 5 has category_id 5, which"),
        (lambda a: a[1]["segments_info"][2].pop("bbox"), r"image 8\.jpg has a segment without bbox"),
    ],
)
def test_annotations_that_do_not_fit_are_refused(panoptic, change, message):
    change(panoptic["annotations"])
    with pytest.raises(UserError, match=rf"a\.json: {message}"):
        annotations_by_image(panoptic, "a.json")


def test_a_file_without_annotations_has_none(tmp_path):
    folder = write_dataset(tmp_path / "data", lambda panoptic: panoptic.pop("annotations"))
    panoptic = read_panoptic_json(str(folder / "panoptic.json"))
    assert annotations_by_image(panoptic, "a.json") == {}
