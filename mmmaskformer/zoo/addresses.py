"""Where files are fetched from: the published address or a mirror, by https only."""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from mmmaskformer.errors import UserError

MIRROR_VARIABLE = "MMMASKFORMER_MIRROR"


def is_loopback(url: str) -> bool:
    """Whether an address is on this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_address(url: str, source: str | None = None) -> None:
    """Accept https, and http on this machine.

    Args:
        url: the address.
        source: the address that redirected to it, if any. From https a redirect must lead to https.

    Raises:
        UserError: the address is of another kind.
    """
    scheme = urlsplit(url).scheme
    plain = scheme == "http" and is_loopback(url) and (source is None or urlsplit(source).scheme == "http")
    if scheme != "https" and not plain:
        origin = f"{source} redirects to {url}" if source else url
        raise UserError(f"{origin}: only https is allowed, and http on this machine, so that nothing can be replaced")


def mirror() -> str | Path | None:
    """Return what ``MMMASKFORMER_MIRROR`` says: an address, a folder, or None.

    Raises:
        UserError: it is neither.
    """
    value = os.environ.get(MIRROR_VARIABLE)
    if not value:
        return None
    parts = urlsplit(value)
    if parts.scheme in ("http", "https"):
        try:
            check_address(value)
        except UserError as error:
            raise UserError(f"{MIRROR_VARIABLE}={error}") from error
        return value.rstrip("/")
    folder = Path(url2pathname(parts.path) if parts.scheme == "file" else value).expanduser()
    if not folder.is_dir():
        raise UserError(f"{MIRROR_VARIABLE}={value} is neither an address that begins with https:// nor a folder")
    return folder


def locate(url: str) -> str | Path:
    """Where to get a file from: its address, the same path on a mirror, or a file in a mirror folder.

    In a folder, the file may have the address's path or lie at the top.
    """
    source = mirror()
    path = urlsplit(url).path
    if source is None:
        return url
    if isinstance(source, str):
        return source + path
    whole = source / path.lstrip("/")
    return whole if whole.is_file() else source / path.rpartition("/")[2]
