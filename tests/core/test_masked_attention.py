"""Masked attention with the weights of two other implementations: transformers' and mmdet's."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from unittest.mock import patch

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.model import BaseModule
from mmengine.registry import MODELS as ROOT
from torch import Tensor, nn

from mmmaskformer.core import MaskedAttentionDecoder, MaskTransformer, masked_attention
from mmmaskformer.core.masked_attention import MaskedCrossAttention, hidden_pixels
from mmmaskformer.pixels import PixelEmbeddings, PixelFeatures
from mmmaskformer.registry import MODELS

WIDTH, HEADS, LAYERS, QUERIES, CLASSES = 32, 4, 9, 7, 5
SIZES = [(3, 5), (5, 9), (9, 17), (17, 33)]  # odd, coarsest first; the last is the pixel embeddings'


@MODELS.register_module()
class GivenFeatures(BaseModule):
    """A pixel decoder without layers: its inputs are its results, coarsest first."""

    def __init__(self, in_channels: Sequence[int], channels: int, mask_dim: int) -> None:
        super().__init__()
        self.map_channels = [channels] * 3

    def forward(self, features: Sequence[Tensor], padding_mask: Tensor | None = None) -> PixelFeatures:
        *maps, pixels = features
        return PixelFeatures(PixelEmbeddings(pixels), maps[0], maps)


def our_model(dtype: torch.dtype) -> MaskTransformer:
    model = MaskTransformer(
        in_channels=[WIDTH] * 4,
        num_classes=CLASSES,
        num_queries=QUERIES,
        channels=WIDTH,
        pixel_decoder=dict(type="mmmaskformer.GivenFeatures"),
        transformer_decoder=dict(
            type="mmmaskformer.MaskedAttentionDecoder",
            num_layers=LAYERS,
            num_heads=HEADS,
            feedforward_channels=64,
        ),
    )
    return model.to(dtype).eval()


def renamed(state: dict[str, Tensor], names: Sequence[tuple[str, str]]) -> dict[str, Tensor]:
    for theirs, ours in names:
        state = {key.replace(theirs, ours): value for key, value in state.items()}
    return state


@dataclass
class Peer:
    """Another implementation.

    Attributes:
        module: its parameters.
        predict: features -> class logits and mask logits of each layer.
        ours: tensors under its names -> under ours.
    """

    module: nn.Module
    predict: Callable[[Sequence[Tensor]], tuple[Sequence[Tensor], Sequence[Tensor]]]
    ours: Callable[[dict[str, Tensor]], dict[str, Tensor]]


def transformers_peer(dtype: torch.dtype) -> Peer:
    from transformers import Mask2FormerConfig
    from transformers.models.mask2former.modeling_mask2former import Mask2FormerTransformerModule

    sizes = dict(hidden_dim=WIDTH, mask_feature_size=WIDTH, dim_feedforward=64, num_attention_heads=HEADS)
    config = Mask2FormerConfig(**sizes, num_queries=QUERIES, decoder_layers=LAYERS + 1, dropout=0.0)
    module = Mask2FormerTransformerModule(WIDTH, config)
    module.class_predictor = nn.Linear(WIDTH, CLASSES + 1)
    module = module.to(dtype).eval()

    def predict(features: Sequence[Tensor]) -> tuple[Sequence[Tensor], Sequence[Tensor]]:
        *maps, pixels = features
        found = module(maps, pixels)
        classes = [module.class_predictor(state.transpose(0, 1)) for state in found.intermediate_hidden_states]
        return classes, found.masks_queries_logits

    names = [
        ("queries_features", "query_feat"),
        ("queries_embedder", "query_embed"),
        ("class_predictor", "class_embed"),
        ("decoder.mask_predictor.mask_embedder.", "mask_embed.layers."),
        ("decoder.", "transformer_decoder."),
        ("level_embed", "transformer_decoder.level_embed"),
        (".layernorm.", ".norm."),
        ("cross_attn_layer_norm", "norm1"),
        ("self_attn_layer_norm", "norm2"),
        ("final_layer_norm", "norm3"),
        (".fc", ".linear"),
    ]

    def our_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
        state = dict(state)
        for layer in range(LAYERS):
            prefix = f"decoder.layers.{layer}.self_attn."
            for kind in ("weight", "bias"):
                parts = [state.pop(f"{prefix}{part}_proj.{kind}") for part in "qkv"]
                state[f"{prefix}in_proj_{kind}"] = torch.cat(parts)
        return {_without_sequential(key): value for key, value in renamed(state, names).items()}

    return Peer(module, predict, our_names)


def _without_sequential(key: str) -> str:
    """transformers wraps each layer of the mask head in a sequence of one."""
    parts = key.split(".")
    return ".".join(parts[:3] + parts[4:]) if key.startswith("mask_embed.") else key


def mmdet_peer(dtype: torch.dtype) -> Peer:
    attention = dict(embed_dims=WIDTH, num_heads=HEADS, dropout=0.0, batch_first=True)
    ffn = dict(embed_dims=WIDTH, feedforward_channels=64, num_fcs=2, ffn_drop=0.0, act_cfg=dict(type="ReLU"))
    decoder = dict(num_layers=LAYERS, layer_cfg=dict(self_attn_cfg=attention, cross_attn_cfg=attention, ffn_cfg=ffn))
    config = dict(
        type="mmdet.Mask2FormerHead",
        in_channels=[WIDTH] * 4,
        feat_channels=WIDTH,
        out_channels=WIDTH,
        num_things_classes=CLASSES,
        num_stuff_classes=0,
        num_queries=QUERIES,
        pixel_decoder=dict(
            type="mmdet.MSDeformAttnPixelDecoder",
            norm_cfg=dict(type="GN", num_groups=8),
            encoder=dict(
                num_layers=1,
                layer_cfg=dict(self_attn_cfg=dict(embed_dims=WIDTH, num_levels=3), ffn_cfg=ffn),
            ),
            positional_encoding=dict(num_feats=WIDTH // 2, normalize=True),
        ),
        transformer_decoder=dict(return_intermediate=True, init_cfg=None, **decoder),
        positional_encoding=dict(num_feats=WIDTH // 2, normalize=True),
        loss_cls=dict(type="mmdet.CrossEntropyLoss", class_weight=[1.0] * CLASSES + [0.1]),
        loss_mask=dict(type="mmdet.CrossEntropyLoss", use_sigmoid=True),
        loss_dice=dict(type="mmdet.DiceLoss", use_sigmoid=True, activate=True, naive_dice=True, eps=1.0),
    )
    module = ROOT.build(ConfigDict(config)).to(dtype).eval()
    module.pixel_decoder = _Given()
    # Theirs computes positions in fp32 whatever the model's precision.
    positions = our_model(dtype).positional_encoding
    module.decoder_positional_encoding = _Positions(positions, dtype)

    def predict(features: Sequence[Tensor]) -> tuple[Sequence[Tensor], Sequence[Tensor]]:
        return module(list(features), [])

    names = [
        ("cls_embed", "class_embed"),
        ("transformer_decoder.post_norm", "transformer_decoder.norm"),
        ("level_embed", "transformer_decoder.level_embed"),
        ("attn.attn.", "attn."),
        ("ffn.layers.0.0.", "linear1."),
        ("ffn.layers.1.", "linear2."),
        *((f"norms.{index}.", f"norm{index + 1}.") for index in range(3)),
        *((f"mask_embed.{index}.", f"mask_embed.layers.{index // 2}.") for index in (0, 2, 4)),
    ]
    return Peer(module, predict, lambda state: renamed(state, names))


class _Given(nn.Module):
    def forward(self, features: Sequence[Tensor]) -> tuple[Tensor, Sequence[Tensor]]:
        return features[-1], features[:-1]


class _Positions(nn.Module):
    def __init__(self, positions: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.positions = positions
        self.dtype = dtype

    def forward(self, padding: Tensor) -> Tensor:
        return self.positions(torch.zeros(1, 1, *padding.shape[-2:], dtype=self.dtype)).expand(len(padding), -1, -1, -1)


PEERS = pytest.mark.parametrize("peer", [transformers_peer, mmdet_peer], ids=["transformers", "mmdet"])


def pair(peer: Callable[[torch.dtype], Peer], dtype: torch.dtype) -> tuple[MaskTransformer, Peer]:
    torch.manual_seed(3)
    theirs = peer(dtype)
    ours = our_model(dtype)
    ours.load_state_dict(theirs.ours(theirs.module.state_dict()))
    return ours, theirs


def features(dtype: torch.dtype, seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    *maps, pixels = [torch.randn(2, WIDTH, *size, generator=generator, dtype=torch.float64) for size in SIZES]
    # A part that all pixels share makes some masks empty, others full.
    pixels += 2.0 * torch.randn(1, WIDTH, 1, 1, generator=generator, dtype=torch.float64)
    return [x.to(dtype) for x in (*maps, pixels)]


@contextmanager
def attention_masks() -> Iterator[list[Tensor]]:
    """Collects the background of every layer's masks."""
    found: list[Tensor] = []

    def spy(background: Tensor, padding: Tensor | None) -> Tensor:
        found.append(background)
        return hidden_pixels(background, padding)

    with patch.object(masked_attention, "hidden_pixels", spy):
        yield found


