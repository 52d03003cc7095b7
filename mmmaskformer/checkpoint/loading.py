"""How MMEngine reads checkpoints, in every program that imports this package.

It calls ``torch.load``, which accepts its files only if more classes are made safe for the whole process. For addresses
on the web it says ``weights_only=False``, which runs code; the onedl fork falls back to that for all files.
"""

from __future__ import annotations

import os
from http.client import HTTPException
from types import ModuleType
from typing import Any, BinaryIO
from urllib.parse import urlparse

import torch
from safetensors.torch import load_file

from mmmaskformer.errors import UserError

from .torch_files import BEGINNING, MapLocation, is_torch_file, load_torch


def load(file: str | os.PathLike | BinaryIO, map_location: MapLocation = None, **_: Any) -> Any:
    """In place of ``torch.load``: a file of ``torch.save`` or of safetensors.

    Args:
        file: a path, or an open file.
        map_location: as for ``torch.load``.
        **_: ``weights_only`` and the like, which change nothing.

    Raises:
        UserError: it holds anything but plain data, is damaged, or is of another format.
    """
    if not isinstance(file, str | os.PathLike):
        return load_torch(file, map_location)
    with open(file, "rb") as opened:
        start = opened.read(BEGINNING)
    if is_torch_file(start):
        return load_torch(file, map_location)
    if start[8:9] == b"{":
        return load_file(file, str(map_location) if isinstance(map_location, str | torch.device) else "cpu")
    raise UserError(
        f"checkpoint {file} is of no format that MMEngine reads (it begins with {start!r}); "
        "tools/model_converters/convert.py reads Detectron2's"
    )


def load_url(
    url: str,
    model_dir: str | None = None,
    map_location: MapLocation = None,
    progress: bool = True,
    check_hash: bool = False,
    file_name: str | None = None,
    **_: Any,
) -> Any:
    """In place of ``torch.hub.load_state_dict_from_url``: the same file is kept under the same name in the same folder.

    Args:
        url: where the file is.
        model_dir: where it is kept; by default ``checkpoints`` in torch.hub's folder.
        map_location: as for ``torch.load``.
        progress: show a bar.
        check_hash: compare the file's hash with the one in its name, ``NAME-HASH.pth``.
        file_name: to keep it under; by default as it is called there.
        **_: ``weights_only``, which changes nothing.

    Raises:
        UserError: as for :func:`load`, or the file cannot be fetched.
    """
    folder = model_dir or os.path.join(torch.hub.get_dir(), "checkpoints")
    os.makedirs(folder, exist_ok=True)
    name = file_name or os.path.basename(urlparse(url).path)
    path = os.path.join(folder, name)
    if not os.path.exists(path):
        found = torch.hub.HASH_REGEX.search(name) if check_hash else None
        try:
            torch.hub.download_url_to_file(url, path, found and found[1], progress=progress)
        except (OSError, HTTPException) as error:  # URLError, timeouts and connections that break are OSErrors
            reason = str(error).strip().partition("\n")[0] or type(error).__name__
            raise UserError(
                f"weights {url} cannot be fetched ({reason}): put the file at {path}, or name it in the config as "
                "checkpoint, for instance with --cfg-options model.backbone.init_cfg.checkpoint=FILE"
            ) from error
    return load(path, map_location)


class TorchThatLoadsData(ModuleType):
    """``torch`` as MMEngine's checkpoint module is to see it: all of it, with ``load`` in place of its own."""

    load = staticmethod(load)

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)
