"""The fast models differ from the paper's in three parts and in nothing else."""

import pytest
from paper_configs import FAST, PATHS, built, config, head_of

from mmmaskformer.core import (
    LinearClassHead,
    MaskedAttentionDecoder,
    MaskPilots,
    PooledClassHead,
    PositionedPixelDecoder,
    TransformerDecoder,
)

# The paper has no Cityscapes model with R50.
PAIRS = [name for name in FAST if name != "maskformer-fast_r50_cityscapes.py"]


@pytest.mark.parametrize("name", PAIRS)
def test_a_fast_model_differs_in_decoder_class_head_and_weight_of_the_class_loss(name: str) -> None:
    paper = name.replace("maskformer-fast", "maskformer")
    both = [config(one).to_dict() for one in (name, paper)]
    left, right = ({key: cfg[key] for key in cfg if key not in ("model", "fast_head")} for cfg in both)
    assert left == right
    fast, reference = (head_of(built(one)) for one in (name, paper))
    assert isinstance(fast.transformer_decoder, MaskedAttentionDecoder)
    assert isinstance(fast.class_embed, PooledClassHead)
    assert isinstance(reference.transformer_decoder, TransformerDecoder)
    assert type(reference.class_embed) is LinearClassHead
    assert (fast.criterion.class_loss.loss_weight, reference.criterion.class_loss.loss_weight) == (2.0, 1.0)
    assert fast.criterion.assigner.class_costs[0].weight == reference.criterion.assigner.class_costs[0].weight
    for same in ("num_queries", "num_classes"):
        assert getattr(fast, same) == getattr(reference, same)
    assert {type(loss).__name__: loss.loss_weight for loss in fast.criterion.mask_losses} == {
        type(loss).__name__: loss.loss_weight for loss in reference.criterion.mask_losses
    }


def test_penn_fudan_tells_neighbors_apart_by_their_places_and_is_piloted() -> None:
    head = head_of(built("maskformer-fast_efficientnet-lite0_pennfudan.py"))
    assert isinstance(head.pixel_decoder, PositionedPixelDecoder)
    assert isinstance(head.pilots, MaskPilots)


def test_every_fast_config_stands_in_its_folder() -> None:
    assert len(FAST) == len(list(PATHS[FAST[0]].parent.iterdir())) == 12
