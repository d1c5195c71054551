"""Real servers on loopback for the tests: started on a free port, stopped by their own process id."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def redis_program() -> str:
    """The redis-server (or valkey-server) on this machine; where there is none, a loud skip, and a failure under CI."""
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if program is None:
        remedy = (
            "redis-server is not installed, so the Redis store is NOT tested. Install it: apt-get install redis-server"
        )
        if os.environ.get("CI"):
            pytest.fail(remedy)
        pytest.skip(remedy)
    return program


def free_port() -> int:
    """A port below 55,536: a cluster node also listens 10,000 above it."""
    while True:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port = int(listener.getsockname()[1])
        if port < 55_536:
            return port


class RedisServer:
    """One server with its data in ``folder``; started and killed as often as a test likes, always on the same port."""

    def __init__(self, folder: Path, *settings: str) -> None:
        self.program = redis_program()
        self.folder = folder
        self.settings = settings
        self.program_settings = ["--save", ""]
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        common = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)]
        self.process = subprocess.Popen(
            [self.program, *self.program_settings, *common, *self.settings], stdout=subprocess.DEVNULL
        )
        end = time.monotonic() + 20
        while time.monotonic() < end:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                    connection.sendall(b"PING\r\n")
                    if connection.recv(64).startswith(b"+PONG"):
                        return
            except OSError:
                pass
            time.sleep(0.02)
        raise RuntimeError("redis-server did not start")

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(timeout=20)
            self.process = None


@contextmanager
def redis_server(folder: Path, *settings: str) -> Iterator[RedisServer]:
    server = RedisServer(folder, *settings)
    server.start()
    try:
        yield server
    finally:
        server.kill()
