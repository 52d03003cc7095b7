"""What a run needs on this machine is set in the config."""

from contextlib import nullcontext

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from peer_heads import peer_config
from tiny_models import BACKBONE, CHANNELS, CLASSES, head_config

from mmmaskformer.errors import UserError
from mmmaskformer.runs import preparation, prepare_for_device, use_amp, use_tta

without_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is there")


@without_gpu
def test_amp_on_the_cpu_is_bf16_autocast() -> None:
    cfg = Config({"optim_wrapper": {"type": "OptimWrapper", "clip_grad": {"max_norm": 0.01}}})
    use_amp(cfg)
    prepare_for_device(cfg, "none")
    assert cfg.optim_wrapper.to_dict() == {"type": "mmmaskformer.CPUAmpOptimWrapper", "clip_grad": {"max_norm": 0.01}}


def test_amp_does_not_replace_an_optimizer_wrapper_it_does_not_know() -> None:
    with pytest.raises(UserError, match="ApexOptimWrapper"):
        use_amp(Config({"optim_wrapper": {"type": "ApexOptimWrapper"}}))


def test_tta_without_a_pipeline_for_it_is_an_error() -> None:
    with pytest.raises(UserError, match="tta_pipeline"):
        use_tta(Config({"model": {}}))


def test_tta_averages_maskformers_scores_unless_the_config_says_otherwise() -> None:
    data = {"dataset": {"type": "B", "pipeline": [1]}}
    cfg = Config({"model": {"type": "A"}, "tta_pipeline": [], "test_dataloader": data})
    use_tta(cfg)
    assert cfg.model.to_dict() == {"type": "mmmaskformer.SemanticTTAModel", "module": {"type": "A"}}
    assert cfg.test_dataloader.dataset.pipeline == []


def test_tta_reaches_the_data_sets_inside_wrappers() -> None:
    parts = [{"type": "B", "pipeline": [1]}, {"type": "RepeatDataset", "dataset": {"type": "B", "pipeline": [1]}}]
    dataset = {"type": "ConcatDataset", "datasets": parts}
    cfg = Config({"model": {"type": "A"}, "tta_pipeline": [2], "test_dataloader": {"dataset": dataset}})
    use_tta(cfg)
    found = cfg.test_dataloader.dataset
    assert "pipeline" not in found
    assert [found.datasets[0].pipeline, found.datasets[1].dataset.pipeline] == [[2], [2]]


LOGITS, PROBABILITIES = (lambda scores: scores.softmax(0)), (lambda scores: scores)
FCN = dict(type="FCNHead", in_channels=32, in_index=3, channels=8, num_classes=CLASSES)
OCR = dict(type="OCRHead", in_channels=32, in_index=3, channels=8, ocr_channels=8, num_classes=CLASSES)


@pytest.mark.parametrize(
    ("segmentor", "head", "to_scores"),
    [
        ("EncoderDecoder", head_config("MaskFormerHead"), PROBABILITIES),
        (
            "EncoderDecoder",
            {**head_config("MaskFormerHead"), "type": "MaskFormerHead", "_scope_": "mmmaskformer"},
            PROBABILITIES,
        ),
        ("EncoderDecoder", head_config("PerPixelBaselineHead"), LOGITS),
        ("EncoderDecoder", peer_config("mmseg", CHANNELS, CLASSES, num_classes=CLASSES), PROBABILITIES),
        ("EncoderDecoder", FCN, LOGITS),
        ("CascadeEncoderDecoder", [FCN, OCR], LOGITS),
    ],
    ids=["ours", "ours by scope", "ours per pixel", "mmseg's MaskFormer", "FCN", "cascade"],
)
def test_mmsegs_tta_model_puts_a_softmax_on_logits_alone(segmentor: str, head: dict | list, to_scores) -> None:
    init_default_scope("mmseg")
    model = dict(type=segmentor, backbone=BACKBONE, decode_head=head, test_cfg=dict(mode="whole"))
    if isinstance(head, list):
        model["num_stages"] = len(head)
    data = {"test_dataloader": {"dataset": {"pipeline": [1]}}, "tta_pipeline": []}
    cfg = Config({"model": model, "tta_model": {"type": "SegTTAModel"}, **data})
    use_tta(cfg)
    scores = torch.rand(3, CLASSES, 6, 7, generator=torch.Generator().manual_seed(0))
    variants = [SegDataSample(seg_logits=PixelData(data=part), metainfo=dict(img_path="a.png")) for part in scores]
    (sample,) = MODELS.build(cfg.model).merge_preds([variants])
    expected = torch.stack([to_scores(part) for part in scores]).mean(0)
    assert torch.equal(sample.pred_sem_seg.data.squeeze(), expected.argmax(0))


def test_tta_of_segments_is_refused() -> None:
    with pytest.raises(UserError, match="--tta averages class scores"):
        use_tta(Config({"model": {"panoptic_head": {}}, "tta_pipeline": []}))


@pytest.mark.parametrize("launcher, process, starts", [("pytorch", 1, True), ("pytorch", 2, False), ("none", 2, True)])
def test_a_process_without_a_gpu_of_its_own_is_told_so(
    launcher: str, process: int, starts: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparation, "has_gpu", lambda: True)
    monkeypatch.setattr(preparation, "end_with_launcher", lambda: None)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("LOCAL_RANK", str(process))
    error = pytest.raises(UserError, match="process 2 of this machine has no GPU: 2 can be seen")
    with nullcontext() if starts else error:
        prepare_for_device(Config(), launcher)
