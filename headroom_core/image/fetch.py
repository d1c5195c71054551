"""Pictures behind a URL, for callers who allow it: ``ImageCompressor(fetch=fetch_image)``. Nothing else ever fetches.

A message may come from anyone, so its URL may point anywhere: only http and https on their own ports, only addresses
of the public internet, checked after the name was resolved and connected to as checked (a name that changes its mind
gains nothing), redirects checked like the first address, pictures only, bounded in bytes and in time.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import time
from collections.abc import Callable
from urllib.parse import SplitResult, urljoin, urlsplit

from headroom_core.errors import HeadroomError

MOST_BYTES = 20 * 1024 * 1024
MOST_SECONDS = 10.0
_MOST_REDIRECTS = 3
_PORTS = {"http": 80, "https": 443}
_CHUNK = 64 * 1024
_MOVED = (301, 302, 303, 307, 308)


class NotFetched(HeadroomError, OSError):
    """A picture's URL was not fetched; the message says why."""


def is_public(address: str) -> bool:
    """Is this an address of the public internet: not private, loopback, link-local, reserved or multicast?"""
    found = ipaddress.ip_address(address.split("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        within = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if within is not None:
            found = within
        elif found in ipaddress.ip_network("64:ff9b::/96"):
            return False
    return found.is_global and not found.is_multicast


def fetch_image(
    url: str,
    *,
    most_bytes: int = MOST_BYTES,
    most_seconds: float = MOST_SECONDS,
    allowed: Callable[[str], bool] = is_public,
    ports: tuple[int, ...] = (80, 443),
) -> bytes:
    """The bytes of the picture behind ``url``; raises ``NotFetched``.

    ``allowed`` judges each resolved address (for an intranet of your own, pass your own rule), ``ports`` the ports.
    """
    until = time.monotonic() + most_seconds
    for _ in range(_MOST_REDIRECTS + 1):
        place = _checked(url, ports)
        try:
            answer = _answer(place, until, most_bytes, allowed)
        except NotFetched:
            raise
        except (OSError, http.client.HTTPException) as error:
            raise NotFetched(f"{place.hostname} could not be read: {type(error).__name__}") from error
        if isinstance(answer, bytes):
            return answer
        url = urljoin(url, answer)
    raise NotFetched(f"more than {_MOST_REDIRECTS} redirects")


def _checked(url: str, ports: tuple[int, ...]) -> SplitResult:
    try:
        place = urlsplit(url)
        port = place.port or _PORTS.get(place.scheme)
    except ValueError as error:
        raise NotFetched("the url cannot be read") from error
    if place.scheme not in _PORTS or not place.hostname or place.username or port not in ports:
        raise NotFetched("only plain http and https urls on the usual ports are fetched")
    return place


def _answer(place: SplitResult, until: float, most_bytes: int, allowed: Callable[[str], bool]) -> bytes | str:
    """The picture's bytes, or where it moved to."""
    connection = _connected(place, until, allowed)
    try:
        path = (place.path or "/") + (f"?{place.query}" if place.query else "")
        connection.request("GET", path, headers={"Accept": "image/*", "Accept-Encoding": "identity"})
        response = connection.getresponse()
        if response.status in _MOVED:
            return response.headers.get("Location", "")
        if response.status != 200:
            raise NotFetched(f"{place.hostname} answered {response.status}")
        if not response.headers.get("Content-Type", "").lower().startswith(("image/", "application/octet-stream")):
            raise NotFetched(f"{place.hostname} sent no picture")
        return _body(connection, response, until, most_bytes)
    finally:
        connection.close()


def _connected(place: SplitResult, until: float, allowed: Callable[[str], bool]) -> http.client.HTTPConnection:
    """A connection to the very address that was judged; certificates are checked against the name."""
    host, port = str(place.hostname), place.port or _PORTS[place.scheme]
    addresses = [str(row[4][0]) for row in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    if not addresses or not all(allowed(address) for address in addresses):
        raise NotFetched(f"{host} is no public address")
    raw = socket.create_connection((addresses[0], port), timeout=_left(until))
    connection = http.client.HTTPConnection(host, port)
    try:
        connection.sock = ssl.create_default_context().wrap_socket(raw, server_hostname=host) if (
            place.scheme == "https"
        ) else raw  # fmt: skip
    except OSError:
        raw.close()
        raise
    return connection


def _body(
    connection: http.client.HTTPConnection, response: http.client.HTTPResponse, until: float, most_bytes: int
) -> bytes:
    found = bytearray()
    while len(found) <= most_bytes:
        if connection.sock is not None:
            connection.sock.settimeout(_left(until))
        piece = response.read1(_CHUNK)
        if not piece:
            return bytes(found)
        found += piece
    raise NotFetched(f"the picture is larger than {most_bytes:,} bytes")


def _left(until: float) -> float:
    """Seconds that are left; none raises ``TimeoutError``, which is an ``OSError``."""
    rest = until - time.monotonic()
    if rest <= 0:
        raise TimeoutError("out of time")
    return rest
