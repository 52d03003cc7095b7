"""What runs around a model: hooks."""

from .hooks import DatasetMetaCheckHook

__all__ = ["DatasetMetaCheckHook"]
