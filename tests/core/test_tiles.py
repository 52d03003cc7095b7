"""Tiles of rows: what they leave alone, and in which precision they are made."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from mmmaskformer.core import tiles as module
from mmmaskformer.core.tiles import ORDERS, OutputGeometry, tiles

LAYOUTS: dict[str, Callable[[], Tensor]] = {
    "one query": lambda: torch.randn(1, 8, 12),
    "masks of one pixel": lambda: torch.randn(5, 1, 1),
    "masks of one row": lambda: torch.randn(1, 1, 12),
    "queries last in memory": lambda: torch.randn(8, 12, 5).permute(2, 0, 1),
    "many queries": lambda: torch.randn(5, 8, 12),
}
LOW = [torch.bfloat16, torch.float16]


def whole(logits: Tensor, geometry: OutputGeometry, order: str, **options: object) -> Tensor:
    """Sigmoids (H', W', Q), made in place, of all tiles together."""
    return torch.cat([scores for _, scores in tiles(logits, geometry, Tensor.sigmoid_, order, **options)])


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("scale", [1, 3])
def test_the_callers_logits_stay_and_get_one_sigmoid(layout, order, scale, monkeypatch):
    monkeypatch.setattr(module, "rows_per_tile", lambda *args: 2)  # resized rows are read by two tiles
    logits = LAYOUTS[layout]()
    before, size = logits.clone(), tuple(logits.shape[1:])
    geometry = OutputGeometry(size, (0, 0, *size), (scale * size[0], scale * size[1]))
    found = whole(logits, geometry, order)
    assert torch.equal(logits, before)
    resized, probable = (
        F.interpolate(x[None], size=geometry.output_size, mode="bilinear", align_corners=False)[0]
        for x in (before, before.sigmoid())
    )
    expected = probable if order == "scores" else resized.sigmoid()
    torch.testing.assert_close(found, expected.permute(1, 2, 0))


@pytest.mark.parametrize("dtype", LOW)
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("resized", [False, True])
def test_autocast_changes_nothing_and_low_logits_are_scored_in_fp32(dtype, order, resized):
    logits, weights = torch.randn(5, 8, 12).to(dtype), torch.rand(5, 3)
    geometry = OutputGeometry((32, 48), (3, 5, 25, 41), (77, 60)) if resized else OutputGeometry.plain((8, 12))

    def scores(logits: Tensor) -> Tensor:
        return torch.cat([part for _, part in tiles(logits, geometry, lambda x: x.sigmoid_() @ weights, order)])

    expected = scores(logits.float())
    with torch.autocast("cpu", dtype=dtype):
        found = scores(logits)
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype  # the caller's own context is still there
    assert torch.equal(found, expected)


def test_double_logits_are_scored_in_double():
    logits = torch.randn(5, 8, 12, dtype=torch.float64)
    found = whole(logits, OutputGeometry.plain((32, 48)), "mask_logits")
    expected = F.interpolate(logits[None], size=(32, 48), mode="bilinear", align_corners=False)[0].sigmoid()
    torch.testing.assert_close(found, expected.permute(1, 2, 0), rtol=1e-12, atol=1e-12)
