import numpy as np
import pytest
from mmcv.transforms import LoadImageFromFile
from PIL import Image

from mmmaskformer.visualization import (
    distinct_palette,
    draw_overlay,
    draw_panels,
    legend_entries,
    paint,
    read_picture,
    write_png,
)
from mmmaskformer.visualization.legend import draw_legend, font, percent, shorten
from mmmaskformer.visualization.pictures import gallery

CLASSES = ("road", "sky", "a name so long that it does not fit into any legend of a small picture")
PALETTE = [[255, 0, 0], [0, 255, 0], [0, 0, 255]]


def test_every_class_is_painted_in_its_color_and_void_in_black() -> None:
    labels = np.array([[0, 1], [255, -1]])
    assert paint(labels, PALETTE).tolist() == [[[255, 0, 0], [0, 255, 0]], [[0, 0, 0], [0, 0, 0]]]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int64])
def test_labels_may_be_of_any_integer_type(dtype: type) -> None:
    assert paint(np.array([[2]], dtype), PALETTE).tolist() == [[[0, 0, 255]]]


def test_an_overlay_mixes_image_and_colors_and_leaves_void_as_it_is() -> None:
    image = np.full((600, 400, 3), 100, np.uint8)
    labels = np.zeros((600, 400), int)
    labels[300:] = 255
    picture = draw_overlay(image, labels, CLASSES, PALETTE, opacity=0.5)
    assert picture[0, 0].tolist() == [178, 50, 50]
    assert picture[599, 0].tolist() == [100, 100, 100]


@pytest.mark.parametrize(("height", "width"), [(1, 1), (32, 32), (128, 128), (1000, 20), (20, 1000), (512, 683)])
def test_pictures_of_any_shape_are_large_enough_for_their_text(height: int, width: int) -> None:
    image, labels = np.zeros((height, width, 3), np.uint8), np.arange(height * width).reshape(height, width) % 3
    overlay = draw_overlay(image, labels, CLASSES, PALETTE)
    panels = draw_panels(image, labels, labels, CLASSES, PALETTE)
    assert overlay.dtype == panels.dtype == np.uint8
    assert overlay.shape[1] >= 384 and panels.shape[1] >= 3 * 384
    assert overlay.shape[0] > height and panels.shape[0] > height


def test_a_small_picture_is_enlarged_with_whole_pixels() -> None:
    labels = np.indices((96, 96)).sum(0) % 2
    picture = draw_overlay(np.zeros((96, 96, 3), np.uint8), labels, CLASSES, PALETTE, opacity=1.0)
    assert (picture[:384:4, :384:4] == picture[3:384:4, 3:384:4]).all()
    assert (picture[:384:4, :384:4] == paint(labels, PALETTE)).all()


def test_a_small_photo_is_enlarged_smoothly() -> None:
    image = np.where(np.indices((96, 96)).sum(0)[..., None] % 2, 255, 0).astype(np.uint8).repeat(3, 2)
    picture = draw_overlay(image, np.full((96, 96), 255), CLASSES, PALETTE)[:384]
    assert len(np.unique(picture)) > 10


