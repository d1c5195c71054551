"""LangChain's standard suites on HeadroomChatModel around real clients, which talk to loopback servers.

``Bare…`` run the same suites on the clients alone: what they skip is all that the wrapped ones may skip.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from langchain_anthropic import ChatAnthropic
from langchain_core.language_models import BaseChatModel
from langchain_openai import ChatOpenAI
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests

from headroom_core import Compressor
from headroom_integrations.langchain import HeadroomChatModel
from tests.langchain.conftest import make_compressor
from tests.servers.loopback import Loopback

pytestmark = [
    pytest.mark.filterwarnings("ignore:OpenAI may require a filename"),
    pytest.mark.filterwarnings("ignore:LANGCHAIN_TESTS_USER_AGENT"),
    pytest.mark.filterwarnings("ignore:Received a Pydantic BaseModel V1 schema"),
    pytest.mark.filterwarnings("ignore:Pydantic serializer warnings"),  # the OpenAI client's own, in its parsing stream
]

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@pytest.fixture(autouse=True)
def _fixtures_from_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """The suite downloads a picture, a sound and a document; here they are a few bytes."""

    def get(url: str, **_: Any) -> httpx.Response:
        return httpx.Response(200, content=PNG if "pdf" not in url else b"%PDF-1.4", request=httpx.Request("GET", url))

    monkeypatch.setattr(httpx, "get", get)


class WithOpenAI:
    """A server, a client, and what the client can do."""

    kind = "openai"
    server: Any

    @pytest.fixture(autouse=True)
    def _server(self, servers: dict[str, Loopback]) -> Iterator[None]:
        self.server = servers[self.kind]
        self.server.clear()
        yield
        self.server.clear()

    @property
    def chat_model_params(self) -> dict[str, Any]:
        made = {"model": "gpt-4o", "api_key": "k", "stream_usage": True}
        return made | {"base_url": self.server.base_url} if hasattr(self, "server") else made

    @property
    def model_override_value(self) -> str:
        return "gpt-4o-mini"

    supports_json_mode = property(lambda self: True)
    supports_image_inputs = property(lambda self: True)
    supports_image_urls = property(lambda self: True)
    supports_pdf_inputs = property(lambda self: True)
    supports_audio_inputs = property(lambda self: True)
    supports_anthropic_inputs = property(lambda self: True)
    supports_image_tool_message = property(lambda self: False)


class WithAnthropic(WithOpenAI):
    """The same for Anthropic."""

    kind = "anthropic"

    @property
    def chat_model_params(self) -> dict[str, Any]:
        made = {"model": "claude-sonnet-4-6", "api_key": "k"}
        return made | {"base_url": self.server.url} if hasattr(self, "server") else made

    @property
    def model_override_value(self) -> str:
        return "claude-opus-4-6"

    supports_json_mode = property(lambda self: False)
    supports_audio_inputs = property(lambda self: False)
    supports_image_tool_message = property(lambda self: True)
    supports_pdf_tool_message = property(lambda self: True)


def wrapped(client: type[BaseChatModel], make: Callable[[], Compressor] = make_compressor) -> type[BaseChatModel]:
    """What the suite calls like a class, with the client's own parameters; what it gets is the wrapper itself."""

    class Wrapped(HeadroomChatModel):
        def __new__(cls, **parameters: Any) -> HeadroomChatModel:  # type: ignore[misc]
            own = {
                name: parameters.pop(name)
                for name in HeadroomChatModel.model_fields
                if name in parameters and name not in client.model_fields
            }
            return HeadroomChatModel(**{"inner": client(**parameters), "compressor": make(), **own})

    return Wrapped


def plain_compressor() -> Compressor:
    """One that plain data describes."""
    return Compressor(target_ratio=0.4, roles=("tool", "user"), exclude_tools=("search",))


class Offline:
    """The unit suite asks no server, so what it dumps is the same every time."""

    @pytest.fixture(autouse=True)
    def _server(self) -> None: ...


@pytest.mark.full
class TestBareOpenAI(WithOpenAI, ChatModelIntegrationTests):
    chat_model_class = property(lambda self: ChatOpenAI)  # type: ignore[assignment]


class TestOpenAI(WithOpenAI, ChatModelIntegrationTests):
    chat_model_class = property(lambda self: wrapped(ChatOpenAI))  # type: ignore[assignment]


class OpenAIUnit(Offline, WithOpenAI):
    init_from_env_params = property(  # type: ignore[assignment]
        lambda self: ({"OPENAI_API_KEY": "from-env"}, {"model": "gpt-4o"}, {"model_name": "gpt-4o"})
    )


@pytest.mark.full
class TestBareOpenAIUnit(OpenAIUnit, ChatModelUnitTests):
    chat_model_class = property(lambda self: ChatOpenAI)  # type: ignore[assignment]


class TestOpenAIUnit(OpenAIUnit, ChatModelUnitTests):
    chat_model_class = property(lambda self: wrapped(ChatOpenAI, plain_compressor))  # type: ignore[assignment]


@pytest.mark.full
class TestBareAnthropic(WithAnthropic, ChatModelIntegrationTests):
    chat_model_class = property(lambda self: ChatAnthropic)  # type: ignore[assignment]


class TestAnthropic(WithAnthropic, ChatModelIntegrationTests):
    chat_model_class = property(lambda self: wrapped(ChatAnthropic))  # type: ignore[assignment]


class AnthropicUnit(Offline, WithAnthropic):
    name_attribute = "model_name"
    init_from_env_params = property(  # type: ignore[assignment]
        lambda self: (
            {"ANTHROPIC_API_KEY": "from-env"},
            {"model": "claude-sonnet-4-6"},
            {self.name_attribute: "claude-sonnet-4-6"},
        )
    )


@pytest.mark.full
@pytest.mark.filterwarnings("ignore:Unrecognized structured output method")
class TestBareAnthropicUnit(AnthropicUnit, ChatModelUnitTests):
    name_attribute = "model"
    chat_model_class = property(lambda self: ChatAnthropic)  # type: ignore[assignment]


@pytest.mark.filterwarnings("ignore:Unrecognized structured output method")
class TestAnthropicUnit(AnthropicUnit, ChatModelUnitTests):
    chat_model_class = property(lambda self: wrapped(ChatAnthropic, plain_compressor))  # type: ignore[assignment]
