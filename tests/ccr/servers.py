"""Real servers on loopback for the tests: started on a free port, stopped by their own process id."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
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


@contextmanager
def redis_cluster_of(nodes: int, folder: Path) -> Iterator[list[RedisServer]]:
    """A cluster whose masters share the slots."""
    import redis

    with ExitStack() as stack:
        servers = []
        for number in range(nodes):
            (folder / str(number)).mkdir()
            settings = ("--cluster-enabled", "yes", "--cluster-node-timeout", "2000")
            servers.append(stack.enter_context(redis_server(folder / str(number), *settings)))
        clients = [stack.enter_context(redis.Redis.from_url(server.url)) for server in servers]
        for number, client in enumerate(clients):
            first, last = 16384 * number // nodes, 16384 * (number + 1) // nodes - 1
            client.execute_command("CLUSTER ADDSLOTSRANGE", first, last)
            client.execute_command("CLUSTER SET-CONFIG-EPOCH", number + 1)
        for server in servers[1:]:
            clients[0].execute_command("CLUSTER MEET", "127.0.0.1", server.port)
        waited_for(
            lambda: all(
                client.execute_command("CLUSTER INFO")["cluster_state"] == "ok"
                and client.execute_command("CLUSTER INFO")["cluster_known_nodes"] == str(nodes)
                for client in clients
            )
        )
        yield servers


@dataclass
class Watched:
    """A master, its replica and the Sentinel that watches them."""

    master: RedisServer
    replica: RedisServer
    sentinel: RedisServer

    @property
    def url(self) -> str:
        return f"redis+sentinel://127.0.0.1:{self.sentinel.port}/main/0"


@contextmanager
def redis_watched(folder: Path) -> Iterator[Watched]:
    """Sentinel takes the replica for master about a second after the master is gone."""
    import redis

    for name in ("master", "replica", "sentinel"):
        (folder / name).mkdir()
    with ExitStack() as stack:
        master = stack.enter_context(redis_server(folder / "master"))
        replica = stack.enter_context(redis_server(folder / "replica", "--replicaof", "127.0.0.1", str(master.port)))
        with redis.Redis.from_url(master.url) as client:
            waited_for(lambda: dict(client.info("replication").get("slave0", {})).get("state") == "online")
        settings = folder / "sentinel" / "sentinel.conf"
        settings.write_text(
            f"sentinel monitor main 127.0.0.1 {master.port} 1\n"
            "sentinel down-after-milliseconds main 1000\nsentinel failover-timeout main 5000\n"
        )
        sentinel = RedisServer(folder / "sentinel")
        sentinel.program_settings = [str(settings), "--sentinel"]
        sentinel.start()
        stack.callback(sentinel.kill)
        with redis.Redis.from_url(sentinel.url.removesuffix("/0")) as client:
            waited_for(lambda: len(client.execute_command("SENTINEL REPLICAS", "main")) == 1)
        yield Watched(master, replica, sentinel)


def waited_for(done: Callable[[], bool], seconds: float = 30) -> None:
    """Until it is done; raises after some time."""
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            raise RuntimeError("the servers did not get ready")
        time.sleep(0.02)
