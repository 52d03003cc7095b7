"""What README and docs/ say of commands, configs and files is so."""

import argparse
import importlib
import re
import runpy
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from unittest.mock import patch

import pytest
import segmenter
import tiny
import torch
from doc_commands import PAGES, ROOT, Command, blocks, commands
from launching import run_tool
from mmengine.config import Config

from mmmaskformer.analysis.complexity import build_on_meta
from mmmaskformer.registry import MODELS
from mmmaskformer.runs import load_config, sync_dataset_meta
from mmmaskformer.structures import SegmentTargets

CONFIGS = ROOT / "configs"
MORE = """
test_evaluator = [_base_.val_evaluator, dict(type="mmmaskformer.SemanticPQMetric")]
tta_model = dict(type="mmmaskformer.SemanticTTAModel")
"""
PQ_ALONE = "test_evaluator = dict(_delete_=True, **_base_.test_evaluator[0])"


class Parser(Exception):
    """Ends a tool where it would read its arguments."""


@cache
def parser_of(tool: str) -> argparse.ArgumentParser:
    """The tool's own parser, from a run that ends there."""

    def end(parser: argparse.ArgumentParser, *arguments: object) -> None:
        raise Parser(parser)

    with (
        patch.object(argparse.ArgumentParser, "parse_args", end),
        patch.object(sys, "argv", [tool]),
        patch.object(sys, "path", [str((ROOT / tool).parent), *sys.path]),
        pytest.raises(Parser) as found,
    ):
        module = runpy.run_path(str(ROOT / tool), run_name="documentation")
        module["parse_args" if "parse_args" in module else "main"]()
    return found.value.args[0]


def parsed(command: Command) -> argparse.Namespace:
    """The command's arguments, as its tool reads them."""
    return parser_of(command.tool).parse_args(list(command.arguments))


@pytest.mark.parametrize("command", commands(), ids=str)
def test_a_command_in_the_documentation_is_one_that_the_tool_understands(command: Command) -> None:
    assert (ROOT / command.tool).is_file()
    for name in filter(lambda name: name.startswith(("configs/", "tests/")), command.arguments):
        assert (ROOT / name).exists()
    if command.tool.endswith(".sh"):  # reads its arguments itself; launchers count as the tool that they start
        return
    if "--help" in command.arguments:
        return
    if not command.shows_the_usage:
        parsed(command)
        return
    known = parser_of(command.tool)._option_string_actions
    assert {word.strip("[]") for word in command.arguments if word.strip("[").startswith("--")} <= known.keys()


def overriding() -> Iterator[Command]:
    """Commands that change settings of a config of ours; of several that differ in numbers alone, one."""
    seen = set()
    for command in commands():
        words = [word for word in command.arguments if "=" in word or "configs/" in word]
        key = (command.tool, *(re.sub("=[0-9.]+$", "", word) for word in words))
        if not command.shows_the_usage and "--cfg-options" in command.arguments and key not in seen:
            seen.add(key)
            yield command


@pytest.mark.parametrize("command", overriding(), ids=str)
def test_settings_that_the_documentation_changes_are_there_and_build(command: Command) -> None:
    arguments = parsed(command)
    plain, changed = load_config(arguments.config), load_config(arguments.config, arguments.cfg_options)
    for key in arguments.cfg_options:
        container, _, name = key.rpartition(".")
        owner = get(plain, container) if container else plain
        assert not container or name in owner or name.isdecimal() or "type" in owner, key
        assert get(changed, key) == arguments.cfg_options[key]
    if any(key.startswith("model.") for key in arguments.cfg_options):
        build_on_meta(changed)


def get(cfg: Config, key: str) -> object:
    """A setting by its dotted key."""
    found = cfg
    for part in key.split("."):
        found = found[int(part)] if isinstance(found, list | tuple) else found[part]
    return found


@pytest.mark.parametrize(
    ("page", "block"),
    [(page.name, block) for page in PAGES for block in blocks(page, "python") if block.startswith("_base_")],
)
def test_a_config_in_the_documentation_builds(page: str, block: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(block.replace('"./', f'"{CONFIGS}/maskformer/'))
    cfg = load_config(tmp_path / "mine.py")
    sync_dataset_meta(cfg, ("train_dataloader", "test_dataloader"))
    model = build_on_meta(cfg)
    dataset = cfg.train_dataloader.dataset
    if "metainfo" in dataset:
        assert model.decode_head.num_classes == len(dataset.metainfo.classes)
        assert dataset.pipeline and cfg.test_dataloader.dataset.type == dataset.type
        assert dataset.type in ("BaseSegDataset", "mmmaskformer.CheckedSegDataset")


# Run for real, with a model of the tests in place of the one that they name: two iterations of training, and what the
# page on evaluation shows.
RUN = [
    command
    for command in commands()
    if not command.shows_the_usage
    and command.tool in ("tools/train.py", "tools/test.py", "tools/infer.py")
    and ("train_cfg.max_iters=2" in command.arguments or command.page == "docs/evaluation.md")
]


@pytest.fixture(scope="module")
def models(trained_detector: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Path]]:
    """Config and checkpoint of a semantic and of a panoptic model, on pictures of their own."""
    folder = tmp_path_factory.mktemp("documentation")
    config = segmenter.write_config(folder / "tiny.py", tiny.make_dataset(folder / "data"))
    with config.open("a") as file:
        file.write(MORE)
    checkpoint = segmenter.write_checkpoint(folder / "tiny.pth", config)
    panoptic = folder / "panoptic.py"
    panoptic.write_text(f"_base_ = {str(trained_detector / 'tiny.py')!r}\n{PQ_ALONE}")
    return {"semantic": (config, checkpoint), "panoptic": (panoptic, trained_detector / "tiny.pth")}


