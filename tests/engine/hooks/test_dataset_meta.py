"""A model is asked about the data set before the first iteration, also in a plain mmseg script."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from mmengine.config import Config
from mmengine.dataset import ConcatDataset
from mmengine.runner import Runner
from mmseg.datasets import BaseSegDataset
from mmseg.models import FCNHead
from mmseg.registry import MODELS
from tiny import make_dataset, write_config
from torch import nn
from torch.utils.data import DataLoader

from mmmaskformer.engine import DatasetMetaCheckHook


class DatasetRefused(Exception):
    """What the head below raises."""


@MODELS.register_module()
class RefusingHead(FCNHead):
    """A head for which no data set will do."""

    def check_dataset_meta(self, metainfo: dict) -> None:
        raise DatasetRefused(", ".join(metainfo["classes"]))


@pytest.mark.parametrize("run", ["train", "val", "test"])
def test_a_head_may_refuse_the_data_set_before_the_first_iteration(tmp_path: Path, run: str) -> None:
    cfg = Config.fromfile(write_config(tmp_path / "tiny.py", make_dataset(tmp_path / "data")))
    cfg.work_dir = str(tmp_path / "work")
    cfg.experiment_name = tmp_path.name
    cfg.model.decode_head.type = "RefusingHead"
    cfg.model.decode_head.num_classes = 3
    runner = Runner.from_cfg(cfg)
    with pytest.raises(DatasetRefused, match="left, right, square"):
        getattr(runner, run)()
    assert runner.iter == 0


class ThreeClasses(nn.Module):
    """A model that takes three classes."""

    def check_dataset_meta(self, metainfo: dict) -> None:
        if len(metainfo["classes"]) != 3:
            raise DatasetRefused(", ".join(metainfo["classes"]))


def test_every_data_set_inside_a_wrapper_is_shown_to_the_model() -> None:
    parts = [BaseSegDataset(metainfo=dict(classes=names), lazy_init=True) for names in (["a", "b", "c"], ["d", "e"])]
    loader = DataLoader(ConcatDataset(parts, ignore_keys=["classes", "palette"], lazy_init=True), sampler=[])
    with pytest.raises(DatasetRefused, match="d, e"):
        DatasetMetaCheckHook().before_train(
            SimpleNamespace(model=ThreeClasses(), train_dataloader=loader, val_loop=None)
        )
