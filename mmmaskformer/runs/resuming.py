"""Going on with a training that was stopped: which checkpoint, and whether a training can go on from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.config import Config
from mmengine.runner import Runner
from mmengine.runner.checkpoint import CheckpointLoader, find_latest_checkpoint

from mmmaskformer.errors import UserError
from mmmaskformer.runs.checks import check_checkpoint_exists

START_ANEW = "to start a new training from its weights, use --cfg-options load_from={path} without --resume"


def resume_from(cfg: Config, resume: str | None) -> None:
    """Apply ``--resume``.

    Args:
        cfg: the config, changed in place.
        resume: None, ``"auto"`` for the last checkpoint in ``work_dir`` (if there is none, a fresh start or what
            ``load_from`` says), or a checkpoint.

    Raises:
        UserError: the checkpoint does not exist, or ``last_checkpoint`` in ``work_dir`` is empty.
    """
    if resume is None:
        return
    if resume == "auto":
        resume = find_latest_checkpoint(cfg.work_dir)
        if resume is None:
            return
        if not resume:
            raise UserError(
                f"{cfg.work_dir}/last_checkpoint is empty: give the checkpoint's name, --resume CHECKPOINT, or delete "
                "the file to start from the beginning"
            )
    check_checkpoint_exists(resume, f"--resume {resume}")
    cfg.resume = True
    cfg.load_from = resume


def check_can_resume(runner: Runner, path: str) -> None:
    """Refuse a checkpoint that lacks what a training needs to go on, and name what does not fit while it is loaded.

    Args:
        runner: that will resume; its ``resume`` is replaced by one with clear errors.
        path: the checkpoint.

    Raises:
        UserError: the checkpoint has weights alone, or its other parts are damaged.
    """
    content = CheckpointLoader.load_checkpoint(path, map_location="cpu")
    meta = content.get("meta") if isinstance(content, Mapping) else None
    absent = [key for key in ("epoch", "iter") if not _is_count(meta.get(key) if isinstance(meta, Mapping) else None)]
    absent += [key for key in ("optimizer", "message_hub") if not isinstance(content.get(key), Mapping)]
    if absent:
        raise UserError(f"--resume {path}: the checkpoint has no {absent[0]}; {START_ANEW.format(path=path)}")
    resume = runner.resume

    def resume_or_say_why(*args: Any, **kwargs: Any) -> None:
        try:
            resume(*args, **kwargs)
        except UserError:
            raise
        except Exception as error:  # the content of a file can make these loaders raise anything
            reason = str(error).strip().partition("\n")[0] or type(error).__name__
            raise UserError(
                f"--resume {path}: optimizer, schedules or history in it do not fit this training, or are damaged "
                f"({reason}); {START_ANEW.format(path=path)}"
            ) from error

    runner.resume = resume_or_say_why


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
