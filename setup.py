"""Ships configs/, tools/ and model-index.yml inside the package, where ``mim`` and MMEngine look for them.

OpenMMLab packages copy them when ``sys.argv`` names certain commands, which a modern ``pip install`` does not pass.
Every way of installing runs ``build_py``, so it is done there: copies for a wheel, links for an editable install.
"""

import os
import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.command.editable_wheel import editable_wheel

ROOT = Path(__file__).resolve().parent
# Of configs/ its folders: a file of one name in two places is an error for ``mim train``.
CONFIGS = sorted(path.name for path in (ROOT / "configs").iterdir() if path.suffix != ".py")
SHIPPED = (*(f"configs/{name}" for name in CONFIGS), "tools", "model-index.yml")


class build_py_with_mim(build_py):  # noqa: N801
    """``build_py`` that also fills ``mmmaskformer/.mim``."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            self._fill(ROOT / "mmmaskformer" / ".mim", self._link)
        else:
            self._fill(Path(self.build_lib) / "mmmaskformer" / ".mim", self._copy)

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        outputs = super().get_outputs(include_bytecode)
        mim = Path(self.build_lib) / "mmmaskformer" / ".mim"
        if self.editable_mode or not mim.is_dir():
            return outputs
        return outputs + [str(path) for path in mim.rglob("*") if path.is_file()]

    @staticmethod
    def _fill(mim: Path, bring) -> None:
        shutil.rmtree(mim, ignore_errors=True)
        (mim / "configs").mkdir(parents=True)
        for name in SHIPPED:
            bring(ROOT / name, mim / name)

    @staticmethod
    def _copy(source: Path, target: Path) -> None:
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
        else:
            shutil.copy2(source, target)

    @classmethod
    def _link(cls, source: Path, target: Path) -> None:
        try:
            target.symlink_to(os.path.relpath(source, target.parent), target_is_directory=source.is_dir())
        except OSError:  # Windows without the right to make links
            cls._copy(source, target)


class editable_wheel_with_path(editable_wheel):  # noqa: N801
    """``editable_wheel`` whose metadata leads openmim and MMEngine to the source.

    Both take a package to lie beside its metadata, or where the first line of ``top_level.txt`` says from there. An
    editable install has only metadata in site-packages, so that line is the package's path; its name follows.
    """

    def _ensure_dist_info(self) -> None:
        super()._ensure_dist_info()
        (Path(self.dist_info_dir) / "top_level.txt").write_text(f"{ROOT / 'mmmaskformer'}\nmmmaskformer\n")


setup(cmdclass={"build_py": build_py_with_mim, "editable_wheel": editable_wheel_with_path})
