"""Mask-piloted training: extra queries that are given their segments."""

import pytest
import torch

from mmmaskformer.core import MaskCriterion, MaskTransformer
from mmmaskformer.structures import SegmentTargets

CHANNELS = 16


def model(**changes) -> MaskTransformer:
    torch.manual_seed(0)
    decoder = dict(
        type="mmmaskformer.MaskedAttentionDecoder", num_layers=3, num_heads=2, feedforward_channels=16, num_scales=2
    )
    pixel_decoder = dict(type="mmmaskformer.FPNPixelDecoder", norm_groups=4)
    arguments = dict(in_channels=[4, 8, 8], num_classes=3, num_queries=5, channels=CHANNELS)
    arguments.update(
        pixel_decoder=pixel_decoder, transformer_decoder=decoder, pilots=dict(type="mmmaskformer.MaskPilots")
    )
    built = MaskTransformer(**{**arguments, **changes})
    built.init_weights()
    return built


def inputs() -> tuple[list[torch.Tensor], SegmentTargets]:
    torch.manual_seed(1)
    features = [torch.randn(2, c, size, size) for c, size in ((4, 16), (8, 8), (8, 4))]
    masks = torch.rand(3, 64, 64) > 0.5
    return features, SegmentTargets(torch.tensor([0, 1, 2]), masks, [2, 1])


def test_ordinary_queries_predict_the_same_with_and_without_pilots():
    built, (features, targets) = model(), inputs()
    alone, piloted = built(features), built(features, targets=targets)
    torch.testing.assert_close(piloted.class_logits, alone.class_logits)
    torch.testing.assert_close(piloted.mask_embeds, alone.mask_embeds)
    assert alone.pilots is None
    # Two segments in the first image, so two pilots each; layers are counted without the one before the first.
    assert piloted.pilots.predictions.mask_embeds.shape == (3, 2, 2, CHANNELS)
    assert piloted.pilots.matching.tolist() == [0, 1, 0]


def test_a_pilot_sees_the_pixels_of_its_segment_alone():
    built, (features, targets) = model(), inputs()
    targets.masks[:] = False
    targets.masks[:, :32, :32] = True
    for layer in built.transformer_decoder.layers:  # pilots see the ordinary queries, which see everything
        torch.nn.init.zeros_(layer.self_attn.out_proj.weight)
    pixels, memory = built.read(features)
    pilots = built.pilots(targets, [scale.size for scale in memory])
    assert [int((~hidden[0, 0]).sum()) for hidden in pilots.background] == [4, 16]  # strides 16 and 8
    assert pilots.background[0][1, 1].all()  # the second image has one segment

    def mask_embeds() -> torch.Tensor:
        return built.decode(pixels, memory, pilots=pilots)[1][:, 0]

    before = mask_embeds()
    for scale, hidden in zip(memory, pilots.background):
        scale.pixels = torch.where(hidden[0, 0, :, None], scale.pixels + 5.0, scale.pixels)
    torch.testing.assert_close(mask_embeds()[:, 5:], before[:, 5:])
    assert (mask_embeds()[1:, :5] - before[1:, :5]).abs().max() > 1e-3


def test_pilots_are_trained_on_their_own_segments_with_the_losses_of_queries():
    built, (features, targets) = model(), inputs()
    criterion = MaskCriterion(num_classes=3)
    predictions = built(features, targets=targets)
    losses = criterion(predictions, targets)
    piloted = {name for name in losses if name.startswith("pilot.")}
    kinds = ("loss_cls", "loss_mask", "loss_dice")
    assert piloted == {f"pilot.{layer}{kind}" for layer in ("", "d0.", "d1.") for kind in kinds}
    # The same as for queries that a perfect matching gives to these segments.
    criterion.assigner = lambda _, targets: torch.tensor([[0, 1, 0]]).expand(3, -1)
    for name, value in criterion(predictions.pilots.predictions, targets).items():
        torch.testing.assert_close(losses[f"pilot.{name}"], value)
    sum(losses.values()).backward()
    assert all(parameter.grad is not None for parameter in built.parameters())


def test_a_batch_without_segments_uses_the_same_parameters():
    built, (features, _) = model(), inputs()
    empty = SegmentTargets(torch.zeros(0, dtype=torch.long), torch.zeros(0, 64, 64, dtype=torch.bool), [0, 0])
    sum(MaskCriterion(num_classes=3)(built(features, targets=empty), empty).values()).backward()
    assert all(parameter.grad is not None for parameter in built.parameters())


def test_label_noise_replaces_that_share_of_the_classes():
    built = model(pilots=dict(type="mmmaskformer.MaskPilots", label_noise=1.0))
    many = SegmentTargets(torch.zeros(600, dtype=torch.long), torch.zeros(600, 4, 4, dtype=torch.bool), [600])
    found = built.pilots(many, [(2, 2)]).queries[0]
    shares = [(found == embedding).all(-1).float().mean() for embedding in built.pilots.label_embed.weight]
    torch.testing.assert_close(torch.stack(shares), torch.tensor([1 / 3, 1 / 3, 1 / 3, 0.0]), atol=0.1, rtol=0)


def test_a_decoder_without_masked_attention_refuses_pilots():
    decoder = dict(type="mmmaskformer.TransformerDecoder", num_layers=1, num_heads=2, feedforward_channels=16)
    with pytest.raises(ValueError, match="TransformerDecoder has no masked attention"):
        model(transformer_decoder=decoder)


@pytest.mark.parametrize("noise", [-0.1, 1.5])
def test_noise_that_is_no_share_is_refused(noise):
    with pytest.raises(ValueError, match="label_noise="):
        model(pilots=dict(type="mmmaskformer.MaskPilots", label_noise=noise))
