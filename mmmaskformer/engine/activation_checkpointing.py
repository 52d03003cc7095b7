"""Activation checkpointing: a module runs again in the backward pass, so that its activations need not be kept."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from torch import nn
from torch.utils.checkpoint import checkpoint


def checkpointed(forward: Callable) -> Callable:
    """Wrap a module's ``forward`` as MMEngine's ``activation_checkpointing`` asks for it.

    MMEngine's own wrapper takes torch's reentrant checkpoint, which loses the gradients of every parameter where no
    input requires a gradient (a whole backbone) or where inputs or outputs lie in lists and data classes (a pixel
    decoder, a head), and it takes no keyword arguments.

    Args:
        forward: bound method of a module, or a wrapper of it that says so in ``__wrapped__``.
    """
    method = forward
    while not hasattr(method, "__self__"):
        method = method.__wrapped__

    @functools.wraps(forward)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        def contexts() -> tuple:
            return nullcontext(), unchanged_statistics(method.__self__)

        return checkpoint(forward, *args, use_reentrant=False, context_fn=contexts, **kwargs)

    return wrapper


@contextmanager
def unchanged_statistics(module: nn.Module) -> Iterator[None]:
    """Keep a second forward pass in the block from counting in running means and variances.

    Args:
        module: its buffers, and those of its children, are put back as they were.
    """
    kept = []
    for child in module.modules():
        # Buffers of a module in evaluation do not change.
        for name, buffer in list(child.named_buffers(recurse=False)) if child.training else ():
            kept.append((child, name, buffer))
            setattr(child, name, buffer.clone())
    try:
        yield
    finally:
        for child, name, buffer in kept:
            setattr(child, name, buffer)
