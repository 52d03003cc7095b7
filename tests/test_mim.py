"""The commands of openmim find and run the installed package, from a folder that is not the checkout."""

import json
import os
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path

import cv2
import numpy as np
import pytest
from building import ROOT, build, copy_project

# openmim would pull in a package that downgrades setuptools, so it comes without its requirements: the extra `test` has
# what it imports. It calls pip from inside, which the newest releases of pip object to.
PINS = ("openmim==0.3.9", "pip==25.3")
CONFIG = "maskformer_efficientnet-lite0_shapes.py"
SMALL = [
    *(
        f"{key}_dataloader.dataset.generate.{option}"
        for key in ("train", "val", "test")
        for option in ("train=8", "val=3", "height=64", "width=64")
    ),
    "train_cfg.max_iters=2",
    "train_cfg.val_interval=2",
]


@dataclass
class Environment:
    """A virtual environment and a folder to work in."""

    python: Path
    folder: Path

    def run(self, *command: str, python: Path | str | None = None) -> subprocess.CompletedProcess:
        """Runs ``python COMMAND``, with both streams in one output."""
        inherited = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONHOME")}
        return subprocess.run(
            [str(python or self.python), "-W", "ignore", *command],
            cwd=self.folder,
            env={
                **inherited,
                "HOME": str(self.folder),  # mim makes folders there
                "MMCV_BASE_URL": self.folder.as_uri(),  # mim install looks for mmcv's wheels there
                "SHAPES_ROOT": str(self.folder / "shapes"),
                "OMP_NUM_THREADS": "1",
                "CUDA_VISIBLE_DEVICES": "",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
        )

    def mim(self, *command: str) -> str:
        """Runs ``mim COMMAND``, which must succeed, and returns its output."""
        done = self.run("-m", "mim", *command)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def pip(self, *options: str) -> None:
        """Installs what the options name, with the pip of this test's own environment."""
        command = ("-m", "pip", "--python", str(self.python), "install", "-q", "--no-deps", *options)
        done = self.run(*command, python=sys.executable)
        assert done.returncode == 0, done.stdout

    def origin(self) -> Path:
        """Where ``import mmmaskformer`` finds it."""
        done = self.run("-c", "import importlib.util as u; print(u.find_spec('mmmaskformer').origin)")
        return Path(done.stdout.strip())


@pytest.fixture(scope="module")
def pins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the pinned packages' wheels."""
    folder = tmp_path_factory.mktemp("pins")
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(folder), *PINS]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"pip cannot fetch {' '.join(PINS)}: {done.stderr.strip().splitlines()[-1]}")
    return folder


def environment(folder: Path, pins: Path) -> Environment:
    """Makes a virtual environment with the stack that the tests run on, all of it but this package and pip, and mim.

    The stack is linked: installing it anew takes minutes and gigabytes.
    """
    venv.create(folder / "venv", symlinks=os.name != "nt")
    stack = folder / "stack"
    stack.mkdir()
    for entry in Path(sysconfig.get_paths()["purelib"]).iterdir():
        if not entry.name.startswith(("mmmaskformer", "__editable__", "pip")) and entry.suffix != ".pth":
            (stack / entry.name).symlink_to(entry)
    python = folder / "venv" / "bin" / "python"
    (work := folder / "work").mkdir()
    made = Environment(python, work)
    site = Path(made.run("-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])").stdout.strip())
    (site / "stack.pth").write_text(f"{stack}\n")
    made.pip("--no-index", "--find-links", str(pins), *PINS)
    return made


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory, pins: Path) -> Environment:
    """An environment with the built wheel; the last test puts a checkout in its place."""
    folder = tmp_path_factory.mktemp("installed")
    made = environment(folder, pins)
    made.pip(str(build("build_wheel", copy_project(folder / "source"), folder / "dist")))
    assert made.origin().is_relative_to(folder / "venv")
    return made


@pytest.fixture(scope="module")
def trained(installed: Environment) -> Path:
    """Folder of a run that ``mim train`` made."""
    output = installed.mim("train", "mmmaskformer", CONFIG, "--gpus", "0", "--work-dir", "run", "--cfg-options", *SMALL)
    assert f"/venv/lib/{Path(sysconfig.get_paths()['purelib']).parent.name}/site-packages/mmmaskformer/.mim" in output
    return installed.folder / "run"


def test_search_lists_every_config(installed: Environment) -> None:
    installed.mim("search", "mmmaskformer", "--json", "models.json")
    models = json.loads((installed.folder / "models.json").read_text())
    assert sorted(models["config"]) == sorted(
        path.stem for path in (ROOT / "configs").glob("*/*.py") if path.parent.name not in ("_base_", "peers")
    )
    assert set(models["paper"].values()) == {"https://arxiv.org/abs/2107.06278"}


def test_train_finds_a_config_by_its_name_and_trains(trained: Path) -> None:
    assert (trained / "iter_2.pth").is_file()


def test_test_evaluates_and_writes_label_maps(installed: Environment, trained: Path) -> None:
    checkpoint = str(trained / "iter_2.pth")
    output = installed.mim(
        "test", "mmmaskformer", CONFIG, "--checkpoint", checkpoint, "--out", "maps", "--cfg-options", *SMALL
    )
    assert "mIoU: " in output
    assert len(list((installed.folder / "maps").glob("*.png"))) == 3


def test_run_starts_a_tool_by_its_name(installed: Environment, trained: Path) -> None:
    cv2.imwrite(str(installed.folder / "street.png"), np.zeros((64, 64, 3), np.uint8))
    arguments = ["--config", str(trained / CONFIG), "--checkpoint", str(trained / "iter_2.pth"), "--out-dir", "out"]
    installed.mim("run", "mmmaskformer", "infer", "street.png", *arguments)
    assert cv2.imread(str(installed.folder / "out" / "street_labels.png"), cv2.IMREAD_UNCHANGED).shape == (64, 64)


def test_install_of_a_checkout_leads_to_its_own_tools_and_configs(tmp_path: Path, installed: Environment) -> None:
    source = copy_project(tmp_path / "source")
    # The forks do not have the names that we require: pip would put the official wheels over them.
    forks = ["--no-deps"] if list(distributions(name="onedl-mmengine")) else []
    installed.mim("install", "--no-build-isolation", "--no-index", *forks, "-e", str(source))
    assert installed.origin() == source / "mmmaskformer" / "__init__.py"
    assert "config id: maskformer_r50_ade20k\n" in installed.mim("search", "mmmaskformer")
    (source / "tools" / "added_later.py").write_text("print('a new tool')")
    assert "a new tool" in installed.mim("run", "mmmaskformer", "added_later")
    # What `train` and `test` do to find a config by its name; they want exactly one.
    code = "import mim.utils as u; print(*u.recursively_find(u.get_installed_path('mmmaskformer'), 'NAME', True))"
    found = installed.run("-c", code.replace("NAME", CONFIG)).stdout.split()
    assert [Path(path).resolve() for path in found] == [source / "configs" / "maskformer" / CONFIG]
