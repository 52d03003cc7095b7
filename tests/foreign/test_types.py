"""Types of stored configs are looked up in registries, and nothing is imported for them."""

import inspect
import re
import sys
from pathlib import Path

import pytest
from mmengine.registry import MODELS, TASK_UTILS, DefaultScope, Registry

from mmmaskformer.foreign.types import MODEL_PACKAGES, model_class, registered_only, transform_class

# In a class's own module: what reads files, fetches weights or runs code that an argument names.
REACHES_OUT = re.compile(
    r"(?<![\w.])(eval|exec|open|import_module|instantiate_from_config|get_class_weight)\("
    r"|\b(from_pretrained|fromfile|create_model)\("
)
# These do it for arguments that a stored config cannot give: a path, an address, a name that is no word.
REVIEWED = {
    "mmmaskformer.backbones.timm_backbone",
    "mmseg.models.backbones.timm_backbone",
    "mmseg.models.backbones.vpd",
    "mmseg.models.losses.cross_entropy_loss",
    "mmseg.models.losses.huasdorff_distance_loss",
    "mmseg.models.losses.lovasz_loss",
    "mmseg.models.losses.tversky_loss",
}


@pytest.mark.parametrize(
    ("name", "scope", "module"),
    [
        ("ResNet", "mmseg", "mmseg.models.backbones.resnet"),
        ("ResNet", "mmdet", "mmdet.models.backbones.resnet"),
        ("mmdet.ResNet", "mmseg", "mmdet.models.backbones.resnet"),
        ("mmmaskformer.MaskFormerHead", "mmseg", "mmmaskformer.seg.heads"),
        ("mmmaskformer.HungarianAssigner", "mmdet", "mmmaskformer.core.matching"),
        ("BN", "mmmaskformer", "torch.nn.modules.batchnorm"),
    ],
)
def test_a_name_means_what_mmengine_would_build_for_it(name: str, scope: str, module: str) -> None:
    found = model_class(name, scope)
    assert found.__module__ == module
    with DefaultScope.overwrite_default_scope(scope):
        root = TASK_UTILS if "Assigner" in name else MODELS
        with root.switch_scope_and_registry(None) as registry:
            assert registry.get(name) is found


@pytest.mark.parametrize(
    "name",
    [
        "subprocess.check_call", "os.system", "canary", "canary.X", "mmseg.canary", "mmseg.models.backbones.ResNet",
        "mmengine.fileio.load", "mmcv.imread", "mmmaskformer.ExportedModel", "VPDNot", "", ".", "..ResNet",
        "mmdet.BertModel", "mmdet.KnowledgeDistillationSingleStageDetector", "CityscapesDataset", "LoggerHook",
        "Resize", "nms",
    ],
)  # fmt: skip
def test_what_is_no_registered_part_of_a_model_is_none_and_is_not_imported(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "canary.py").write_text("raise AssertionError")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert model_class(name, "mmseg") is None
    assert "canary" not in sys.modules


def test_a_scope_of_others_is_not_looked_into() -> None:
    assert model_class("ResNet", "os") is model_class("mmpretrain.ResNet", "mmseg") is None
    assert transform_class("Resize", "mmdet").__module__ == "mmdet.datasets.transforms.transforms"
    assert transform_class("canary.Resize", "mmdet") is None


def test_registries_import_nothing_while_a_stored_config_is_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "canary.py").write_text("X = dict")
    monkeypatch.syspath_prepend(str(tmp_path))
    with registered_only():
        for name in ("canary.X", "canary", "collections.OrderedDict"):
            with pytest.raises(RuntimeError, match="Failed to get"):
                MODELS.build(dict(type=name))
    assert "canary" not in sys.modules
    assert MODELS.get("collections.OrderedDict").__name__ == "OrderedDict"


def test_every_accepted_class_that_reaches_out_was_reviewed() -> None:
    found = set()
    pending: list[Registry] = [MODELS, TASK_UTILS]
    while pending:
        registry = pending.pop()
        pending += registry.children.values()
        for name in registry.module_dict:
            kind = model_class(f"{registry.scope}.{name}", "mmseg")
            if kind is not None and not kind.__module__.startswith(("torch.", "mmcv.")):
                found.add(kind.__module__)
    assert len(found) > 100 and all(name.startswith(MODEL_PACKAGES) for name in found)
    reaching = {name for name in found if REACHES_OUT.search(inspect.getsource(sys.modules[name]))}
    assert reaching == REVIEWED
