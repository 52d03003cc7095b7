"""Errors that name files, checks before the first iteration, whole files: for runs of ours and for those that ask."""

import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import cv2
import numpy as np
import pytest
import tiny
from launching import environment
from mmcv.transforms import BaseTransform, LoadAnnotations, LoadImageFromFile
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.runner import CheckpointLoader, Runner

from mmmaskformer import safeguards
from mmmaskformer.errors import UserError

pytestmark = pytest.mark.usefixtures("safeguarded")

# What a user's own script does with a config; none of it is ours.
STOCK = """
    import sys
    from mmengine.config import Config
    from mmengine.fileio import LocalBackend
    from mmengine.runner import Runner
    put = LocalBackend.put
    cfg = Config.fromfile(sys.argv[1])
    cfg.work_dir = sys.argv[1] + ".work"
    runner = Runner.from_cfg(cfg)
    names = [type(hook).__name__ for hook in runner._hooks]
    print("hook:", names.count("SafeguardsHook"), "atomic:", LocalBackend.put is not put)
    if "train" in sys.argv:
        runner.train()
"""
# A head of ours in mmseg's segmentor, and a label map that is not its image's.
OURS = """
model = dict(
    decode_head=dict(
        _delete_=True,
        type="mmmaskformer.MaskFormerHead",
        in_channels=[4, 8, 16, 32],
        num_classes=3,
        num_queries=4,
        channels=16,
        pixel_decoder=dict(norm_groups=4),
        transformer_decoder=dict(num_layers=1, num_heads=2, feedforward_channels=16),
    )
)
"""
ASKING = """
custom_hooks = [dict(type="mmmaskformer.SafeguardsHook")]
"""


def run(code: str, *arguments: str) -> subprocess.CompletedProcess:
    """Runs code in a fresh interpreter."""
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(code), *arguments],
        env=environment(),
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four pictures with their label maps."""
    return tiny.make_dataset(tmp_path_factory.mktemp("safeguards") / "data")


@pytest.mark.parametrize(("kind", "expected"), [("", "hook: 0 atomic: False"), (ASKING, "hook: 1 atomic: True")])
def test_a_stock_script_without_a_model_of_ours_gets_the_safeguards_only_if_it_asks(
    kind: str, expected: str, data: Path, tmp_path: Path
) -> None:
    config = tiny.write_config(tmp_path / "tiny.py", data)
    config.write_text(config.read_text() + kind)
    cfg = Config.fromfile(config)
    for part in ("pixel_decoder", "transformer_decoder"):  # of ours, for the configs that inherit them
        cfg.pop(part, None)
    cfg.dump(tmp_path / "stock.py")
    done = run(STOCK, str(tmp_path / "stock.py"))
    assert expected in done.stdout, done.stdout + done.stderr


def test_a_stock_script_whose_config_names_a_part_of_ours_gets_clear_errors(data: Path, tmp_path: Path) -> None:
    config = tiny.write_config(tmp_path / "tiny.py", data)
    config.write_text(config.read_text() + OURS)
    for labels in (data / "annotations").glob("*.png"):
        cv2.imwrite(str(labels), np.zeros((28, 28), np.uint8))
    done = run(STOCK, str(config), "train")
    assert "hook: 1 atomic: True" in done.stdout, done.stdout + done.stderr
    assert "UserError: " in done.stderr and "is 28x28 but its image" in done.stderr


def test_installing_again_changes_nothing() -> None:
    def changed() -> list:
        shared = [BaseTransform.__call__, BaseDataset._load_metainfo.__func__, BaseDataset._serialize_data]
        return [Runner.build_dataloader, Runner.build_train_loop, LoadImageFromFile.transform, *shared]

    before = changed()
    safeguards.install()
    assert before == changed()


def test_a_run_killed_while_saving_keeps_the_checkpoint_before_it(tmp_path: Path) -> None:
    done = run(f"""
        import os, signal
        from mmmaskformer import files, safeguards
        safeguards.install()
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
