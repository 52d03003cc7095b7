"""Checkpoints of mmseg's and mmdet's own code, as their Runner writes them: the same mIoU and PQ after conversion."""

import copy
from importlib import import_module
from pathlib import Path

import mmcv.cnn.bricks.transformer as mmcv_transformer
import pytest
import tiny
import torch
from converting import convert
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.hub import get_config
from mmengine.registry import MODELS, DefaultScope
from mmengine.runner import Runner, save_checkpoint
from release import assert_close
from torch import Tensor, nn

from mmmaskformer.checkpoint import to_mmseg_head
from mmmaskformer.checkpoint.convert import ConversionOptions, to_ours
from mmmaskformer.checkpoint.fitting import shapes_of
from mmmaskformer.checkpoint.formats import Checkpoint, read_checkpoint
from mmmaskformer.checkpoint.torch_files import load_torch
from mmmaskformer.runs import load_config, sync_dataset_meta

MMSEG = "mmseg::maskformer/maskformer_r50-d32_8xb2-160k_ade20k-512x512.py"
MMDET = "mmdet::maskformer/maskformer_r50_ms-16xb1-75e_coco.py"
HAS_OPS = hasattr(import_module("mmcv._ext"), "__file__")  # conftest.py has imported the package
needs_their_focal_loss = pytest.mark.skipif(
    torch.cuda.is_available() and not HAS_OPS, reason="their FocalLoss needs a compiled mmcv on a GPU"
)
THREE_TO_TWO = dict(num_things_classes=3, num_stuff_classes=2)


def shrink(
    model: Config, head: str, classes: dict, width: int = 32, heads: int = 4, layers: int = 2, feedforward: int = 64
) -> Config:
    """mmseg's or mmdet's model with MaskFormer, as published but small."""
    norm = dict(type="BN")
    model.backbone.update(depth=18, base_channels=4, stem_channels=4, avg_down=True, init_cfg=None, norm_cfg=norm)
    part = model[head]
    part.update(in_channels=[4, 8, 16, 32], feat_channels=width, out_channels=width, num_queries=8, **classes)
    part.loss_cls.class_weight = [1.0] * sum(classes.values()) + [0.1]
    part.positional_encoding.num_feats = width // 2
    part.transformer_decoder.num_layers = layers
    stacks = [part.transformer_decoder.layer_cfg]
    if "encoder" in part.pixel_decoder:
        part.pixel_decoder.encoder.num_layers = layers
        part.pixel_decoder.positional_encoding.num_feats = width // 2
        stacks.append(part.pixel_decoder.encoder.layer_cfg)
    for layer in stacks:
        for attention in ("self_attn_cfg", "cross_attn_cfg"):
            if attention in layer:
                layer[attention].update(embed_dims=width, num_heads=heads)
        layer.ffn_cfg.update(embed_dims=width, feedforward_channels=feedforward)
    return model


def build(cfg: Config) -> nn.Module:
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        return MODELS.build(cfg.model)


def train(cfg: Config, weights: dict[str, Tensor]) -> tuple[Path, dict[str, float]]:
    """The file that their Runner writes of the config's model with these weights, and what it evaluates to."""
    torch.save(weights, Path(cfg.work_dir).with_name("start.pth"))
    cfg.load_from = str(Path(cfg.work_dir).with_name("start.pth"))
    cfg.optim_wrapper = dict(type="OptimWrapper", optimizer=dict(type="AdamW", lr=1e-9))
    cfg.train_cfg = dict(type="IterBasedTrainLoop", max_iters=2, val_interval=3)
    cfg.default_hooks = dict(checkpoint=dict(type="CheckpointHook", by_epoch=False, interval=2))
    cfg.update(val_cfg=None, val_dataloader=None, val_evaluator=None)
    runner = Runner.from_cfg(copy.deepcopy(cfg))
    runner.train()
    checkpoint = Path(cfg.work_dir, "iter_2.pth")
    assert load_torch(checkpoint).keys() >= {"meta", "message_hub", "optimizer"}
    return checkpoint, runner.test()


