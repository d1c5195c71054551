"""A provider on 127.0.0.1: records each request, checks it, and answers by a script or by simple rules."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from pydantic import TypeAdapter


@dataclass
class Reply:
    """What the model says: text, and calls as (name, arguments)."""

    text: str = ""
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    status: int = 200
    error: dict[str, Any] | None = None


@dataclass
class Asked:
    """A request in neutral words."""

    prompt: str
    last_role: str
    tools: list[tuple[str, dict[str, Any]]]
    forced: bool = False
    named: str | None = None
    schema: dict[str, Any] | None = None
    json_mode: bool = False


Step = Reply | Callable[[dict[str, Any]], Reply]


class Loopback:
    """Base of the two providers. ``script`` holds replies, or functions of the request's body, used up in order."""

    path = "/"

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.raw: list[bytes] = []
        self.times: list[float] = []
        self.problems: list[str] = []
        self.script: list[Step] = []
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def clear(self) -> None:
        """Forget what was asked, and fail if any of it was wrong."""
        problems, self.problems = self.problems, []
        self.bodies.clear()
        self.raw.clear()
        self.times.clear()
        self.script.clear()
        assert not problems, problems[0]

    def reply(self, raw: bytes) -> tuple[dict[str, Any], Reply]:
        body = json.loads(raw)
        with self._lock:
            self.times.append(time.perf_counter())
            self.raw.append(raw)
            self.bodies.append(body)
            step = self.script.pop(0) if self.script else None
        try:
            self.check(body)
        except ValueError as error:
            said = f"{type(error).__name__}: {error}"[:1500]
            self.problems.append(f"{said}\n{raw[:2000]!r}")
            return body, Reply(status=400, error={"message": said})
        if step is None:
            return body, answered(self.asked(body))
        return body, step if isinstance(step, Reply) else step(body)

    def check(self, body: dict[str, Any]) -> None:
        raise NotImplementedError

    def asked(self, body: dict[str, Any]) -> Asked:
        raise NotImplementedError

    def whole(self, body: dict[str, Any], reply: Reply) -> dict[str, Any]:
        raise NotImplementedError

    def events(self, body: dict[str, Any], reply: Reply) -> Iterator[str]:
        raise NotImplementedError


def check_typed(adapter: TypeAdapter[Any], body: dict[str, Any], known: Iterable[str]) -> None:
    """Does the body fit the client's own request type? Lists are checked through, unknown fields are refused."""
    unknown = set(body) - set(known)
    if unknown:
        raise ValueError(f"unknown fields: {sorted(unknown)}")
    _consume(adapter.validate_python(body, strict=False))


def _consume(value: Any) -> None:
    """Pydantic checks iterables only when they are read."""
    if isinstance(value, dict):
        for inner in value.values():
            _consume(inner)
    elif not isinstance(value, str | bytes) and isinstance(value, Iterable):
        for inner in value:
            _consume(inner)


def answered(asked: Asked) -> Reply:
    """A model of simple manners: structured output and forced tools as told, one call of a free tool, then text."""
    if asked.schema is not None or asked.json_mode:
        schema = asked.schema or {"properties": {"setup": {"type": "string"}, "punchline": {"type": "string"}}}
        return Reply(json.dumps(example(schema, asked.prompt), ensure_ascii=False))
    free = [tool for tool in asked.tools if tool[0] != "headroom_retrieve"]
    if asked.named:
        free = [tool for tool in asked.tools if tool[0] == asked.named]
    if free and (asked.forced or asked.last_role == "user"):
        name, schema = free[0]
        return Reply(calls=[(name, example(schema, asked.prompt))])
    return Reply("Hello from the loopback model.")


def example(schema: dict[str, Any], prompt: str) -> Any:
    """A value that fits a JSON schema; numbers and quoted text are copied from the prompt."""
    numbers = iter([int(n) for n in re.findall(r"\b\d+\b", prompt)])
    quoted = iter(re.findall(r"'([^']+)'", prompt))

    def made(node: dict[str, Any]) -> Any:
        if "$ref" in node:
            return made(schema.get("$defs", {})[node["$ref"].split("/")[-1]])
        if "anyOf" in node:
            return made(node["anyOf"][0])
        if "enum" in node:
            return node["enum"][0]
        kind = node.get("type")
        if isinstance(kind, list):
            kind = kind[0]
        if kind == "integer" or kind == "number":
            return next(numbers, 1)
        if kind == "boolean":
            return True
        if kind == "array":
            return [made(node.get("items", {"type": "string"}))]
        if kind == "object" or "properties" in node:
            return {name: made(inner) for name, inner in node.get("properties", {}).items()}
        return next(quoted, "pirate")

    return made(schema)


def words(text: str) -> list[str]:
    """The text in pieces of about a word, as a stream has it."""
    return re.findall(r"\s*\S+\s*", text) or ([text] if text else [])


def _handler(server: Loopback) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body, reply = server.reply(self.rfile.read(int(self.headers["Content-Length"])))
            if reply.status != 200:
                self._json(reply.status, {"type": "error", "error": reply.error or {"message": "refused"}})
            elif body.get("stream"):
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.send_header("Connection", "close")
                self.end_headers()
                for event in server.events(body, reply):
                    self.wfile.write(event.encode())
                    self.wfile.flush()
                self.close_connection = True
            else:
                self._json(200, server.whole(body, reply))

        def _json(self, status: int, value: dict[str, Any]) -> None:
            data = json.dumps(value, ensure_ascii=False).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.send_header("Connection", "close")  # no connection outlives the event loop that opened it
            self.end_headers()
            self.wfile.write(data)
            self.close_connection = True

        def log_message(self, *args: Any) -> None:
            """Quiet."""

    return Handler
