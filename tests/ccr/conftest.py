"""Redis servers for the session: one as it comes, one that may evict, one that is a cluster of one node."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from .servers import RedisServer, redis_server


@pytest.fixture(scope="session")
def redis_at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    pytest.importorskip("redis")
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="session")
def redis_that_evicts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    pytest.importorskip("redis")
    with redis_server(tmp_path_factory.mktemp("evicting"), "--maxmemory-policy", "allkeys-lru") as server:
        yield server


@pytest.fixture(scope="session")
def redis_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    redis = pytest.importorskip("redis")
    with redis_server(tmp_path_factory.mktemp("cluster"), "--cluster-enabled", "yes") as server:
        client = redis.Redis.from_url(server.url)
        client.execute_command("CLUSTER ADDSLOTSRANGE", 0, 16383)
        while "ok" not in str(client.execute_command("CLUSTER INFO")["cluster_state"]):
            time.sleep(0.02)
        client.close()
        yield server
