"""A model goes through ``dumps`` and ``loads`` whole: the wrapper, its inner model, its options; or says that it cannot."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from langchain_anthropic import ChatAnthropic
from langchain_core.load import dumpd, dumps, load, loads
from langchain_openai import ChatOpenAI

from headroom_core import Compressor, open_originals
from headroom_integrations.langchain import HeadroomChatModel
from tests.langchain.conftest import FirstRows, conversation, make_compressor

pytestmark = pytest.mark.filterwarnings("ignore:The function `loads?` is in beta")
KEYS = {"OPENAI_API_KEY": "k"}
OURS: dict[str, Any] = {"valid_namespaces": ["headroom_integrations"], "secrets_from_env": True}


def model_at(server: Any, provider: str = "openai", **options: Any) -> HeadroomChatModel:
    """The wrapper around the provider's client."""
    inner: Any = (
        ChatOpenAI(model="gpt-4o", api_key="sk-secret", base_url=server.base_url, max_tokens=321)
        if provider == "openai"
        else ChatAnthropic(model="claude-sonnet-4-6", api_key="sk-secret", base_url=server.url, max_tokens=321)
    )
    return HeadroomChatModel(inner=inner, **options)


def test_loaded_model_is_the_wrapper_and_sends_the_same_bytes(
    server: Any, provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Class, inner class, options and the body of the request are those of the model that was dumped."""
    monkeypatch.setenv(f"{provider.upper()}_API_KEY", "sk-secret")
    options = {"namespace": "tenant", "max_rounds": 2, "retrieval": "caller"}
    first = model_at(server, provider, compressor=Compressor(strength="lossy", min_tokens=50), **options)
    text = dumps(first)
    assert "sk-secret" not in text
    again = loads(text, allowed_objects=[HeadroomChatModel, type(first.inner)], **OURS)
    assert type(again) is HeadroomChatModel
    assert type(again.inner) is type(first.inner)
    assert {name: getattr(again, name) for name in options} == options
    assert again.compressor.options == first.compressor.options
    assert again.asdict() == first.asdict()
    for each in (first, again):
        each.invoke(conversation())
    before, after = server.bodies
    assert before == after
    assert len(json.dumps(before)) < len(json.dumps(conversation()[2].content)) / 2  # and it was compressed


def test_load_in_a_process_that_knows_nothing_of_us(servers: dict[str, Any]) -> None:
    """The classes that the caller allows are all that a fresh process needs; without our namespace it is refused."""
    program = (
        "import sys, warnings; warnings.simplefilter('ignore')\n"
        "from langchain_core.load import loads\n"
        "from langchain_openai import ChatOpenAI\n"
        "from headroom_integrations.langchain import HeadroomChatModel\n"
        "text = sys.stdin.read()\n"
        "allowed = [HeadroomChatModel, ChatOpenAI]\n"
        "model = loads(text, allowed_objects=allowed, valid_namespaces=['headroom_integrations'],\n"
        "              secrets_map={'OPENAI_API_KEY': 'k'})\n"
        "print(type(model).__name__, type(model.inner).__name__, model.compressor.options.target_ratio)\n"
        "try:\n"
        "    loads(text, allowed_objects=allowed, secrets_map={'OPENAI_API_KEY': 'k'})\n"
        "except ValueError as error:\n"
        "    print(str(error)[:17])\n"
    )
    text = dumps(model_at(servers["openai"], compressor=Compressor(target_ratio=0.4)))
    told = subprocess.run([sys.executable, "-c", program], input=text, capture_output=True, text=True, check=True)
    assert told.stdout.split("\n")[:2] == ["HeadroomChatModel ChatOpenAI 0.4", "Invalid namespace"]


@pytest.mark.parametrize(
    "compressor",
    [
        make_compressor(),
        Compressor(transforms={"json": FirstRows()}),
        Compressor(originals=open_originals("memory://")),
        Compressor(counter=len),
    ],
    ids=["all", "transform", "store", "counter"],
)
def test_what_plain_data_cannot_say_is_not_dumped(servers: dict[str, Any], compressor: Compressor) -> None:
    """A transform, a store or a counter of the caller's own: "not implemented", and never another one in its place."""
    data = dumpd(model_at(servers["openai"], compressor=compressor))
    assert data["type"] == "not_implemented"
    with pytest.raises(NotImplementedError):
        load(data, allowed_objects=[HeadroomChatModel, ChatOpenAI], **OURS)


def test_who_keeps_no_originals_keeps_none_after_loading(servers: dict[str, Any]) -> None:
    """``originals=None`` stays None: a loaded model does not begin to write to a disk."""
    data = dumpd(model_at(servers["openai"], compressor=Compressor(originals=None)))
    assert data["kwargs"]["compressor"] == {"originals": None}
    again = load(data, allowed_objects=[HeadroomChatModel, ChatOpenAI], secrets_map=KEYS, **OURS)
    assert again.compressor.originals is None


def test_dumping_a_lossless_model_opens_no_store(
    servers: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What never keeps an original leaves the state folder empty."""
    monkeypatch.setenv("HEADROOM_HOME", str(tmp_path))
    data = dumpd(model_at(servers["openai"], compressor=Compressor(strength="lossless")))
    assert data["kwargs"]["compressor"] == {"strength": "lossless"}
    assert list(tmp_path.iterdir()) == []
