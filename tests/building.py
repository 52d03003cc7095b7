"""Building the project as pip does, from a copy that a build may write into."""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def copy_project(folder: Path) -> Path:
    """Copies what a build reads into a new folder, and returns that."""
    folder.mkdir()
    for name in ("mmmaskformer", "configs", "tools"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", ".mim"))
    for name in ("setup.py", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE", "model-index.yml"):
        shutil.copy2(ROOT / name, folder / name)
    return folder


def build(hook: str, source: Path, out: Path) -> Path:
    """Runs a hook of the build backend, in a process of its own and without the network; returns the file it made."""
    out.mkdir(exist_ok=True)
    code = f"from setuptools import build_meta; print(build_meta.{hook}({str(out)!r}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return out / done.stdout.strip().splitlines()[-1]
