"""What the extra ``export`` brings, and an error that says so where it is absent."""

from __future__ import annotations

import importlib
from types import ModuleType

from mmmaskformer.errors import UserError


def require(name: str) -> ModuleType:
    """Return a package of the extra.

    Raises:
        UserError: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise UserError(f"{name} is not installed; ONNX needs the extra: pip install 'mmmaskformer[export]'") from error
