"""Fetching a picture: public addresses only, pictures only, bounded in bytes and time, redirects judged again."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from headroom_core.image.fetch import NotFetched, fetch_image, is_public
from tests.image.pictures import picture_bytes

PNG = picture_bytes(60, 40)


class _Site(http.server.BaseHTTPRequestHandler):
    """A few pages: a picture, a text, a large body, and redirects."""

    def do_GET(self) -> None:
        if self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/to/"))
            self.end_headers()
            return
        self.send_response(404 if self.path == "/none" else 200)
        self.send_header("Content-Type", "text/html" if self.path == "/page" else "image/png")
        self.end_headers()
        self.wfile.write(b"x" * 300_000 if self.path == "/large" else PNG)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the name of the base class)
        return


@pytest.fixture
def site() -> Iterator[int]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Site)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def _get(port: int, path: str, **options: Any) -> bytes:
    options.setdefault("allowed", lambda address: True)
    return fetch_image(f"http://127.0.0.1:{port}{path}", ports=(port,), **options)


def test_a_picture_comes_back_byte_for_byte(site: int) -> None:
    """Where the address is allowed, the bytes are those of the file, through a redirect too."""
    assert _get(site, "/a.png") == PNG
    assert _get(site, "/to//a.png") == PNG


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/page", "no picture"), ("/none", "404"), ("/large", "larger than 200,000"), ("/to/file:///etc/passwd", "http"),
        ("/to//to//to//to//to//a.png", "redirects"), ("/to/http://127.0.0.1:1/a.png", "ports"),
    ],
)  # fmt: skip
def test_anything_else_is_refused(site: int, path: str, reason: str) -> None:
    """No page, no missing file, nothing too large, no other scheme or port behind a redirect, no endless redirects."""
    with pytest.raises(NotFetched, match=reason):
        _get(site, path, most_bytes=200_000)


def test_time_is_bounded(site: int) -> None:
    """Without time left nothing is read."""
    with pytest.raises(NotFetched, match="Timeout"):
        _get(site, "/a.png", most_seconds=0)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "2130706433"])
def test_this_machine_is_not_public(site: int, host: str) -> None:
    """However it is written, the loopback address is refused before anything is sent."""
    with pytest.raises(NotFetched):
        fetch_image(f"http://{host}:{site}/a.png", ports=(site,))


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://example.org/a.png", "http://", "http://u:p@example.org/",
                                 "http://example.org:22/", "http://[broken/", "data:image/png;base64,AA=="])  # fmt: skip
def test_only_plain_web_urls(url: str) -> None:
    """Other schemes, ports and credentials are refused without a look at the network."""
    with pytest.raises(NotFetched):
        fetch_image(url)


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True), ("2606:2800:220:1:248:1893:25c8:1946", True), ("10.0.0.8", False),
        ("172.16.9.1", False), ("192.168.1.1", False), ("169.254.169.254", False), ("100.64.0.1", False),
        ("224.0.0.1", False), ("fe80::1%eth0", False), ("fd00::1", False), ("::", False), ("2002:7f00:1::", False),
        ("::ffff:10.0.0.1", False), ("64:ff9b::7f00:1", False), ("255.255.255.255", False), ("ff02::1", False),
    ],
)  # fmt: skip
def test_what_counts_as_public(address: str, public: bool) -> None:
    """Private, link-local, shared, multicast, mapped and translated addresses are not public."""
    assert is_public(address) is public
