"""Every way of building the package ships configs, tools and the model index where MMEngine and mim look."""

import ast
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from importlib.metadata import requires
from pathlib import Path

import modelindex
import pytest
from building import ROOT, build, copy_project

from mmmaskformer import __version__

# Where a distribution's name is not its module's.
DISTRIBUTIONS = {"cv2": "opencv-python", "PIL": "pillow", "mmseg": "mmsegmentation", "mmcv": "mmcv-lite"}
SHIPPED = ["model-index.yml", "configs/metafile.yml", "configs/_base_/default_runtime.py", "tools/train.py"]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A copy of the project, so that a build leaves nothing in the checkout."""
    return copy_project(tmp_path / "source")


def test_a_wheel_ships_configs_and_tools_inside_the_package(source: Path, tmp_path: Path) -> None:
    wheel = build("build_wheel", source, tmp_path / "dist")
    names = zipfile.ZipFile(wheel).namelist()
    assert wheel.name == f"mmmaskformer-{__version__}-py3-none-any.whl"
    assert not {f"mmmaskformer/.mim/{name}" for name in SHIPPED} - set(names)
    data = {"py.typed", "datasets/ade20k_full_classes.txt", "zoo/released.json"}
    assert {f"mmmaskformer/{name}" for name in data} <= set(names)
    assert not [name for name in names if name.startswith("tests/") or "__pycache__" in name]


def test_a_wheel_built_from_the_source_distribution_ships_the_same_files(source: Path, tmp_path: Path) -> None:
    direct = set(zipfile.ZipFile(build("build_wheel", source, tmp_path / "direct")).namelist())
    sdist = build("build_sdist", source, tmp_path / "dist")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    unpacked = tmp_path / "unpacked" / sdist.name.removesuffix(".tar.gz")
    assert set(zipfile.ZipFile(build("build_wheel", unpacked, tmp_path / "again")).namelist()) == direct


def test_an_editable_install_links_configs_and_tools_into_the_package(source: Path, tmp_path: Path) -> None:
    build("build_editable", source, tmp_path / "dist")
    mim = source / "mmmaskformer" / ".mim"
    assert all((mim / name).is_file() for name in SHIPPED)
    (source / "configs" / "maskformer" / "added_later.py").write_text("")
    assert (mim / "configs" / "maskformer" / "added_later.py").is_file()


def test_a_config_elsewhere_can_inherit_ours_by_the_packages_name(source: Path, tmp_path: Path) -> None:
    build("build_editable", source, tmp_path / "dist")
    (tmp_path / "mine.py").write_text("_base_ = 'mmmaskformer::_base_/default_runtime.py'\n")
    code = "import mmmaskformer, mmengine; print(mmengine.Config.fromfile('mine.py').custom_imports.imports)"
    env = {**os.environ, "PYTHONPATH": str(source)}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.stdout.strip() == "['mmmaskformer']", done.stderr


def test_installing_never_brings_either_mmcv_unless_asked(source: Path, tmp_path: Path) -> None:
    wheel = zipfile.ZipFile(build("build_wheel", source, tmp_path / "dist"))
    metadata = wheel.read(f"mmmaskformer-{__version__}.dist-info/METADATA").decode()
    mmcv = [line for line in metadata.splitlines() if line.startswith("Requires-Dist: mmcv")]
    assert mmcv == ['Requires-Dist: mmcv-lite==2.1.0; extra == "lite"']


def test_the_model_index_is_valid_and_lists_every_config_and_only_configs_that_exist() -> None:
    index = modelindex.load(str(ROOT / "model-index.yml"))
    assert index.check(silent=True) == []
    assert sorted(model.config for model in index.models) == sorted(
        str(path.relative_to(ROOT))
        for path in (ROOT / "configs").glob("*/*.py")
        if path.parent.name not in ("_base_", "peers")
    )
    assert all(model.name == Path(model.config).stem for model in index.models)
    assert {model.in_collection for model in index.models} == {collection.name for collection in index.collections}


def test_every_package_that_is_imported_is_required() -> None:
    required = {
        re.match(r"[\w-]+", line)[0].lower().replace("-", "_")
        for line in requires("mmmaskformer")
        if 'extra == "test"' not in line.replace("'", '"')
    }
    imported: dict[str, Path] = {}
    for path in (ROOT / "mmmaskformer").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module]
            else:
                continue
            imported |= {name.split(".")[0]: path for name in names}
    undeclared = {
        f"{name} ({path.relative_to(ROOT)})"
        for name, path in imported.items()
        if name not in sys.stdlib_module_names
        and name != "mmmaskformer"
        and DISTRIBUTIONS.get(name, name).lower().replace("-", "_") not in required
    }
    assert not undeclared
