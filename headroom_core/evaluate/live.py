"""Ask a real model the last question of each conversation, once with the whole context and once with ours, and grade.

A conversation is shown as a transcript in one user message, because exports seldom hold the tool definitions that a
provider wants to see again. With the compressed transcript the model may call ``headroom_retrieve``. An answer is right
where it holds an accepted answer, or else where the judge (the same model unless another is given) says that it agrees
with the recorded one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from headroom_core.ccr.originals import Originals
from headroom_core.ccr.retrieve import TOOL_NAME, answer, tool_schema
from headroom_core.dialects import read_messages
from headroom_core.errors import InvalidInput, MissingExtra
from headroom_core.types import Text

from .conversation import Conversation, called, calls
from .facts import Facts
from .measure import NAMESPACE, Measured
from .report import Graded

_SYSTEM = (
    "You continue the conversation in the transcript as its assistant. Answer the last question of its user from the "
    "tool outputs, briefly and exactly. You cannot call the transcript's own tools."
)
_JUDGE = (
    "Two answers to the same question follow. Does the second say the same as the first in everything that the question "
    "asks for? Reply with yes or no alone."
)
_MOST_ROUNDS = 4

Tool = Callable[[Mapping[str, Any]], str]


@dataclass(frozen=True, slots=True)
class Said:
    """A model's final text, the prompt tokens of all its calls as billed, and how often it called the tool."""

    text: str
    tokens: int
    retrievals: int


class Model(Protocol):
    """Answers a prompt, calling the tool where one is given."""

    def __call__(self, system: str, prompt: str, tool: Tool | None, /) -> Said:
        """The final answer."""
        ...


def open_model(name: str) -> Model:
    """``openai:NAME`` or ``anthropic:NAME``; key and address come from the provider's own environment variables."""
    provider, _, model = name.partition(":")
    if provider == "openai" and model:
        return _OpenAi(model)
    if provider == "anthropic" and model:
        return _Anthropic(model)
    raise InvalidInput(f"{name!r} names no model that can be asked; write openai:NAME or anthropic:NAME.")


def ask_all(
    measured: Sequence[Measured],
    model: Model,
    originals: Originals | None,
    progress: Callable[[str, int, int], None],
    judge: Model | None = None,
) -> Iterator[Graded]:
    """One graded pair for each conversation that ends in an answer or has accepted ones."""
    for at, one in enumerate(measured, 1):
        made = _ask(one, model, originals, judge or model)
        if made:
            yield made
        progress("asking the model", at, len(measured))


def _ask(one: Measured, model: Model, originals: Originals | None, judge: Model) -> Graded | None:
    conversation = one.conversation
    given = _last_answered(conversation)
    recorded = _texts(conversation.messages[given:]) if given < len(conversation.messages) else ""
    if not given or not (recorded.strip() or conversation.answers):
        return None
    tool: Tool | None = None
    if originals is not None:
        tool = lambda arguments: answer(arguments, originals=originals, namespace=NAMESPACE)  # noqa: E731
    whole = model(_SYSTEM, transcript(conversation.messages[:given]), None)
    ours = model(_SYSTEM, transcript(one.outcome.messages[:given]), tool)
    expected = conversation.answers[0] if conversation.answers else recorded
    question = _question(conversation, given)
    first, second = (_right(said.text, conversation.answers, recorded, question, judge) for said in (whole, ours))
    return Graded(
        conversation.id, question, expected, whole.text, ours.text, first, second,
        ours.retrievals, whole.tokens, ours.tokens,
    )  # fmt: skip


def _last_answered(conversation: Conversation) -> int:
    """How many messages the last call that ended in text was given; all where the last answer is not recorded."""
    for given, end in reversed(calls(conversation.messages)):
        if given == len(conversation.messages) or _texts(conversation.messages[given:end]).strip():
            return given
    return 0


def _texts(raws: Sequence[Any]) -> str:
    return "\n".join(b.text for message in read_messages(raws) for b in message.blocks if isinstance(b, Text))


def _question(conversation: Conversation, given: int) -> str:
    users = [raw for raw in conversation.messages[:given] if raw.get("role") == "user"]
    asked = [text for raw in users if (text := _texts([raw]).strip())]
    return asked[-1] if asked else ""