def test_panels_stand_in_order_under_their_titles() -> None:
    image = np.full((400, 400, 3), 7, np.uint8)
    truth, prediction = np.zeros((400, 400), int), np.ones((400, 400), int)
    middle = draw_panels(image, truth, prediction, CLASSES, PALETTE)[200]
    assert middle[10].tolist() == [7, 7, 7]
    assert middle[len(middle) // 2].tolist() == PALETTE[0]
    assert middle[-10].tolist() == PALETTE[1]


def test_the_legend_lists_present_classes_by_area_and_void_last() -> None:
    labels = np.array([[1, 1, 1, 0], [255, 255, 255, 255]])
    entries = legend_entries([labels], CLASSES, PALETTE, shares=True)
    assert [entry.text for entry in entries] == ["sky 38%", "road 12%", "void 50%"]
    assert [entry.color for entry in entries] == [(0, 255, 0), (255, 0, 0), (0, 0, 0)]


def test_the_legend_of_two_maps_holds_the_classes_of_both() -> None:
    entries = legend_entries([np.zeros((2, 2), int), np.ones((2, 2), int)], CLASSES, PALETTE)
    assert {entry.text for entry in entries} == {"road", "sky"}


def test_a_legend_of_very_many_classes_ends_in_the_number_left_out() -> None:
    count = 847
    names = [f"class {i}" for i in range(count)]
    entries = legend_entries([np.arange(count)[None]], names, distinct_palette(count))
    assert len(entries) == 41
    assert entries[-1].text == "and 807 more" and entries[-1].color is None


def test_a_legend_keeps_its_width_whatever_the_names() -> None:
    entries = legend_entries([np.arange(3)[None]], CLASSES, PALETTE)
    assert draw_legend(entries, 200, 14).shape[1] == 200
    assert shorten(CLASSES[2], font(14), 150).endswith("…")


def test_what_is_there_is_never_zero_percent() -> None:
    assert percent(0.0001) == "<1%"


def test_generated_colors_differ_and_repeat() -> None:
    palette = distinct_palette(60)
    assert palette == distinct_palette(60)
    assert len({tuple(color) for color in palette}) == 60


@pytest.mark.parametrize("count", [1, 3, 5, 7])
def test_a_gallery_has_no_empty_paper(count: int) -> None:
    shapes = [(40, 90), (60, 30), (50, 50)]
    panels = [(f"panel {index}", np.full((*shapes[index % 3], 3), 9, np.uint8)) for index in range(count)]
    picture = gallery(panels, 3, 80)
    assert picture.shape[1] == min(count, 3) * 80
    is_title = (picture == 255).all(-1).mean(1) > 0.4
    assert (picture[~is_title] == 9).all() and is_title.sum() < 30 * -(-count // 3)


def test_shapes_that_differ_are_named() -> None:
    image, labels = np.zeros((4, 5, 3), np.uint8), np.zeros((5, 4), int)
    with pytest.raises(ValueError, match=r"the label map is \(5, 4\) but the image is \(4, 5\)"):
        draw_overlay(image, labels, CLASSES, PALETTE)
    with pytest.raises(ValueError, match=r"the truth is \(5, 4\) but the image is \(4, 5\)"):
        draw_panels(image, labels, labels, CLASSES, PALETTE)


@pytest.mark.parametrize("opacity", [-0.1, 1.5])
def test_an_opacity_outside_0_to_1_is_refused(opacity: float) -> None:
    with pytest.raises(ValueError, match=f"opacity={opacity} must lie between 0 and 1"):
        draw_overlay(np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), int), CLASSES, PALETTE, opacity)


def test_a_picture_is_written_whole_and_alone(tmp_path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (5, 6, 3), dtype=np.uint8)
    write_png(picture, tmp_path / "new" / "a.png")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.png"]
    assert (np.asarray(Image.open(tmp_path / "new" / "a.png")) == picture).all()


@pytest.mark.parametrize("color_type", ["color", "color_ignore_orientation", "unchanged"])
def test_a_photo_is_read_as_the_model_sees_it(tmp_path, color_type):
    exif = Image.Exif()
    exif[274] = 6  # turned by 90 degrees
    ramp = np.arange(60, dtype=np.uint8)[None, :, None] * np.array([4, 2, 1], np.uint8) + np.zeros((40, 1, 1), np.uint8)
    Image.fromarray(ramp).save(tmp_path / "a.jpg", exif=exif)
    seen = LoadImageFromFile(color_type=color_type)({"img_path": str(tmp_path / "a.jpg")})["img"]
    assert np.array_equal(read_picture(tmp_path / "a.jpg", color_type), seen[..., ::-1])
