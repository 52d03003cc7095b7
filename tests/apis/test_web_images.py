"""Images from the web come whole, or are refused with what is wrong."""

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np
import pytest

from mmmaskformer.apis.images import list_images, output_names
from mmmaskformer.apis.web_images import fetch_image, is_url, name_in
from mmmaskformer.errors import UserError

PIXELS = np.random.default_rng(0).integers(0, 256, (8, 9, 3), dtype=np.uint8)
CONTENT = cv2.imencode(".png", PIXELS)[1].tobytes()


class Handler(BaseHTTPRequestHandler):
    """A web server with good and bad files."""

    def do_GET(self) -> None:
        name = self.path.partition("?")[0].strip("/")
        redirects = {"moved": "/street.png", "file": "file:///etc/passwd", "secure": "https://127.0.0.1:1/a.png"}
        if name in redirects:
            self.send_response(302)
            self.send_header("Location", redirects[name])
            self.end_headers()
            return
        if name == "none.png":
            self.send_error(404)
            return
        self.send_response(200)
        content = b"no image" if name == "text.png" else CONTENT
        length = {"short.png": len(CONTENT) + 10, "endless.png": None}.get(name, len(content))
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()
        while name == "endless.png":
            try:
                self.wfile.write(b"x" * 1000)
                time.sleep(0.02)
            except OSError:
                return
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_an_address_gives_the_image_and_its_name(address: str) -> None:
    images = list_images([f"{address}/street.png?size=large", f"{address}/moved"])
    assert output_names(images) == ["street", "moved"]
    for image in images:
        np.testing.assert_array_equal(image.pixels, PIXELS)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none.png", "none.png cannot be fetched: HTTP Error 404"),
        ("short.png", r"short.png cannot be fetched: .*(IncompleteRead|\d+ of \d+ bytes)"),
        ("file", "file cannot be fetched: .* 'file:///etc/passwd' is not allowed"),
        ("secure", "redirected to https://127.0.0.1:1/a.png, which has another scheme"),
        ("text.png", "text.png cannot be decoded"),
    ],
)
def test_what_is_no_image_is_one_line(address: str, name: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        list_images(f"{address}/{name}")


def test_size_and_time_are_bounded(address: str) -> None:
    with pytest.raises(UserError, match="is larger than 5000 bytes"):
        fetch_image(f"{address}/endless.png", most_bytes=5000)
    with pytest.raises(UserError, match="takes more than 0.2 s"):
        fetch_image(f"{address}/endless.png", seconds=0.2)
    with pytest.raises(UserError, match="cannot be fetched: .*refused"):
        fetch_image("http://127.0.0.1:1/street.png")


def test_addresses_are_told_from_paths() -> None:
    assert is_url("https://a.org/b.png") and is_url("HTTP://a.org/b.png")
    assert not any(map(is_url, ("file:///etc/passwd", "ftp://a.org/b.png", "http/b.png", "C://b.png")))


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://a.org/x/street.png?size=large#top", "street"),
        ("https://a.org/..%2F..%2Fetc%2Fpasswd", "passwd"),
        ("https://a.org/..", ""),
        ("https://a.org/a%00b%0A.png", "a_b"),
        ("https://a.org/two%20words.jpg", "two_words"),
        ("https://a.org/c:%5Cboot.png", "c_boot"),
        ("https://a.org/", ""),
    ],
)
def test_the_name_in_an_address_is_safe_for_a_file(url: str, name: str) -> None:
    assert name_in(url) == name
