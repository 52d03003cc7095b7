"""Multi-scale and flip testing."""

import pytest
import torch
import torch.nn.functional as F
from mmengine.config import ConfigDict
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from peer_heads import peer_config
from tiny_models import BACKBONE, CHANNELS, CLASSES, SEGMENTORS, build_segmentor, head_config

ORIGINAL = (50, 70)
# The sizes an image was resized to, each with and without a flip.
SCALES = [(64, 96), (40, 56), (96, 128)]
PREPROCESSOR = dict(
    type="SegDataPreProcessor", mean=[0.0] * 3, std=[1.0] * 3, bgr_to_rgb=False, test_cfg=dict(size_divisor=32)
)


def augmented(flips: tuple[bool, ...] = (False, True), scales: list[tuple[int, int]] = SCALES) -> dict:
    """A batch of one image as TestTimeAug and pseudo_collate give it: outer list augmentations, inner list images."""
    generator = torch.Generator().manual_seed(5)
    inputs, samples = [], []
    for scale in scales:
        image = torch.randn(3, *scale, generator=generator)
        for flip in flips:
            inputs.append([image.flip(-1) if flip else image])
            meta = dict(img_shape=scale, ori_shape=ORIGINAL, flip=flip, flip_direction="horizontal" if flip else None)
            samples.append([SegDataSample(metainfo=meta)])
    return dict(inputs=inputs, data_samples=samples)


def by_hand(model, data: dict, to_scores) -> torch.Tensor:
    """Mean over augmentations of the scores at original size, each one padded, cropped, flipped back and resized."""
    total = 0
    for (image,), (sample,) in zip(data["inputs"], data["data_samples"]):
        height, width = image.shape[-2:]
        padded = F.pad(image, (0, -width % 32, 0, -height % 32))[None]
        meta = dict(img_shape=(height, width), pad_shape=tuple(padded.shape[-2:]))
        scores = model.decode_head.predict(model.extract_feat(padded), [meta], model.test_cfg)[..., :height, :width]
        scores = scores.flip(-1) if sample.flip else scores
        total = total + to_scores(F.interpolate(scores, size=ORIGINAL, mode="bilinear", align_corners=False)[0])
    return total / len(data["inputs"])


@pytest.mark.parametrize("segmentor", SEGMENTORS)
@pytest.mark.parametrize("flips", [(False,), (False, True)])
@pytest.mark.parametrize(
    ("head", "to_scores"),
    [
        ("MaskFormerHead", lambda scores: scores),
        ("PerPixelBaselineHead", lambda logits: logits.softmax(0)),
        ("PerPixelBaselinePlusHead", lambda logits: logits.softmax(0)),
    ],
)
def test_probabilities_are_averaged_over_scales_and_flips_at_original_size(
    segmentor: str, flips: tuple[bool, ...], head: str, to_scores
) -> None:
    module = build_segmentor(segmentor, head_config(head), data_preprocessor=PREPROCESSOR)
    tta = MODELS.build(ConfigDict(type="mmmaskformer.SemanticTTAModel", module=module)).eval()
    (sample,) = tta.test_step(augmented(flips))
    with torch.no_grad():
        expected = by_hand(module, augmented(flips), to_scores)
    assert torch.allclose(sample.seg_logits.data, expected, atol=1e-6)
    assert torch.equal(sample.pred_sem_seg.data[0], sample.seg_logits.data.argmax(0))
    assert len(sample.pred_sem_seg.data.unique()) > 1


def test_mmsegs_own_maskformer_gives_probabilities_that_are_averaged_as_they_are() -> None:
    head = peer_config("mmseg", CHANNELS, CLASSES, num_classes=CLASSES)
    module = dict(type="mmseg.EncoderDecoder", backbone=BACKBONE, decode_head=head, data_preprocessor=PREPROCESSOR)
    tta = MODELS.build(ConfigDict(type="mmmaskformer.SemanticTTAModel", module=module)).eval()
    scales = [(64, 96), (32, 64)]  # mmseg's head knows nothing of padding
    (sample,) = tta.test_step(augmented(scales=scales))
    with torch.no_grad():
        expected = by_hand(tta.module, augmented(scales=scales), lambda scores: scores)
    assert torch.allclose(sample.seg_logits.data, expected, atol=1e-6)


def test_the_one_channel_of_a_binary_head_is_compared_with_its_threshold() -> None:
    head = dict(
        type="mmseg.FCNHead", in_channels=32, in_index=3, channels=8, num_classes=2, out_channels=1, threshold=0.6
    )
    head["loss_decode"] = dict(type="CrossEntropyLoss", use_sigmoid=True)
    module = build_segmentor("mmseg.EncoderDecoder", head, data_preprocessor=PREPROCESSOR)
    tta = MODELS.build(ConfigDict(type="mmmaskformer.SemanticTTAModel", module=module)).eval()
    variants = [SegDataSample(seg_logits=PixelData(data=torch.tensor([[row]]))) for row in ([0.9, 0.2], [0.5, 0.4])]
    (sample,) = tta.merge_preds([variants])
    assert torch.allclose(sample.seg_logits.data, torch.tensor([[[0.7, 0.3]]]))
    assert sample.pred_sem_seg.data.tolist() == [[[1, 0]]]


def test_the_model_inside_is_built_from_its_config() -> None:
    module = dict(
        type="mmmaskformer.MaskFormerSegmentor",
        data_preprocessor=PREPROCESSOR,
        backbone=BACKBONE,
        decode_head=head_config(),
        test_cfg=dict(mode="whole"),
    )
    tta = MODELS.build(ConfigDict(type="mmmaskformer.SemanticTTAModel", module=module)).eval()
    (sample,) = tta.test_step(augmented())
    assert tuple(sample.pred_sem_seg.data.shape) == (1, *ORIGINAL)