@PEERS
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-4)])
@torch.no_grad()
def test_every_layers_class_and_mask_logits_agree(peer, dtype: torch.dtype, tolerance: float) -> None:
    ours, theirs = pair(peer, dtype)
    x = features(dtype)
    with attention_masks() as masks:
        predictions = ours(x)
    classes, mask_logits = theirs.predict(x)
    assert predictions.num_layers == len(classes) == len(mask_logits) == LAYERS + 1
    for layer in range(LAYERS + 1):
        for actual, expected in (
            (predictions.class_logits[layer], classes[layer]),
            (predictions.mask_logits(layer), mask_logits[layer]),
        ):
            assert (actual - expected).abs().max() <= tolerance * expected.abs().max(), f"prediction {layer}"
    empty = [mask.all(-1) for mask in masks]
    assert any(layer.any() for layer in empty), "no query had an empty mask"
    assert any((mask.any(-1) & ~mask.all(-1)).any() for mask in masks), "no query had a mask with a border"


@PEERS
def test_gradients_agree_through_a_plain_sum(peer) -> None:
    ours, theirs = pair(peer, torch.float64)

    def total_of_ours(x: Sequence[Tensor]) -> Tensor:
        predictions = ours(x)
        return predictions.class_logits.sum() + sum(predictions.mask_logits(i).sum() for i in range(LAYERS + 1))

    def total_of_theirs(x: Sequence[Tensor]) -> Tensor:
        return sum(logits.sum() for kind in theirs.predict(x) for logits in kind)

    gradients = []
    for module, total in ((ours, total_of_ours), (theirs.module, total_of_theirs)):
        x = [feature.requires_grad_() for feature in features(torch.float64)]
        total(x).backward()
        named = {name: parameter.grad for name, parameter in module.named_parameters()}
        gradients.append(named if module is ours else theirs.ours(named))
        gradients[-1].update({f"feature {index}": feature.grad for index, feature in enumerate(x)})
    assert gradients[0].keys() == gradients[1].keys()
    for name, expected in gradients[1].items():
        assert (gradients[0][name] - expected).abs().max() <= 1e-8 * max(1.0, float(expected.abs().max())), name


