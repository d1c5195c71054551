"""The servers as fixtures, for the tests of both frameworks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers.anthropic import AnthropicServer
from tests.servers.loopback import Loopback
from tests.servers.openai import OpenAIServer
from tests.servers.responses import ResponsesServer


@pytest.fixture(scope="session")
def servers() -> Iterator[dict[str, Loopback]]:
    """One server of each kind for all tests: a client's TLS context is dear to make, and it is made once per address."""
    made: dict[str, Loopback] = {
        "openai": OpenAIServer(),
        "anthropic": AnthropicServer(),
        "responses": ResponsesServer(),
    }
    yield made
    for server in made.values():
        server.close()


@pytest.fixture(params=["openai", "anthropic"])
def provider(request: pytest.FixtureRequest) -> str:
    """Each provider in turn."""
    name: str = request.param
    return name


@pytest.fixture
def server(provider: str, servers: dict[str, Loopback]) -> Iterator[Loopback]:
    """The provider's server, with nothing asked yet; every request must have been sound."""
    made = servers[provider]
    made.clear()
    yield made
    vars(made).pop("check", None)
    made.clear()
