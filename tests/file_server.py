"""A web server on this machine, as slow, forgetful or hostile as a test asks for."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Served:
    """What a path answers.

    Attributes:
        content: of the file.
        headers: in place of the usual ones, or beside them.
        cuts: bytes after which each of the next connections ends.
        redirect: address to go to instead.
        status: of the answer.
    """

    content: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cuts: list[int] = field(default_factory=list)
    redirect: str | None = None
    status: int = 200


@dataclass
class Server:
    """Address, files by path, and what was asked for: method, path and ``Range``."""

    address: str
    files: dict[str, Served] = field(default_factory=dict)
    requests: list[tuple[str, str, str | None]] = field(default_factory=list)

    def count(self, method: str = "GET") -> int:
        """Number of requests of a kind."""
        return sum(asked == method for asked, _, _ in self.requests)


@contextmanager
def serving() -> Iterator[Server]:
    """A server that runs for the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:  # noqa: N802
            self.do_GET()

        def do_GET(self) -> None:  # noqa: N802
            path = self.path.partition("?")[0]
            server.requests.append((self.command, path, self.headers.get("Range")))
            file = server.files.get(path)
            if file is None:
                self.send_error(404)
                return
            if file.redirect:
                self.send_response(302)
                for name, value in {"Location": file.redirect, "Content-Length": "0", **file.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                return
            tag = f'"{hashlib.sha256(file.content).hexdigest()}"'
            asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
            start = int(asked[1]) if asked and self.headers.get("If-Range", tag) == tag else 0
            headers = {"ETag": tag, "Content-Length": str(len(file.content) - start)}
            if start:
                headers["Content-Range"] = f"bytes {start}-{len(file.content) - 1}/{len(file.content)}"
            headers |= file.headers
            self.send_response(206 if start else file.status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                end = file.cuts.pop(0) if file.cuts else len(file.content)
                self.wfile.write(file.content[start : start + end])

        def log_message(self, *_: object) -> None:
            pass

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server = Server(f"http://127.0.0.1:{listener.server_port}")
    threading.Thread(target=listener.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield server
    finally:
        listener.shutdown()
        listener.server_close()
