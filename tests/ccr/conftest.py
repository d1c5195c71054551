"""Redis servers for the session: one as it comes, one that may evict, a cluster of three, a master that Sentinel watches."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .servers import RedisServer, Watched, redis_cluster_of, redis_server, redis_watched


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
def redis_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[RedisServer]]:
    pytest.importorskip("redis")
    with redis_cluster_of(3, tmp_path_factory.mktemp("cluster")) as servers:
        yield servers


@pytest.fixture(scope="session")
def redis_sentinel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    pytest.importorskip("redis")
    with redis_watched(tmp_path_factory.mktemp("sentinel")) as watched:
        yield watched
