"""Downloads that resume, of bounded size, by https only."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from email.message import Message
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import IO, Any
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

from tqdm import tqdm

from mmmaskformer.errors import UserError, printable
from mmmaskformer.files import atomic_open

from .addresses import check_address, is_loopback

LARGEST = 4 << 30  # bytes; the largest published file has about a fifth of it
ATTEMPTS = 8
TIMEOUT = 30.0  # seconds without a byte
BLOCK = 1 << 16
SHOWN = 200  # characters of what a server says
OUT_OF_RANGE = 416


class Unreachable(Exception):
    """Nothing could be fetched; the message says why."""


class _Cut(Exception):
    """The connection ended before the file did."""


class _CheckedRedirects(HTTPRedirectHandler):
    def redirect_request(self, req: Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str) -> Any:
        check_address(newurl, req.full_url)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def download(url: str, part: Path, title: str) -> None:
    """Fetch a file, or what is missing of it.

    After a cut connection the rest is asked for, provided that the file on the server is still the same. What was
    received stays in ``part`` for a later run; the server's mark of the file's version is beside it.

    Args:
        url: address, https, or http on this machine.
        part: file to write. Neither the server's file name nor its path matters.
        title: for the progress bar.

    Raises:
        Unreachable: the server does not answer, does not have the file, or always cuts the connection.
        UserError: the answer is not acceptable: too large, or from an address without https. Nothing is left.
    """
    check_address(url)
    mark = part.with_name(f"{part.name}.version")
    for attempt in range(ATTEMPTS):
        before = _size(part)
        try:
            _receive(url, part, mark, title)
            mark.unlink(missing_ok=True)
            return
        except UserError:
            part.unlink(missing_ok=True)
            mark.unlink(missing_ok=True)
            raise
        except _Cut as error:
            reason = printable(str(error), SHOWN)
            if _size(part) == before:
                break  # the server is not there at all
        time.sleep(min(0.2 * 2**attempt, 10))
    raise Unreachable(reason)


def _receive(url: str, part: Path, mark: Path, title: str) -> None:
    """One connection."""
    have, version = _size(part), mark.read_text(encoding="utf-8") if mark.is_file() else ""
    request = Request(url)
    if have and version:
        request.add_header("Range", f"bytes={have}-")
        request.add_header("If-Range", version)
    with _open(request, part) as response:
        resumed = response.status == 206
        if not resumed:
            have = 0
        total = _check_answer(url, response, have, resumed)
        with atomic_open(mark, "w", encoding="utf-8") as file:
            file.write(_version(response.headers))
        interval = 0.1 if sys.stderr.isatty() else 10.0
        bar = tqdm(total=total, initial=have, desc=title, unit="B", unit_scale=True, mininterval=interval)
        with open(part, "ab" if resumed else "wb") as file, bar:
            for block in _blocks(response):
                have += len(block)
                if have > LARGEST:
                    raise UserError(f"{url} sends more than {LARGEST} bytes, which no model of this kind has")
                file.write(block)
                bar.update(len(block))
    if total is not None and have != total:
        raise _Cut(f"the connection ended after {have} of {total} bytes")


def _open(request: Request, part: Path) -> HTTPResponse:
    handlers: list = [_CheckedRedirects()]
    if is_loopback(request.full_url):
        handlers.append(ProxyHandler({}))
    try:
        return build_opener(*handlers).open(request, timeout=TIMEOUT)
    except HTTPError as error:
        error.close()
        if error.code == OUT_OF_RANGE:
            part.unlink(missing_ok=True)
        raise (_Cut if error.code == OUT_OF_RANGE else Unreachable)(f"the server answers {error.code}") from error
    except (OSError, HTTPException) as error:  # of names, connections, certificates and protocols
        raise _Cut(str(getattr(error, "reason", error)) or type(error).__name__) from error


def _check_answer(url: str, response: HTTPResponse, have: int, resumed: bool) -> int | None:
    """Size of the whole file, if the server says it."""
    name = response.headers.get_filename() or ""
    if re.search(r"[/\\]|\.\.", name):
        raise UserError(f"{url}: the server calls the file {name!r}, which is a path; it is not accepted")
    length = response.headers.get("Content-Length")
    if resumed:
        sent = re.fullmatch(r"bytes (\d{1,15})-\d{1,15}/(\d{1,15})", response.headers.get("Content-Range", ""))
        if sent is None or int(sent[1]) != have:
            raise UserError(f"{url}: the server sends another part of the file than the one it was asked for")
        total = int(sent[2])
    else:
        total = int(length) if length and re.fullmatch(r"\d{1,15}", length) else None
    if total is not None and not 0 < total <= LARGEST:
        raise UserError(f"{url} has {total} bytes; a model has at least one, and at most {LARGEST}")
    return total


def _blocks(response: HTTPResponse) -> Iterator[bytes]:
    while True:
        try:
            block = response.read(BLOCK)
        except (OSError, HTTPException) as error:
            raise _Cut(str(error) or type(error).__name__) from error
        if not block:
            return
        yield block


def _version(headers: Message) -> str:
    """Return what ``If-Range`` takes: a strong ETag or a date."""
    tag = headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else headers.get("Last-Modified", "")


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
