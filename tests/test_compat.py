"""The OpenMMLab stack runs without compiled ops and on current PyTorch."""

import io
import pickle
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
from mmengine.logging import HistoryBuffer, MessageHub
from mmengine.runner import Runner, save_checkpoint

from mmmaskformer.errors import UserError

HAS_OPS = hasattr(import_module("mmcv._ext"), "__file__")  # conftest.py has imported the package


def run(code: str, **env: str) -> subprocess.CompletedProcess:
    """Runs code in a fresh interpreter."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], env=environment(**env), capture_output=True, text=True
    )


def test_importing_the_package_makes_mmseg_and_mmdet_importable() -> None:
    done = run("import mmmaskformer, mmseg.models, mmseg.datasets, mmdet.models, mmdet.datasets")
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

    def patched() -> tuple:
        shared = (BaseTransform.__call__, BaseDataset._load_metainfo.__func__)
        return (Runner.register_default_hooks, LoadImageFromFile.transform, sys.modules["mmcv._ext"], *shared)

    before = patched()
    compat.install()
    assert before == patched()


def test_what_mmengine_saves_loads_with_torchs_defaults(tmp_path: Path) -> None:
    hub = MessageHub.get_instance("test_compat")
    for value in (1.0, 0.5):
        hub.update_scalar("train/loss", value)
    hub.update_scalar("train/lr", np.float32(0.25))
    infos = {"float": np.float64(0.1), "int": np.int64(7), "flag": np.bool_(True), "array": np.arange(3)}
    for name, value in infos.items():
        hub.update_info(name, value)
    parameter = torch.nn.Parameter(torch.ones(2))
    optimizer = torch.optim.AdamW([parameter])
    parameter.sum().backward()
    optimizer.step()
    path = str(tmp_path / "iter_1.pth")
    save_checkpoint({"optimizer": optimizer.state_dict(), "message_hub": hub.state_dict()}, path)

    loaded = torch.load(path)

    assert loaded["message_hub"]["log_scalars"]["train/loss"].data[0].tolist() == [1.0, 0.5]
    assert loaded["message_hub"]["runtime_info"]["int"] == 7
    assert loaded["optimizer"]["state"][0]["exp_avg"].shape == (2,)


def test_the_allow_list_outlives_a_loader_that_clears_up_its_own() -> None:
    buffer = io.BytesIO()
    torch.save({"loss": HistoryBuffer([1.0], [1]), "lr": np.float64(0.5)}, buffer)
    with torch.serialization.safe_globals([HistoryBuffer, np.ndarray, np.dtype, type(np.dtype(np.float64)), getattr]):
        pass
    buffer.seek(0)
    assert torch.load(buffer)["loss"].data[0].tolist() == [1.0]


def test_numpy_scalars_saved_under_the_other_major_version_of_numpy_load() -> None:
    buffer = io.BytesIO()
    torch.save({"value": np.float64(0.5)}, buffer)
    here = b"numpy._core.multiarray" if b"numpy._core" in buffer.getvalue() else b"numpy.core.multiarray"
    there = {b"numpy._core.multiarray": b"numpy.core.multiarray", b"numpy.core.multiarray": b"numpy._core.multiarray"}
    scalar = pickle.dumps(np.float64(0.5), protocol=2).replace(here, there[here])
    legacy = io.BytesIO()
    torch.save({"value": 0}, legacy, _use_new_zipfile_serialization=False)
    # torch's old format is plain pickles one after another; the object is the fourth.
    stream = io.BytesIO(legacy.getvalue())
    heads = [pickle.load(stream) for _ in range(3)]
    crafted = b"".join(pickle.dumps(head, protocol=2) for head in heads) + scalar + pickle.dumps([], protocol=2)
    assert torch.load(io.BytesIO(crafted)) == 0.5


def test_the_allow_list_looks_up_nothing_but_methods_of_a_history_buffer() -> None:
    class Evil:
        def __reduce__(self):
            return getattr, (np.ndarray, "tofile")

    buffer = io.BytesIO()
    torch.save(Evil(), buffer)
    buffer.seek(0)
    with pytest.raises(pickle.UnpicklingError):
        torch.load(buffer)
    assert HistoryBuffer([1.0], [1]).statistics("max") == 1.0


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
    assert torch.load(last) == {"step": 1}


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
