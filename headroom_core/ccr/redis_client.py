"""A client of redis-py from a url: one server, Sentinel or Cluster, pooled, with timeouts and without pauses."""

from __future__ import annotations

from typing import Any, cast
from urllib.parse import unquote, urlsplit

from headroom_core.errors import InvalidInput, MissingExtra, StoreError


def client_of(url: str, *, timeout_s: float, connect_timeout_s: float, **options: Any) -> Any:
    """The client; see ``RedisBlobs.from_url``. No error quotes the url, which may hold a password."""
    try:
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry
    except ModuleNotFoundError as error:
        raise MissingExtra("redis", "redis") from error
    scheme, found, rest = url.partition("://")
    scheme = scheme.lower().replace("valkey", "redis") if found else ""  # what is no url may hold a password
    settings: dict[str, Any] = {"socket_timeout": timeout_s, "socket_connect_timeout": connect_timeout_s}
    # The client's own retries would sleep for seconds. At once, and not after a timeout: a pooled connection may have died.
    times = 3 if "cluster" in scheme else 1
    settings |= {"retry": Retry(NoBackoff(), times, (redis.ConnectionError, ConnectionError)), **options}
    try:
        if scheme in ("redis+sentinel", "rediss+sentinel"):
            return _watched(rest, tls=scheme.startswith("rediss"), **settings)
        if scheme in ("redis+cluster", "rediss+cluster"):
            return redis.RedisCluster.from_url(f"{scheme.partition('+')[0]}://{rest}", **settings)
        if scheme in ("redis", "rediss", "unix"):
            return redis.Redis.from_url(f"{scheme}://{rest}", **settings)
    except ValueError:  # its text quotes the url
        raise InvalidInput("The Redis url cannot be read. Write redis://user:password@host:port/0.") from None
    except (redis.RedisError, OSError) as error:
        raise StoreError(f"The Redis cluster cannot be reached ({type(error).__name__}).") from None
    raise InvalidInput(
        f"A Redis url begins with redis://, rediss://, unix:// or redis+cluster://, not {scheme[:20]!r}."
    )


def _watched(rest: str, *, tls: bool, **settings: Any) -> Any:
    """``user:password@host:port,host:port/service/db`` as a client of the service's master."""
    from redis.sentinel import Sentinel

    parts = urlsplit("//" + rest)
    login, _, places = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    service, _, db = parts.path.strip("/").partition("/")
    hosts = [(host, int(port or 26379)) for host, _, port in (place.rpartition(":") for place in places.split(","))]
    if not service or not all(host for host, _ in hosts):
        raise InvalidInput("A Sentinel url is redis+sentinel://host:port,host:port/service/db.")
    login_settings = {"username": unquote(user) or None, "password": unquote(password) or None} if login else {}
    sentinel: Any = cast("Any", Sentinel)(
        hosts, sentinel_kwargs={k: settings[k] for k in ("socket_timeout", "socket_connect_timeout", "retry")}
    )
    return sentinel.master_for(service, db=int(db or 0), ssl=tls, **login_settings, **settings)
