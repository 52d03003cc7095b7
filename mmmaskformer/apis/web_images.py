"""Images from the web: bounded in size and time."""

from __future__ import annotations

import re
import time
import urllib.request
from http.client import HTTPException, HTTPMessage
from pathlib import PurePosixPath
from typing import IO, Any
from urllib.parse import unquote, urljoin, urlsplit

from mmmaskformer.errors import UserError

SCHEMES = ("http", "https")
MOST_BYTES = 100 * 1024**2
SECONDS = 60.0  # for a whole image
WAIT = 15.0  # seconds without a byte
CHUNK = 1 << 16


class _SameScheme(urllib.request.HTTPRedirectHandler):
    """Follow redirects that keep the scheme: https must not become http, nor http a file."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Any:
        target = urljoin(req.full_url, newurl)
        if urlsplit(target).scheme != urlsplit(req.full_url).scheme:
            raise UserError(f"image {req.full_url}: redirected to {target}, which has another scheme")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def is_url(text: str) -> bool:
    """Whether a text is an address of the web."""
    return text.partition("://")[0].lower() in SCHEMES and "://" in text


def name_in(url: str) -> str:
    """Return the name of the file that an address ends with, without its ending, in safe characters."""
    stem = PurePosixPath(unquote(urlsplit(url).path)).stem
    return re.sub(r"[^\w.-]+", "_", stem).strip("._")


def fetch_image(url: str, most_bytes: int = MOST_BYTES, seconds: float = SECONDS) -> bytes:
    """Return the content of an image file on the web.

    Args:
        url: with http or https.
        most_bytes: largest file.
        seconds: longest time for the whole file.

    Raises:
        UserError: the address cannot be reached, has no such file, is redirected to another scheme, or the file is too
            large or takes too long.
    """
    opener = urllib.request.build_opener(_SameScheme)
    request = urllib.request.Request(url, headers={"User-Agent": "mmmaskformer"})
    end = time.monotonic() + seconds
    content = bytearray()
    try:
        with opener.open(request, timeout=min(WAIT, seconds)) as response:
            while chunk := response.read1(CHUNK):
                content += chunk
                if len(content) > most_bytes:
                    raise UserError(
                        f"image {url} is larger than {most_bytes} bytes: fetch it yourself and give the file"
                    )
                if time.monotonic() > end:
                    raise UserError(f"image {url} takes more than {seconds:g} s: fetch it yourself and give the file")
            expected = response.headers.get("Content-Length")
    except (OSError, HTTPException, ValueError) as error:
        if isinstance(error, UserError):
            raise
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise UserError(f"image {url} cannot be fetched: {reason}") from error
    if expected is not None and expected.isdecimal() and int(expected) != len(content):
        raise UserError(f"image {url} cannot be fetched: {len(content)} of {expected} bytes came")
    return bytes(content)