def random_values(shape: tuple[int, ...]) -> Tensor:
    """Of a weight so large that a label map shows several classes."""
    if len(shape) < 2:
        return torch.rand(shape) + 0.5
    return torch.randn(shape) * (4 / torch.Size(shape[1:]).numel()) ** 0.5


@needs_their_focal_loss
def test_a_checkpoint_of_mmsegs_runner_evaluates_to_the_same_miou(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cfg = load_config(tiny.write_config(tmp_path / "tiny.py", tiny.make_dataset(tmp_path / "data")))
    cfg.model = shrink(get_config(MMSEG).model, "decode_head", dict(num_classes=len(tiny.CLASSES)))
    cfg.model.data_preprocessor.update(size=(64, 64))
    cfg.work_dir = str(tmp_path / "work")
    torch.manual_seed(0)
    checkpoint, expected = train(cfg, {key: random_values(shape) for key, shape in shapes_of(cfg).items()})
    one_class_everywhere = round(100 / len(tiny.CLASSES), 2)
    assert abs(expected["mAcc"] - one_class_everywhere) > 0.1

    convert(monkeypatch, checkpoint, tmp_path / "ours.pth", "--num-heads", 4)
    assert load_torch(tmp_path / "ours.pth")["meta"]["dataset_meta"]["classes"] == tiny.CLASSES
    cfg.model = Config.fromfile(tmp_path / "ours.py").model
    assert cfg.model.type == "mmmaskformer.MaskFormerSegmentor"
    cfg.update(load_from=str(tmp_path / "ours.pth"), experiment_name="ours")
    assert Runner.from_cfg(cfg).test() == expected


@needs_their_focal_loss
def test_a_checkpoint_of_mmdets_runner_evaluates_to_the_same_pq(
    trained_detector: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cfg = load_config(trained_detector / "tiny.py")
    sync_dataset_meta(cfg, ["test_dataloader"])
    ours = copy.deepcopy(cfg)
    cfg.model = theirs_for_the_trained(cfg.model)
    cfg.test_evaluator = ours.test_evaluator = cfg.test_evaluator[0]
    dataset = copy.deepcopy(cfg.dataset)
    dataset.test_mode = False
    dataset.pipeline.insert(1, dict(type="mmmaskformer.LoadPanopticAnnotations"))
    sampler = dict(type="InfiniteSampler", shuffle=True, seed=0)
    cfg.train_dataloader = dict(batch_size=2, num_workers=0, sampler=sampler, dataset=dataset)
    cfg.work_dir = ours.work_dir = str(tmp_path / "work")
    learned = to_mmseg_head(load_torch(trained_detector / "tiny.pth")["state_dict"], "panoptic_head.")
    checkpoint, expected = train(cfg, learned)
    assert 20 < expected["coco_panoptic/PQ"] < 100

    convert(monkeypatch, checkpoint, tmp_path / "ours.pth", "--config", trained_detector / "tiny.py")
    ours.update(load_from=str(tmp_path / "ours.pth"), experiment_name="ours")
    assert Runner.from_cfg(ours).test() == expected


def theirs_for_the_trained(detector: Config) -> Config:
    """mmdet's own model that has the trained detector's sizes and thresholds."""
    head = detector.panoptic_head
    classes = dict(num_things_classes=head.num_things_classes, num_stuff_classes=head.num_stuff_classes)
    theirs = get_config(MMDET).model
    theirs.panoptic_head.pixel_decoder = get_config(MMSEG).model.decode_head.pixel_decoder
    shrink(theirs, "panoptic_head", classes, width=16, heads=2, layers=1, feedforward=16)
    theirs.panoptic_head.pixel_decoder.norm_cfg = dict(type="GN", num_groups=4)
    theirs.panoptic_fusion_head.update(classes)
    theirs.data_preprocessor = detector.data_preprocessor
    theirs.test_cfg.update(detector.test_cfg, semantic_on=False)
    return theirs


@pytest.mark.parametrize(
    "name",
    [
        "mmseg::maskformer/maskformer_swin-t_upernet_8xb2-160k_ade20k-512x512",
        "mmdet::maskformer/maskformer_r50_ms-16xb1-75e_coco",
        "mmdet::maskformer/maskformer_swin-l-p4-w12_64xb1-ms-300e_coco",
    ],
)
def test_published_models_convert_with_a_config_that_fits(name: str) -> None:
    weights = on_meta(shapes_of(get_config(f"{name}.py")))
    model = to_ours(Checkpoint(Path("model.pth"), weights))
    assert model.format == name.partition("::")[0]
    head = model.config.model[model.head]
    assert head.num_queries == 100
    if model.format == "mmdet":
        assert (head.num_things_classes, head.num_stuff_classes) == (80, 53)
    else:
        assert head.num_classes == 150
    assert {key: tuple(value.shape) for key, value in model.weights.items()} == shapes_of(model.config)


def test_names_of_mmdet_2_are_read_as_those_of_mmdet_3() -> None:
    """mmcv's layers number their attentions and feed-forward layers; mmdet 2 was made of them."""
    present = on_meta(shapes_of(get_config(MMDET)))
    decoder, encoder = (
        mmcv_transformer.BaseTransformerLayer(
            attn_cfgs=dict(type="MultiheadAttention", embed_dims=256, num_heads=8),
            ffn_cfgs=dict(type="FFN", embed_dims=256, feedforward_channels=2048),
            operation_order=order,
        ).state_dict()
        for order in (
            ("self_attn", "norm", "cross_attn", "norm", "ffn", "norm"),
            ("self_attn", "norm", "ffn", "norm"),
        )
    )
    layers = {
        "panoptic_head.transformer_decoder.layers.": decoder,
        "panoptic_head.pixel_decoder.encoder.layers.": encoder,
    }
    old = {key: value for key, value in present.items() if not key.startswith(tuple(layers))}
    for prefix, layer in layers.items():
        old.update({f"{prefix}{index}.{key}": value for index in range(6) for key, value in layer.items()})
    assert old.keys() != present.keys()
    ours, expected = (to_ours(Checkpoint(Path("model.pth"), weights)) for weights in (old, present))
    assert ours.weights.keys() == expected.weights.keys()
    assert torch.equal(
        ours.weights["panoptic_head.transformer_decoder.layers.5.multihead_attn.in_proj_weight"],
        decoder["attentions.1.attn.in_proj_weight"],
    )


def on_meta(shapes: dict[str, tuple[int, ...]]) -> dict[str, Tensor]:
    return {key: torch.empty(shape, device="meta") for key, shape in shapes.items()}


def test_a_checkpoint_of_mmdets_model_predicts_the_same(tmp_path: Path) -> None:
    cfg = get_config(MMDET)
    shrink(cfg.model, "panoptic_head", THREE_TO_TWO)
    cfg.model.panoptic_fusion_head.update(THREE_TO_TWO)
    theirs = build(cfg).eval()
    meta = dict(classes=list("abcde"), thing_classes=list("abc"), stuff_classes=list("de"))
    save_checkpoint(dict(state_dict=theirs.state_dict(), meta=dict(dataset_meta=meta)), str(tmp_path / "theirs.pth"))
    converted = to_ours(read_checkpoint(tmp_path / "theirs.pth"), ConversionOptions(num_heads=4))
    ours = build(converted.config).eval()
    ours.load_state_dict(converted.weights)
    assert converted.num_things == 3
    images = torch.randn(2, 3, 64, 96)
    samples = [
        DetDataSample(metainfo=dict(img_shape=size, ori_shape=size, batch_input_shape=(64, 96)))
        for size in ((64, 80), (48, 96))
    ]
    with torch.no_grad():
        results = [
            model.panoptic_head.predict(model.extract_feat(images), copy.deepcopy(samples)) for model in (ours, theirs)
        ]
    for mine, other in zip(*results):
        assert_close(mine, other)
