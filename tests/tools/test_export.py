"""export.py, test_exported.py and the serving example as users call them: the files predict what the models do."""

import re
import runpy
import sys
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path

import cv2
import numpy as np
import pytest
import segmenter
import tiny
import tiny_panoptic
from launching import run_tool
from PIL import Image
from torch import nn

from mmmaskformer.apis import MaskFormerInferencer
from mmmaskformer.errors import UserError
from mmmaskformer.export import read_exported, verification
from mmmaskformer.export.graph import graph_of

TOOLS = Path(__file__).resolve().parents[2] / "tools"
# Two stages instead of four: an exporter takes its time for every layer.
STAGES = """
model = dict(
    backbone=dict(num_stages=2, strides=(1, 2), dilations=(1, 1), out_indices=(0, 1)),
    {head}=dict(in_channels=[4, 8]{more}),
)
"""


def tool(name: str, *arguments: object) -> None:
    """A tool in this process, which has its slow imports behind it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [name, *map(str, arguments)])
        runpy.run_path(str(TOOLS / name), run_name="__main__")


@pytest.fixture(scope="module")
def semantic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with a semantic model's config, weights, data and an ONNX file for images of 64x64."""
    folder = tmp_path_factory.mktemp("semantic")
    config = segmenter.write_config(folder / "tiny.py", tiny.make_dataset(folder / "data"))
    config.write_text(f"{config.read_text()}{STAGES.format(head='decode_head', more=', strides=(4, 8)')}")
    segmenter.write_checkpoint(folder / "tiny.pth", config)
    tool("export.py", config, folder / "tiny.pth", "--size", 64, 64, "--scores", "--verify", folder / "data" / "images")
    return folder


@pytest.fixture(scope="module")
def panoptic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with a panoptic model's config, weights, data and an ONNX file for images of any size."""
    folder = tmp_path_factory.mktemp("panoptic")
    config = tiny_panoptic.write_config(folder / "tiny.py", tiny_panoptic.make_dataset(folder / "data"))
    config.write_text(f"{config.read_text()}{STAGES.format(head='panoptic_head', more='')}")
    tiny_panoptic.write_checkpoint(folder / "tiny.pth", config)
    tool("export.py", config, folder / "tiny.pth", "--out", folder / "served.onnx")
    return folder


def metrics(output: str) -> dict[str, str]:
    """Numbers of a test run's last line."""
    return dict(re.findall(r"(\S+): ([\d.]+|nan)", output.strip().splitlines()[-1].partition("]")[2])[:-2])


@pytest.mark.parametrize(
    ("kind", "model", "metric"), [("semantic", "tiny.onnx", "mIoU"), ("panoptic", "served.onnx", "coco_panoptic/PQ")]
)
def test_an_exported_model_has_the_metrics_of_the_checkpoint(
    kind: str, model: str, metric: str, request: pytest.FixtureRequest
) -> None:
    folder = request.getfixturevalue(kind)
    ours = run_tool("test.py", "tiny.py", "tiny.pth", cwd=folder)
    theirs = run_tool("test_exported.py", "tiny.py", model, cwd=folder)
    assert theirs.returncode == 0, theirs.stdout
    numbers = metrics(theirs.stdout)
    assert numbers == metrics(ours.stdout) and float(numbers[metric]) > 5


def test_a_file_takes_batches_of_any_size_and_says_what_it_holds(panoptic: Path) -> None:
    model = read_exported(panoptic / "served.onnx")
    assert model.description["classes"] == list(tiny_panoptic.CLASSES) and model.description["num_things"] == 1
    assert model.description["resize"] == {"short_side": 64, "long_side": 64}
    photos = np.random.default_rng(0).integers(0, 256, (3, 33, 101, 3), dtype=np.uint8)
    together, alone = model(photos, (50, 60)), model(photos[1:2], (50, 60))
    assert together["labels"].shape == (3, 50, 60) and together["instance_masks"].shape == (3, 5, 50, 60)
    for name, value in alone.items():
        assert np.allclose(together[name][1:2], value, atol=1e-5), name


