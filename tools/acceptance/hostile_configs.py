"""Changes of a stored config: types, values and steps that name code, files or addresses, or ask for too much."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator
from typing import Any

from foreign_cases import MODULE, Canary
from small_models import CLASSES, small_config

# What must come of a change: the same labels as of the sound config, a refusal, or either.
SAME, REFUSED, EITHER = "same labels", "refused", None
Config = dict[str, Any]


def training_config() -> Config:
    """A config as a training run stores it: the model with data, schedule and hooks."""
    config = small_config()
    pipeline = [*config["test_pipeline"][:2], dict(type="LoadAnnotations"), config["test_pipeline"][2]]
    dataset = dict(type="BaseSegDataset", data_root="data/x/", metainfo=dict(classes=CLASSES), pipeline=pipeline)
    loader = dict(batch_size=1, sampler=dict(type="DefaultSampler", shuffle=False), dataset=dataset)
    config.update(
        test_pipeline=pipeline,
        train_dataloader=copy.deepcopy(loader),
        test_dataloader=copy.deepcopy(loader),
        default_hooks=dict(checkpoint=dict(type="CheckpointHook", interval=-1, by_epoch=False)),
        optim_wrapper=dict(type="OptimWrapper", optimizer=dict(type="AdamW", lr=1e-4, betas=(0.9, 0.999))),
        train_cfg=dict(type="IterBasedTrainLoop", max_iters=2),
        env_cfg=dict(cudnn_benchmark=True, dist_cfg=dict(backend="nccl")),
        visualizer=dict(type="SegLocalVisualizer", vis_backends=[dict(type="LocalVisBackend")]),
        load_from=None,
        work_dir="work_dirs/run",
    )
    return config


def as_text(config: Config) -> str:
    """The config's text, written without care: a hostile one is."""
    return "".join(f"{key} = {_literal(value)}\n" for key, value in config.items())


class Raw(str):
    """Python that is written as it is."""


def _literal(value: Any) -> str:
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: {_literal(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_literal, value)) + "]"
    if isinstance(value, tuple):
        return "(" + "".join(f"{_literal(item)}, " for item in value) + ")"
    return repr(value)


def mappings(value: Any) -> Iterator[dict]:
    """Every mapping below a value, itself included."""
    if isinstance(value, dict):
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ():
        yield from mappings(item)


def in_model(change: Callable[[random.Random, dict, Canary], Any]) -> Callable[[random.Random, Config, Canary], None]:
    """A change of some mapping of the model that has a type."""

    def somewhere(rng: random.Random, config: Config, canary: Canary) -> None:
        change(rng, rng.choice([found for found in mappings(config["model"]) if "type" in found]), canary)

    return somewhere


def hostile_type(rng: random.Random, canary: Canary) -> Any:
    """A type that names code."""
    names = [
        "subprocess.check_call",
        "os.system",
        "builtins.exec",
        "builtins.eval",
        "mmengine.fileio.load",
        "torch.load",
    ]
    names += [
        MODULE,
        f"{MODULE}.X",
        f"mmseg.{MODULE}",
        "mmengine.registry.build_from_cfg",
        "mmcv.imread",
        "torch.hub.load",
    ]
    names += ["mmengine.Config.fromfile", "mmseg.apis.init_model", "mmdet.DetInferencer", "MMSegInferencer", "Runner"]
    names += ["IterBasedTrainLoop", "LoggerHook", "SegLocalVisualizer", "CityscapesDataset", "mmdet.BertModel", "nms"]
    names += [
        "VPD",
        "mmdet.Detectron2Wrapper",
        "mmdet.KnowledgeDistillationSingleStageDetector",
        "IoUMetric",
        "Pretrained",
    ]
    names += [
        "mmmaskformer.ExportedModel",
        "mmdet.AppearanceFreeLink",
        "mmdet.CameraMotionCompensation",
        "TIMMBackbone",
    ]
    return rng.choice([*names, canary.code, Raw(canary.code), "", "a.b.c", None, 3, ["ResNet"], dict(type="x"), "x\ny"])


