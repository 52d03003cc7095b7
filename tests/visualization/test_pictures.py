import numpy as np
import pytest
from mmcv.transforms import LoadImageFromFile
from PIL import Image

from mmmaskformer.visualization import read_picture, write_png
from mmmaskformer.visualization.legend import LegendEntry, at_most, draw_legend, font, percent, shorten
from mmmaskformer.visualization.pictures import enlarge, gallery


def test_a_small_photo_is_enlarged_smoothly() -> None:
    image = np.where(np.indices((96, 96)).sum(0)[..., None] % 2, 255, 0).astype(np.uint8).repeat(3, 2)
    assert len(np.unique(enlarge(image, 4))) > 10


def test_a_legend_of_very_many_classes_ends_in_the_number_left_out() -> None:
    entries = at_most([LegendEntry((0, 0, 0), f"class {i}") for i in range(847)])
    assert len(entries) == 41
    assert entries[-1].text == "and 807 more" and entries[-1].color is None


def test_a_legend_keeps_its_width_whatever_the_names() -> None:
    name = "a name so long that it does not fit into any legend of a small picture"
    assert draw_legend([LegendEntry((9, 9, 9), name), LegendEntry(None, "short")], 200, 14).shape[1] == 200
    assert shorten(name, font(14), 150).endswith("…")


def test_what_is_there_is_never_zero_percent() -> None:
    assert percent(0.0001) == "<1%"


@pytest.mark.parametrize("count", [1, 3, 5, 7])
def test_a_gallery_has_no_empty_paper(count: int) -> None:
    shapes = [(40, 90), (60, 30), (50, 50)]
    panels = [(f"panel {index}", np.full((*shapes[index % 3], 3), 9, np.uint8)) for index in range(count)]
    picture = gallery(panels, 3, 80)
    assert picture.shape[1] == min(count, 3) * 80
    is_title = (picture == 255).all(-1).mean(1) > 0.4
    assert (picture[~is_title] == 9).all() and is_title.sum() < 30 * -(-count // 3)


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
