"""What every loss of matched segments has: a weight and a name in the log."""

from __future__ import annotations

from mmengine.model import BaseModule

from mmmaskformer.errors import UserError


class WeightedLoss(BaseModule):
    """A loss that the criterion weighs and logs.

    Args:
        loss_weight: factor in the total.
        loss_name: key in the log; must hold "loss" for MMEngine to add it to the total.
    """

    def __init__(self, loss_weight: float, loss_name: str) -> None:
        super().__init__()
        if "loss" not in loss_name:
            raise UserError(f"{type(self).__name__}: loss_name={loss_name!r} must contain 'loss' to be trained")
        self.loss_weight = loss_weight
        self.loss_name = loss_name