@pytest.mark.parametrize(("kind", "model"), [("semantic", "tiny.onnx"), ("panoptic", "served.onnx")])
def test_the_serving_example_draws_what_the_inferencer_predicts(
    kind: str, model: str, request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    folder = request.getfixturevalue(kind)
    photo, out = folder / "data" / "images" / "1.png", tmp_path / "out.png"
    if kind == "panoptic":  # which is enlarged: Pillow smooths what it shrinks
        image = cv2.imread(str(photo))
        photo = tmp_path / "photo.png"
        cv2.imwrite(str(photo), image[:45, 10:52])
    tool("serving_example.py", folder / model, photo, out)
    inferencer = MaskFormerInferencer(str(folder / "tiny.py"), str(folder / "tiny.pth"), "cpu")
    result = inferencer(photo)
    void = len(inferencer.classes)
    labels = result.labels if result.panoptic is None else result.panoptic.label_map(void)
    expected = np.array([*inferencer.palette, (0, 0, 0)], np.uint8)[np.minimum(labels, void)]
    # Pillow and OpenCV do not round alike when they enlarge.
    assert (np.asarray(Image.open(out)) != expected).any(-1).mean() <= (0 if kind == "semantic" else 0.03)
    assert "pixels" in capsys.readouterr().out


@pytest.fixture(scope="module")
def program(semantic: Path) -> Iterator[Path]:
    """torch.export's file of the semantic model, for two images of 64x64."""
    out = semantic / "fixed.pt2"
    arguments = ("--format", "torch.export", "--size", 64, 64, "--batch-size", 2, "--scores", "--out", out)
    tool("export.py", semantic / "tiny.py", semantic / "tiny.pth", *arguments)
    yield out


def test_a_program_of_a_fixed_size_predicts_the_same_and_names_another_size(semantic: Path, program: Path) -> None:
    images = np.stack([cv2.imread(str(semantic / f"data/images/{i}.png"))[..., ::-1] for i in range(2)])
    onnx, fixed = read_exported(semantic / "tiny.onnx"), read_exported(program)
    found = fixed(images, (64, 64))
    assert np.array_equal(found["labels"], onnx(images, (64, 64))["labels"])
    assert found["scores"].shape == (2, 3, 64, 64)
    with pytest.raises(UserError, match="exported for images and results of 64x64 .* got images of 32x64"):
        fixed(images[:, :32], (32, 64))
    with pytest.raises(UserError, match="exported for batches of 2, got 1"):
        fixed(images[:1], (64, 64))


def fails(capsys: pytest.CaptureFixture, *arguments: object) -> str:
    """The one line with which a tool ends with status 2."""
    with pytest.raises(SystemExit) as ended:
        tool(*arguments)
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    return line


@pytest.fixture(scope="module")
def twin(panoptic: Path) -> MaskFormerInferencer:
    """The panoptic model in PyTorch, of the same weights as its file."""
    return MaskFormerInferencer(str(panoptic / "tiny.py"), str(panoptic / "tiny.pth"), "cpu")


def swap_stuff(head: nn.Module) -> None:
    """The two classes of stuff: the same segments in the same order, and every one of another class."""
    for value in head.class_embed.parameters():
        value.data[[1, 2]] = value.data[[2, 1]]


def sharpen(head: nn.Module) -> None:
    """The same classes with other scores."""
    for value in head.class_embed.parameters():
        value.data *= 1.05


@pytest.mark.parametrize(
    ("tamper", "words"),
    [
        (None, None),
        (
            swap_stuff,
            r"panoptic map differs .*png: \d+ pixels belong to segment \d \('(left|right)'\) in place of",
        ),
        (sharpen, "scores differ from PyTorch's by up to"),
    ],
)
def test_a_file_of_another_model_is_told_by_classes_and_scores(
    panoptic: Path, twin: MaskFormerInferencer, tamper: Callable | None, words: str | None
) -> None:
    images = sorted((panoptic / "data" / "images").iterdir())
    before = deepcopy(twin.model.state_dict())
    if tamper is not None:
        tamper(twin.model.panoptic_head)
    differences = verification.verify(twin, panoptic / "served.onnx", images, graph_of(twin.model))
    twin.model.load_state_dict(before)
    assert set(differences) == {"label map", "panoptic map", "instance masks"}
    if words is None:
        verification.check_differences(differences)
        assert 0 < differences["panoptic map"].score + differences["instance masks"].score < 1e-4
        assert differences["instance masks"].pixels >= 64 * 64
    else:
        differences.pop("label map")
        with pytest.raises(UserError, match=words):
            verification.check_differences(differences)


def test_class_scores_are_compared_where_the_file_has_them(semantic: Path) -> None:
    inferencer = MaskFormerInferencer(str(semantic / "tiny.py"), str(semantic / "tiny.pth"), "cpu")
    images = sorted((semantic / "data" / "images").iterdir())[:2]
    graph = graph_of(inferencer.model, scores=True)
    differences = verification.verify(inferencer, semantic / "tiny.onnx", images, graph)
    assert set(differences) == {"label map", "class scores"} and differences["class scores"].score < 1e-4
    sharpen(graph.head)
    differences = verification.verify(inferencer, semantic / "tiny.onnx", images, graph)
    with pytest.raises(UserError, match="the exported model's class scores: scores differ from PyTorch's by up to"):
        verification.check_differences({"class scores": differences["class scores"]})


def test_a_model_that_differs_is_not_written(
    semantic: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(verification, "TOLERANCE", -1.0)
    fixed = ("--format", "torch.export", "--size", 64, 64, "--out", tmp_path / "out.pt2")
    images = semantic / "data" / "images"
    line = fails(capsys, "export.py", semantic / "tiny.py", semantic / "tiny.pth", *fixed, "--verify", images)
    assert "the exported model's label map differs from PyTorch's in 0 of 16384 pixels, more than" in line
    assert not list(tmp_path.iterdir())


def test_absent_packages_name_the_extra(
    semantic: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    line = fails(capsys, "export.py", semantic / "tiny.py", semantic / "tiny.pth", "--out", tmp_path / "out.onnx")
    assert line == "error: onnxscript is not installed; ONNX needs the extra: pip install 'mmmaskformer[export]'"


def test_users_mistakes_are_named(
    semantic: Path, panoptic: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    config, checkpoint, onnx = semantic / "tiny.py", semantic / "tiny.pth", semantic / "tiny.onnx"
    (tmp_path / "half.onnx").write_bytes(onnx.read_bytes()[:1000])
    assert "half.onnx is not an ONNX model" in fails(capsys, "test_exported.py", config, tmp_path / "half.onnx")
    assert "none.onnx does not exist" in fails(capsys, "test_exported.py", config, tmp_path / "none.onnx")
    line = fails(capsys, "test_exported.py", panoptic / "tiny.py", onnx)
    assert "gives labels, scores, but the config evaluates panoptic output: export it with --outputs" in line
    line = fails(capsys, "export.py", config, checkpoint, "--outputs", "panoptic", "--out", tmp_path / "out.onnx")
    assert "panoptic output needs a model with a panoptic_head" in line
    assert "is a folder, must be a file" in fails(capsys, "export.py", config, checkpoint, "--out", tmp_path)
    for read in (checkpoint, config):
        assert f"--out {read} is the file" in fails(capsys, "export.py", config, checkpoint, "--out", read)
    line = fails(capsys, "export.py", config, panoptic / "tiny.pth", "--out", tmp_path / "out.onnx")
    assert "checkpoint" in line and sorted(path.name for path in tmp_path.iterdir()) == ["half.onnx"]
