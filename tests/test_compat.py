"""The OpenMMLab stack runs without compiled ops and on current PyTorch."""

import signal
import subprocess
import sys
import textwrap
from importlib import import_module
from pathlib import Path

import cv2
import mmcv
import numpy as np
import pytest
import torch
from launching import environment
from mmcv.transforms import BaseTransform, LoadAnnotations, LoadImageFromFile
from mmengine.dataset import BaseDataset
from mmengine.runner import CheckpointLoader, Runner

from mmmaskformer.errors import UserError

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


def test_without_any_mmcv_the_import_explains_the_choice() -> None:
    done = run("""
        import sys
        from importlib.machinery import PathFinder
        class WithoutMmcv(PathFinder):
            @classmethod
            def find_spec(cls, name, path=None, target=None):
                return None if name.partition(".")[0] == "mmcv" else PathFinder.find_spec(name, path, target)
        sys.meta_path[:] = [WithoutMmcv if finder is PathFinder else finder for finder in sys.meta_path]
        import mmmaskformer
    """)
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: mmmaskformer needs mmcv") and "mmmaskformer[lite]" in last


def test_installing_the_patches_again_changes_nothing() -> None:
    from mmmaskformer import compat

    def patched() -> list:
        reader = import_module("mmengine.runner.checkpoint")
        loaders = [reader.torch, reader.load_url]
        shared = [BaseTransform.__call__, BaseDataset._load_metainfo.__func__]
        return [Runner.register_default_hooks, LoadImageFromFile.transform, sys.modules["mmcv._ext"], *loaders, *shared]

    before = patched()
    compat.install()
    assert before == patched()


def test_a_run_killed_while_saving_keeps_the_checkpoint_before_it(tmp_path: Path) -> None:
    done = run(f"""
        import os, signal
        import mmmaskformer
        from mmmaskformer import files
        from mmengine.hooks import checkpoint_hook
        from mmengine.runner import save_checkpoint
        folder = {str(tmp_path)!r}
        def save(step):
            save_checkpoint(dict(step=step), f"{{folder}}/iter_{{step}}.pth")
            with checkpoint_hook.open(f"{{folder}}/last_checkpoint", "w") as file:
                file.write(f"{{folder}}/iter_{{step}}.pth")
        save(1)
        files.os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
        save(2)
    """)
    assert done.returncode == -signal.SIGKILL
    assert [path.name for path in tmp_path.glob("iter_*")] == ["iter_1.pth"]
    last = Path((tmp_path / "last_checkpoint").read_text())
    assert CheckpointLoader.load_checkpoint(str(last)) == {"step": 1}


def test_mmengines_own_checkpoint_hook_writes_its_pointer_through_a_rename() -> None:
    from mmengine.hooks import CheckpointHook

    from mmmaskformer.files import atomic_open

    assert CheckpointHook._save_checkpoint_with_step.__globals__["open"] is atomic_open


@pytest.mark.parametrize("content", [b"", b"no image at all"], ids=["empty", "text"])
def test_a_corrupt_image_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "street.png"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"the image .*street\.png cannot be decoded"):
        LoadImageFromFile()({"img_path": str(path)})


def test_a_corrupt_label_map_is_named(tmp_path: Path) -> None:
    path = tmp_path / "street.png"
    encoded = cv2.imencode(".png", np.random.default_rng(0).integers(0, 9, (32, 32)).astype(np.uint8))[1].tobytes()
    path.write_bytes(encoded[: len(encoded) // 2])
    with pytest.raises(UserError, match=r"the label map .*street\.png cannot be decoded"):
        LoadAnnotations(with_bbox=False, with_label=False, with_seg=True, imdecode_backend="pillow")(
            {"img_path": "street.jpg", "seg_map_path": str(path)}
        )


def test_a_missing_image_keeps_its_own_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"street\.png"):
        LoadImageFromFile()({"img_path": str(tmp_path / "street.png")})