@pytest.mark.parametrize("command", RUN, ids=str)
def test_a_command_in_the_documentation_runs(command: Command, models: dict, tmp_path: Path) -> None:
    config, checkpoint = models["panoptic" if any("panoptic.py" in word for word in command.arguments) else "semantic"]
    images = tiny.make_dataset(tmp_path / "data")
    replace = {
        word: str(config if word.endswith(".py") else checkpoint if word.endswith(".pth") else images / "images/0.png")
        for word in command.arguments
        if word.endswith((".py", ".pth", ".jpg"))
    }
    tool, arguments = command.tool.removeprefix("tools/"), [replace.get(word, word) for word in command.arguments]
    done = run_tool(tool, *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    for option in ("--out", "--out-dir", "--show-dir"):
        if option in arguments:
            assert list(Path(tmp_path, arguments[arguments.index(option) + 1]).rglob("*.png"))
    if tool == "train.py":
        assert (tmp_path / "work_dirs/trial/iter_2.pth").is_file() and "mIoU: " in done.stdout
    if tool == "test.py":
        assert re.search("PQ: " if config.stem == "panoptic" else "mIoU: .*PQ_st: ", done.stdout)


def test_the_page_on_data_names_every_folder_and_its_variable() -> None:
    page = (ROOT / "docs/data.md").read_text()
    defaults = {
        found
        for config in (ROOT / "configs/_base_/datasets").glob("*.py")
        for found in re.findall(r"\{\{\$(\w+):([\w./-]+)\}\}", config.read_text())
    }
    assert len(defaults) >= 8
    missing = [(name, folder) for name, folder in defaults if f"| `{folder}` | `{name}` |" not in page]
    assert not missing


def test_the_page_on_data_names_converters_that_are_there() -> None:
    named = re.findall(r"(tools/dataset_converters/\w+\.py)", (ROOT / "docs/data.md").read_text())
    assert named and all((ROOT / name).is_file() for name in named)


def test_the_pages_name_files_that_are_there() -> None:
    pages = {page: page.read_text() for page in (ROOT / "docs").glob("*.md")}
    named = {
        (page.name, path)
        for page, text in pages.items()
        for path in re.findall(r"(?<![\w/.])(?:tools|tests|configs|docs)/[\w/.-]+\.(?:py|sh|md|yml)", text)
    }
    assert len(named) > 20
    assert not [(page, path) for page, path in sorted(named) if not (ROOT / path).is_file()]


def test_the_page_on_installing_pins_what_the_scripts_and_tests_pin() -> None:
    page = (ROOT / "docs/install.md").read_text()
    files = ("pyproject.toml", "tools/setup_venv.sh", "tests/test_mim.py")
    pinned = {pin for name in files for pin in re.findall(r"[\w-]+==[\d.]+\d", (ROOT / name).read_text())}
    packages = {pin.partition("==")[0] for pin in pinned}
    said = {pin for pin in re.findall(r"[\w-]+==[\d.]+\d", page) if pin.partition("==")[0] in packages}
    assert said >= {"openmim==0.3.9", "onedl-mmengine==0.10.12"} and said <= pinned


def anchor(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def test_links_lead_to_files_and_headings_that_are_there() -> None:
    links = [(page, link) for page in PAGES for link in re.findall(r"\]\((?!https?:)([^)]+)\)", page.read_text())]
    assert len(links) >= 40
    wrong = []
    for page, link in links:
        path, _, heading = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        headings = re.findall(r"^#+ (.*)", target.read_text(), re.MULTILINE) if target.suffix == ".md" else []
        if not target.is_file() or (heading and heading not in map(anchor, headings)):
            wrong.append((page.name, link))
    assert not wrong


def test_the_readme_takes_a_minute() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 180


def test_the_parts_in_the_page_on_extending_train_and_predict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = blocks(ROOT / "docs/extending.md", "python")
    assert len(code) == 3 and all(len(block.splitlines()) <= 25 for block in code)
    (tmp_path / "my_parts.py").write_text("\n".join(code))
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module("my_parts")
    head = MODELS.build(
        dict(
            type="mmmaskformer.FixedQueryHead",
            in_channels=[8, 8],
            strides=[4, 8],
            num_classes=3,
            num_queries=4,
            channels=16,
            pixel_decoder=dict(type="mmmaskformer.SumPixelDecoder"),
            transformer_decoder=dict(num_layers=1, num_heads=2),
            criterion=dict(mask_losses=[dict(type="mmmaskformer.FocalLoss"), dict(type="mmmaskformer.TverskyLoss")]),
        )
    )
    head.init_weights()
    features = [torch.rand(2, 8, 16, 16), torch.rand(2, 8, 8, 8)]
    targets = SegmentTargets.from_semantic_maps(torch.arange(2 * 64 * 64).view(2, 64, 64) % 3, 3, 255)
    losses = head.criterion(head(features), targets)
    assert set(losses) == {"loss_cls", "loss_mask", "loss_tversky"}
    sum(losses.values()).backward()
    assert head.segments.weight.grad.any() and head.pixel_decoder.projections[1].weight.grad.any()
    assert head.predict(features, [dict(img_shape=(64, 64))] * 2).shape == (2, 3, 64, 64)