def hostile_value(rng: random.Random, canary: Canary) -> Any:
    """A value that names code, a file or an address, or asks for too much."""
    values: list[Any] = [
        canary.code,
        "https://example.invalid/x.pkl",
        "/etc/passwd",
        "../x.pth",
        "x.pkl",
        "pkl",
        MODULE,
    ]
    values += [f"{MODULE}.X", "hf-hub:a/b", "s3://a/b", "a" * 100_000, "x\ny", "\ud800", 10**9, -(10**9), 10**18, 1e300]
    values += [[10**9] * 3, dict(type="subprocess.check_call", args=["touch", str(canary.file)]), Raw(canary.code)]
    return rng.choice(values)


def set_type(rng: random.Random, owner: dict, canary: Canary) -> None:
    owner["type"] = hostile_type(rng, canary)
    if rng.random() < 0.3:
        owner.update(args=["touch", str(canary.file)], filename="/etc/passwd", cmd=canary.code)


def set_value(rng: random.Random, owner: dict, canary: Canary) -> None:
    owner[rng.choice([key for key in owner if key != "type"] or ["x"])] = hostile_value(rng, canary)


def new_value(rng: random.Random, owner: dict, canary: Canary) -> None:
    keys = ["file", "path", "cfg", "class_weight", "metafile", "name", "url", "_scope_", "config", "x y", "__init__"]
    owner[rng.choice(keys)] = hostile_value(rng, canary)


def initial_weights(rng: random.Random, owner: dict, canary: Canary) -> None:
    address = rng.choice(["https://example.invalid/x.pth", "/etc/passwd", "torchvision://resnet50", canary.code])
    owner[rng.choice(["init_cfg", "pretrained"])] = rng.choice([address, dict(type="Pretrained", checkpoint=address)])


def other_scope(rng: random.Random, owner: dict, canary: Canary) -> None:
    owner["_scope_"] = rng.choice([MODULE, "os", "", "..", "a.b", 3, None, "mmcv", "mmpretrain"])


def timm_model(rng: random.Random, config: Config, canary: Canary) -> None:
    names = ["hf-hub:a/b", "hf_hub:a/b", "local-dir:/tmp", "resnet18.x/../y", "nothing", canary.code]
    kind = rng.choice(["mmmaskformer.TimmBackbone", "TIMMBackbone"])
    more = rng.choice([{}, dict(pretrained=True), dict(model_args=dict(checkpoint_path="/etc/passwd"))])
    config["model"]["backbone"] = dict(type=kind, model_name=rng.choice(names), **more)


def other_backbone(rng: random.Random, config: Config, canary: Canary) -> None:
    config["model"]["backbone"] = rng.choice(
        [
            dict(type="mmmaskformer.TimmBackbone", model_name="resnet18", pretrained=True),
            dict(type="ResNet", depth=50),
            dict(type="SwinTransformer", depths=(10**5,) * 4),
            dict(type="SwinTransformer", window_size=10**5),
            dict(type="ResNetV1c", depth=18, base_channels=10**6),
            dict(type="mmdet.ResNet", depth=18, base_channels=4),
            dict(type="MobileNetV2"),
            dict(type="ReLU"),
        ]
    )


def other_number(rng: random.Random, config: Config, canary: Canary) -> None:
    owners = [(o, k) for o in mappings(config["model"]) for k, v in o.items() if type(v) in (int, float)]
    owner, key = rng.choice(owners)
    owner[key] = rng.choice([0, -1, 1, 3, 7, 1000, 10**6, 0.5, -0.5, 1e-30, 1e8, True, None, "whole", [1, 2], (), {}])


