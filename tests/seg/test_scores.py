"""A head says whether its scores are probabilities or logits."""

import pytest
from mmseg.models.decode_heads import FCNHead, Mask2FormerHead, MaskFormerHead
from mmseg.registry import MODELS
from torch import nn

from mmmaskformer.errors import UserError
from mmmaskformer.seg import scores
from mmmaskformer.seg.scores import score_kind


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (MODELS.get("mmmaskformer.MaskFormerHead"), "probability"),
        (MODELS.get("mmmaskformer.PerPixelBaselineHead"), "logit"),
        (MODELS.get("mmmaskformer.PerPixelBaselinePlusHead"), "logit"),
        (MaskFormerHead, "probability"),
        (Mask2FormerHead, "probability"),
        (FCNHead, "logit"),
        (type("Derived", (MaskFormerHead,), {}), "probability"),
        (type("OfAUser", (FCNHead,), {"score_kind": "probability"}), "probability"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_the_kind_is_the_heads_own_or_known_of_its_class(head: type, kind: str) -> None:
    assert score_kind(head) == kind


def test_of_several_heads_the_last_one_counts() -> None:
    first, last = nn.Identity(), nn.Identity()
    last.score_kind = scores.PROBABILITY
    assert score_kind(nn.ModuleList([first, last])) == "probability"
    assert score_kind(nn.ModuleList([last, first])) == "logit"


def test_a_kind_that_does_not_exist_is_refused() -> None:
    with pytest.raises(UserError, match="Odd.score_kind is 'softmax': must be 'probability' or 'logit'"):
        score_kind(type("Odd", (nn.Module,), {"score_kind": "softmax"}))
