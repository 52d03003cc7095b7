"""Memory and seconds are those of what runs."""

from copy import deepcopy
from pathlib import Path

import torch
from tiny import make_dataset, write_config

from mmmaskformer.analysis.measure import peak_megabytes, training_seconds
from mmmaskformer.runs import load_config, prepare_for_device, sync_dataset_meta


def test_memory_that_was_freed_just_before_counts_as_well() -> None:
    def run() -> bytearray:
        return [bytearray(100_000) for _ in range(1000)][-1]

    last = run()  # lies behind the freed ones, which the allocator keeps therefore
    assert last is not None and 90 < peak_megabytes(run, torch.device("cpu")) < 150


def test_a_training_is_timed_without_changing_its_config(tmp_path: Path) -> None:
    cfg = load_config(str(write_config(tmp_path / "tiny.py", make_dataset(tmp_path / "data"))))
    sync_dataset_meta(cfg, ("train_dataloader",))
    prepare_for_device(cfg, "none")
    before = deepcopy(cfg.to_dict())
    assert training_seconds(cfg, 2) > 0
    assert cfg.to_dict() == before
