"""Sine positions and the decoder."""

import pytest
import torch
from mmdet.models.layers import SinePositionalEncoding as MmdetPositions

from mmmaskformer.core import SinePositionalEncoding, TransformerDecoder
from mmmaskformer.core.memory import Memory


def test_positions_with_padding_equal_mmdets_which_run_over_the_valid_area():
    padding = torch.zeros(2, 5, 7, dtype=torch.bool)
    padding[0, 3:] = True
    padding[1, :, 4:] = True
    ours = SinePositionalEncoding(16)(torch.zeros(2, 3, 5, 7), padding)
    torch.testing.assert_close(ours, MmdetPositions(8, normalize=True)(padding), atol=1e-6, rtol=1e-5)


def test_positions_without_padding_are_one_map_for_the_whole_batch():
    ours = SinePositionalEncoding(16)(torch.zeros(2, 3, 5, 7))
    torch.testing.assert_close(ours, MmdetPositions(8, normalize=True)(torch.zeros(1, 5, 7, dtype=torch.bool)))


def test_keys_that_are_padding_do_not_change_the_output():
    torch.manual_seed(0)
    decoder = TransformerDecoder(16, num_layers=2, num_heads=4, feedforward_channels=32).eval()
    queries, memory, positions = torch.randn(1, 3, 16), torch.randn(1, 6, 16), torch.randn(1, 6, 16)
    padding = torch.tensor([[False] * 4 + [True] * 2])
    changed = memory.clone()
    changed[:, 4:] += 100

    def outputs(pixels: torch.Tensor) -> torch.Tensor:
        return decoder(torch.zeros_like(queries), queries, [Memory(pixels, positions, padding, (2, 3))])

    torch.testing.assert_close(outputs(memory), outputs(changed))
    assert outputs(memory).shape == (2, 1, 3, 16)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (dict(num_layers=0), "num_layers=0, expected at least 1"),
        (dict(num_heads=3), "num_heads=3 must divide channels=16"),
        (dict(feedforward_channels=-1), "feedforward_channels=-1"),
    ],
)
def test_sizes_that_cannot_be_are_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        TransformerDecoder(16, **{"num_heads": 4, **arguments})


def test_position_channels_must_be_a_multiple_of_four():
    with pytest.raises(ValueError, match="channels=10"):
        SinePositionalEncoding(10)
