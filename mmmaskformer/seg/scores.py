"""What the scores of a decode head are: they are averaged as they are, or after a softmax."""

from __future__ import annotations

from mmseg.models.decode_heads import Mask2FormerHead, MaskFormerHead, SideAdapterCLIPHead
from torch import nn

from mmmaskformer.errors import UserError

PROBABILITY, LOGIT = "probability", "logit"
# mmseg's heads that multiply class and mask probabilities in `predict`, as MaskFormer does. Its others give logits.
PROBABILISTIC = (MaskFormerHead, Mask2FormerHead, SideAdapterCLIPHead)


def score_kind(head: nn.Module | type) -> str:
    """Return what ``head.predict`` gives for each class and pixel.

    A head says it in its attribute ``score_kind``. Without the attribute, mmseg's mask classification heads give
    probabilities and every other head gives logits. Of several heads in a row, as in mmseg's CascadeEncoderDecoder,
    the last one counts.

    Args:
        head: a decode head, a list of them, or the class of a head.

    Returns:
        ``"probability"``: values of at least 0, to be averaged as they are. ``"logit"``: the softmax over the classes
        comes first.

    Raises:
        UserError: the attribute has another value.
    """
    if isinstance(head, nn.ModuleList):
        head = head[-1]
    owner = head if isinstance(head, type) else type(head)
    default = PROBABILITY if issubclass(owner, PROBABILISTIC) else LOGIT
    kind = getattr(head, "score_kind", default)
    if kind not in (PROBABILITY, LOGIT):
        raise UserError(f"{owner.__name__}.score_kind is {kind!r}: must be {PROBABILITY!r} or {LOGIT!r}")
    return kind
