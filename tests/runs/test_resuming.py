"""A training goes on from a checkpoint that has all that it needs, and says which part is missing in any other."""

from collections.abc import Callable
from pathlib import Path

import pytest
import segmenter
import tiny
import torch
from mmengine.config import Config
from mmengine.runner import Runner

from mmmaskformer.errors import UserError
from mmmaskformer.runs import check_can_resume, load_config, prepare_for_device, resume_from, sync_dataset_meta


def test_resuming_without_a_checkpoint_starts_afresh_from_what_the_config_says(tmp_path: Path) -> None:
    cfg = Config({"work_dir": str(tmp_path), "resume": False, "load_from": "start.pth"})
    resume_from(cfg, "auto")
    assert (cfg.resume, cfg.load_from) == (False, "start.pth")


def test_resuming_takes_the_last_checkpoint_of_the_work_folder(tmp_path: Path) -> None:
    (tmp_path / "iter_2.pth").touch()
    (tmp_path / "last_checkpoint").write_text(str(tmp_path / "iter_2.pth"))
    cfg = Config({"work_dir": str(tmp_path)})
    resume_from(cfg, "auto")
    assert (cfg.resume, cfg.load_from) == (True, str(tmp_path / "iter_2.pth"))


def test_resuming_from_a_checkpoint_that_is_gone_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--resume .*iter_2\.pth does not exist"):
        resume_from(Config({"work_dir": str(tmp_path)}), str(tmp_path / "iter_2.pth"))


def test_an_empty_note_of_the_last_checkpoint_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "last_checkpoint").touch()
    with pytest.raises(UserError, match=r"last_checkpoint is empty: give the checkpoint's name"):
        resume_from(Config({"work_dir": str(tmp_path)}), "auto")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    """A config, and the content of its checkpoint after one iteration."""
    folder = tmp_path_factory.mktemp("run")
    config = segmenter.write_config(folder / "tiny.py", tiny.make_dataset(folder / "data"))
    runner_of(config, 1).train()
    return config, torch.load(folder / "work" / "iter_1.pth", weights_only=False)


def runner_of(config: Path, iterations: int) -> Runner:
    cfg = load_config(config)
    cfg.work_dir = str(config.parent / "work")
    sync_dataset_meta(cfg, ("train_dataloader",))
    prepare_for_device(cfg, "none")
    cfg.train_cfg.update(max_iters=iterations, val_interval=10)
    cfg.default_hooks = dict(checkpoint=dict(type="CheckpointHook", by_epoch=False, interval=1))
    cfg.experiment_name = f"resuming{iterations}"
    cfg.visualizer = dict(type="Visualizer")  # a name would bring that of an earlier run, whose folder is gone
    return Runner.from_cfg(cfg)


def without(key: str) -> Callable[[dict], None]:
    return lambda content: content.pop(key)


DAMAGE = {
    "weights alone": (lambda content: [content.pop(key) for key in list(content) if key != "state_dict"], "no epoch"),
    "meta is a list": (lambda content: content.update(meta=[1]), "no epoch"),
    "no iteration": (lambda content: content["meta"].pop("iter"), "no iter"),
    "a negative iteration": (lambda content: content["meta"].update(iter=-1), "no iter"),
    "no optimizer": (without("optimizer"), "no optimizer"),
    "no history": (without("message_hub"), "no message_hub"),
    "a group of parameters is missing": (lambda content: content["optimizer"]["param_groups"].pop(), "do not fit"),
    "an optimizer's state is a list": (lambda content: content["optimizer"].update(state=[1]), "do not fit"),
    "schedules are numbers": (lambda content: content.update(param_schedulers=[1, 2, 3]), "do not fit"),
    "history of another kind": (lambda content: content.update(message_hub=dict(log_scalars=3)), "do not fit"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_a_checkpoint_lacks_is_named(damage: str, run: tuple[Path, dict], tmp_path: Path) -> None:
    config, content = run
    path = tmp_path / "damaged.pth"
    torch.save(content, path)
    damaged = torch.load(path, weights_only=False)
    change, message = DAMAGE[damage]
    change(damaged)
    torch.save(damaged, path)
    runner = runner_of(config, 2)
    runner._load_from, runner._resume = str(path), True
    with pytest.raises(
        UserError, match=rf"^--resume \S+damaged\.pth: .*{message}.*use --cfg-options load_from="
    ) as error:
        check_can_resume(runner, str(path))
        runner.train()
    assert "\n" not in str(error.value)


def test_a_whole_checkpoint_is_gone_on_from(run: tuple[Path, dict], tmp_path: Path) -> None:
    config, content = run
    torch.save(content, tmp_path / "whole.pth")
    runner = runner_of(config, 2)
    runner._load_from, runner._resume = str(tmp_path / "whole.pth"), True
    check_can_resume(runner, str(tmp_path / "whole.pth"))
    runner.train()
    assert runner.iter == 2