@torch.no_grad()
def test_masking_changes_the_output() -> None:
    ours, _ = pair(transformers_peer, torch.float64)
    x = features(torch.float64)
    with patch.object(masked_attention, "hidden_pixels", lambda background, padding: torch.zeros_like(background)):
        unmasked = ours(x)
    assert (ours(x).class_logits - unmasked.class_logits)[1:].abs().max() > 0.01


@torch.no_grad()
def test_the_last_layer_alone_is_the_last_of_all() -> None:
    model, x = our_model(torch.float64), features(torch.float64)
    every, last = model(x), model(x, last_only=True)
    assert last.num_layers == 1
    assert torch.equal(last.class_logits[0], every.class_logits[-1])


def test_an_empty_mask_sees_every_pixel_but_padding() -> None:
    background = torch.tensor([[[True, False, True], [True, True, True]]])
    assert hidden_pixels(background, None).tolist() == [[[True, False, True], [False, False, False]]]
    padding = torch.tensor([[False, True, False]])
    # The first query's mask lies in the padding alone, so it is empty as well.
    assert hidden_pixels(background, padding).tolist() == [[[False, True, False]] * 2]


def test_a_padded_image_is_predicted_as_without_its_padding() -> None:
    torch.manual_seed(0)
    model = our_model(torch.float64)
    model.mask_padding = True
    alone = [torch.randn(1, WIDTH, 4 * 2**i, 4 * 2**i, dtype=torch.float64) for i in range(4)]
    padded = [torch.nn.functional.pad(x, (0, x.shape[-1])) for x in alone]
    padding = torch.zeros(1, 128, 256, dtype=torch.bool)
    padding[..., 128:] = True
    actual, expected = model(padded, padding), model(alone, torch.zeros(1, 128, 128, dtype=torch.bool))
    torch.testing.assert_close(actual.class_logits, expected.class_logits)


@pytest.mark.parametrize("layers", [1, 2, 4])
def test_every_parameter_is_trained_however_few_layers_there_are(layers: int) -> None:
    decoder = MaskedAttentionDecoder(16, num_layers=layers, num_heads=2, feedforward_channels=16)
    assert decoder.num_scales == min(layers, 3)


def test_a_pixel_decoder_without_maps_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"MaskedAttentionDecoder reads 3 maps .* FPNPixelDecoder has 1 .*num_scales"):
        MaskTransformer([8, 16], 5, channels=32, transformer_decoder=dict(type="mmmaskformer.MaskedAttentionDecoder"))


def test_only_its_inputs_are_kept_for_the_backward_pass_and_no_keys_and_values() -> None:
    attention = MaskedCrossAttention(16, 2, 0.0, batch_first=True)
    memory = torch.randn(2, 50, 16, requires_grad=True)
    hidden = torch.zeros(2, 3, 50, dtype=torch.bool)
    inputs = (torch.randn(2, 3, 16), memory, torch.randn(1, 50, 16), torch.randn(16), hidden)
    kept: list[Tensor] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda x: kept.append(x) or x, lambda x: x):
        attended = attention(*inputs)
    assert {x.data_ptr() for x in kept if 50 in x.shape} <= {x.data_ptr() for x in inputs}
    attended.sum().backward()
    assert memory.grad.abs().max() > 0