def hostile_step(rng: random.Random, config: Config, canary: Canary) -> None:
    steps = config["test_dataloader"]["dataset"]["pipeline"]
    step = rng.choice(
        [
            dict(type=hostile_type(rng, canary), args=["touch", str(canary.file)]),
            dict(type="LoadImageFromFile", backend_args=dict(backend="http", url="https://example.invalid")),
            dict(type="LoadImageFromFile", file_client_args=dict(backend="petrel")),
            dict(type="LoadImageFromFile", imdecode_backend="tifffile"),
            dict(type="TestTimeAug", transforms=[[dict(type="Resize", scale=(2, 2))]]),
            dict(type="MultiBranch", branch_field=[], x=[dict(type="os.system")]),
            dict(type="Resize", scale=(10**9, 10**9)),
            dict(type="Resize", scale_factor=1e9),
            dict(type="RandomApply", transforms=[dict(type=f"{MODULE}.X")]),
            dict(type="Albu", transforms=[dict(type="Lambda")]),
            dict(type="Pad", size=(10**6, 10**6)),
            dict(type="ResizeShortestEdge", scale=64, max_size=10**9),
            canary.code,
            Raw(canary.code),
            3,
            [],
        ]
    )
    steps[rng.randrange(len(steps))] = step


def harmless_step(rng: random.Random, config: Config, canary: Canary) -> None:
    steps = config["test_dataloader"]["dataset"]["pipeline"]
    steps[0] = dict(type="LoadImageFromFile", backend_args=rng.choice([None, dict(backend="local")]))
    steps[2] = rng.choice(
        [dict(type="LoadAnnotations", reduce_zero_label=True), dict(type="mmmaskformer.LoadADE20KLabelMap")]
    )


def left_out(rng: random.Random, config: Config, canary: Canary) -> None:
    choices = dict(
        custom_imports=dict(imports=[MODULE], allow_failed_imports=False),
        custom_hooks=[dict(type=f"{MODULE}.X"), dict(type="subprocess.check_call", args=["touch", str(canary.file)])],
        launcher="pytorch",
        load_from="https://example.invalid/x.pth",
        work_dir="/etc",
        resume=True,
        default_hooks=dict(x=dict(type="os.system", command=canary.code)),
        visualizer=dict(type=f"{MODULE}.X"),
        tta_model=dict(type="os.system"),
        val_evaluator=dict(type="builtins.exec"),
        anything=canary.code,
        env_cfg=dict(dist_cfg=dict(init_method="tcp://example.invalid")),
    )
    key = rng.choice(list(choices))
    config[key] = choices[key]


def base(rng: random.Random, config: Config, canary: Canary) -> None:
    config["_base_"] = rng.choice(["/etc/passwd", ["mmseg::x.py"], f"{canary.file.parent}/{MODULE}.py", None])


def scope(rng: random.Random, config: Config, canary: Canary) -> None:
    config["default_scope"] = rng.choice([MODULE, "os", "mmpretrain", 3, None, "", ["mmseg"]])


def no_model(rng: random.Random, config: Config, canary: Canary) -> None:
    config["model"] = rng.choice([None, {}, [], "mmmaskformer.MaskFormerSegmentor", 3, [config["model"]], dict(x=1)])


def no_pipeline(rng: random.Random, config: Config, canary: Canary) -> None:
    config["test_dataloader"]["dataset"]["pipeline"] = rng.choice([[], None])
    config["test_pipeline"] = rng.choice([[], "x", 3, {}, [dict(type="PackSegInputs")], [{}], [3], [[]]])


CONFIGS: dict[str, tuple[Callable, str | None]] = {
    "sound": (lambda rng, config, canary: None, SAME),
    "hostile type": (in_model(set_type), REFUSED),
    "hostile value": (in_model(set_value), REFUSED),
    "new value": (in_model(new_value), REFUSED),
    "initial weights": (in_model(initial_weights), SAME),
    "other scope": (in_model(other_scope), REFUSED),
    "timm": (timm_model, REFUSED),
    "other backbone": (other_backbone, EITHER),
    "other number": (other_number, EITHER),
    "hostile step": (hostile_step, EITHER),
    "harmless step": (harmless_step, SAME),
    "left out": (left_out, SAME),
    "base": (base, REFUSED),
    "default scope": (scope, REFUSED),
    "no model": (no_model, REFUSED),
    "no pipeline": (no_pipeline, REFUSED),
}
