"""The OpenMMLab stack runs without compiled ops and on current PyTorch."""

import subprocess
import sys
import textwrap
from importlib import import_module
from pathlib import Path

import mmcv
import pytest
import torch
from launching import environment
from mmengine.runner import Runner

HAS_OPS = hasattr(import_module("mmcv._ext"), "__file__")  # conftest.py has imported the package


def run(code: str, **env: str) -> subprocess.CompletedProcess:
    """Runs code in a fresh interpreter."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], env=environment(**env), capture_output=True, text=True
    )


def test_importing_the_package_makes_mmseg_and_mmdet_importable_and_leaves_torchs_loading_alone() -> None:
    done = run("""
        import torch, mmengine.runner  # which makes torch add some safe globals of its own
        loading = lambda: (set(torch.serialization.get_safe_globals()), torch.load, torch.hub.load_state_dict_from_url)
        before = loading()
        import mmmaskformer, mmmaskformer.checkpoint.formats
        assert loading() == before
        import mmseg.models, mmseg.datasets, mmdet.models, mmdet.datasets
    """)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(HAS_OPS, reason="full mmcv is installed")
def test_a_missing_op_fails_when_called_and_says_how_to_get_it() -> None:
    from mmcv.ops import nms

    with pytest.raises(RuntimeError, match=r"'nms' is not in mmcv-lite.*pip install mmcv"):
        nms(torch.rand(3, 4), torch.rand(3), 0.5)


def test_a_compiled_mmcv_is_left_alone(tmp_path: Path) -> None:
    installed = Path(mmcv.__file__).parent
    (tmp_path / "mmcv").mkdir()
    for entry in installed.iterdir():
        if not entry.name.startswith("_ext"):
            (tmp_path / "mmcv" / entry.name).symlink_to(entry)
    (tmp_path / "mmcv" / "_ext.py").write_text("made_by = 'compiler'\ndef __getattr__(name): return print")
    done = run(f"""
        import sys; sys.path.insert(0, {str(tmp_path)!r})
        import mmmaskformer, mmcv.ops, mmcv._ext
        print(mmcv._ext.made_by, mmcv._ext.__file__)
    """)
    assert done.stdout.split() == ["compiler", str(tmp_path / "mmcv" / "_ext.py")], done.stderr


def test_without_any_mmcv_a_head_of_mmsegs_explains_the_choice() -> None:
    done = run("""
        import sys
        from importlib.machinery import PathFinder
        class WithoutMmcv(PathFinder):
            @classmethod
            def find_spec(cls, name, path=None, target=None):
                return None if name.partition(".")[0] == "mmcv" else PathFinder.find_spec(name, path, target)
        sys.meta_path[:] = [WithoutMmcv if finder is PathFinder else finder for finder in sys.meta_path]
        import mmmaskformer
        mmmaskformer.MaskPredictions  # which needs none
        mmmaskformer.MaskFormerHead
    """)
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: mmmaskformer needs mmcv") and "mmmaskformer[lite]" in last


def test_installing_the_patches_again_changes_nothing() -> None:
    from mmmaskformer import compat

    def patched() -> list:
        reader, configs = import_module("mmengine.runner.checkpoint"), import_module("mmengine.config.config")
        loaders = [reader.torch, reader.load_url, reader.CheckpointLoader.load_checkpoint.__func__]
        return [Runner.register_hooks, configs.get_installed_path, sys.modules["mmcv._ext"], *loaders]

    before = patched()
    compat.install()
    assert before == patched()


READ = """
    torch.save({"meta": {"config": "raise SystemExit('it ran')"}, "epoch": numpy.float64(3)}, "old.pth")
    loaded = mmengine.runner.CheckpointLoader.load_checkpoint("old.pth")
    assert loaded == {"meta": {}, "epoch": 3.0}, loaded
    assert mmengine.Config.fromfile("mine.py").custom_imports.imports == ["mmmaskformer"]
"""


@pytest.mark.parametrize("order", ["mmengine.runner, mmmaskformer", "mmmaskformer, mmengine.runner"])
def test_the_order_of_imports_does_not_matter(order: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("_base_ = 'mmmaskformer::_base_/default_runtime.py'")
    done = run(
        f"import os, numpy, torch; os.chdir({str(tmp_path)!r})\nimport {order}, mmengine\n{textwrap.dedent(READ)}"
    )
    assert done.returncode == 0, done.stderr


def test_importing_the_package_imports_neither_torch_nor_mmengine() -> None:
    done = run("""
        import sys, mmmaskformer
        from mmmaskformer import files, errors, safeguards, labels
        print(sorted({"torch", "mmengine", "mmcv", "numpy", "cv2"} & sys.modules.keys()))
    """)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr
