"""Weights by name: published models are fetched, checked, converted and cached."""

from .names import find_checkpoint, find_model, find_source
from .released import LICENSE, ReleasedModel, released_models

__all__ = ["LICENSE", "ReleasedModel", "find_checkpoint", "find_model", "find_source", "released_models"]