def _right(text: str, answers: Sequence[str], recorded: str, question: str, judge: Model) -> bool:
    if answers:
        return any(Facts(text).holds(each) for each in answers)
    prompt = f"Question: {question}\n\nFirst answer: {recorded}\n\nSecond answer: {text}"
    return judge(_JUDGE, prompt, None).text.strip().lower().startswith("yes")


def transcript(raws: Sequence[Any]) -> str:
    """A conversation as text: a heading for each message, its texts, and its calls as JSON."""
    lines: list[str] = []
    for raw, message in zip(raws, read_messages(raws), strict=True):
        for block in message.blocks:
            if isinstance(block, Text):
                role = block.role or message.role or "user"
                lines += [f"### {role}{f' ({block.tool})' if block.tool else ''}", block.text, ""]
        for name, arguments in called(raw) if isinstance(raw, Mapping) else ():
            lines += [f"### assistant calls {name}", json.dumps(arguments, ensure_ascii=False, default=str), ""]
    return "\n".join(lines)


class _OpenAi:
    """The chat completions API through the provider's own package."""

    def __init__(self, model: str) -> None:
        try:
            import openai
        except ModuleNotFoundError:
            raise MissingExtra("openai", "live") from None
        self._model = model
        try:
            self._client = openai.OpenAI()
        except openai.OpenAIError as error:
            raise InvalidInput(f"openai cannot be asked: {error}") from error

    def __call__(self, system: str, prompt: str, tool: Tool | None, /) -> Said:
        messages: list[Any] = [{"role": "system", "content": system}, {"role": "user", "content": prompt}]
        schema = tool_schema()
        function = {"name": TOOL_NAME, "description": schema["description"]}
        function["parameters"] = {
            key: schema[key] for key in ("type", "properties", "required", "additionalProperties")
        }
        offer: Any = {"tools": [{"type": "function", "function": function}]} if tool else {}
        tokens = asked = 0
        for _ in range(_MOST_ROUNDS):
            made = self._client.chat.completions.create(model=self._model, messages=messages, **offer)
            tokens += made.usage.prompt_tokens if made.usage else 0
            said = made.choices[0].message
            if not said.tool_calls or tool is None:
                return Said(said.content or "", tokens, asked)
            messages.append(said.model_dump(exclude_none=True))
            for call in said.tool_calls:
                asked += 1
                given = json.loads(getattr(call, "function").arguments or "{}")  # noqa: B009 - calls are a union
                messages.append({"role": "tool", "tool_call_id": call.id, "content": tool(given)})
        return Said("", tokens, asked)


class _Anthropic:
    """The messages API through the provider's own package."""

    def __init__(self, model: str) -> None:
        try:
            import anthropic
        except ModuleNotFoundError:
            raise MissingExtra("anthropic", "live") from None
        self._model = model
        try:
            self._client = anthropic.Anthropic()
        except anthropic.AnthropicError as error:
            raise InvalidInput(f"anthropic cannot be asked: {error}") from error

    def __call__(self, system: str, prompt: str, tool: Tool | None, /) -> Said:
        messages: list[Any] = [{"role": "user", "content": prompt}]
        schema = tool_schema()
        form = {key: schema[key] for key in ("type", "properties", "required", "additionalProperties")}
        offer: Any = {}
        if tool:
            offer = {"tools": [{"name": TOOL_NAME, "description": schema["description"], "input_schema": form}]}
        tokens = asked = 0
        for _ in range(_MOST_ROUNDS):
            made = self._client.messages.create(
                model=self._model, max_tokens=1024, system=system, messages=messages, **offer
            )
            tokens += made.usage.input_tokens
            wanted = [block for block in made.content if block.type == "tool_use"]
            if not wanted or tool is None:
                return Said("".join(b.text for b in made.content if b.type == "text"), tokens, asked)
            asked += len(wanted)
            messages.append({"role": "assistant", "content": [b.model_dump(exclude_none=True) for b in made.content]})
            results = [{"type": "tool_result", "tool_use_id": b.id, "content": tool(b.input)} for b in wanted]
            messages.append({"role": "user", "content": results})
        return Said("", tokens, asked)
