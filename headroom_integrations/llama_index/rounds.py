"""One call of the wrapped LLM: ask, answer its retrievals, ask again, and hand out one response.

Everything here is bookkeeping between requests, so that the sync and the async path share it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from llama_index.core.base.llms.types import ChatMessage, ChatResponse, MessageRole, TextBlock, ToolCallBlock
from llama_index.core.llms.llm import ToolSelection

from headroom_core.ccr.retrieve import TOOL_NAME
from headroom_integrations._bridge import Note, add_notes, retrieval_note
from headroom_integrations.llama_index.messages import NOTE
from headroom_integrations.llama_index.retrieve import Answer

_HELD: Final = "held"
"""Where a message keeps the retrievals that we took out of it, as (place, block) pairs."""

_LIMIT: Final = "No more retrievals in this turn. Answer with what you have."
_COUNTS: Final = ("prompt_tokens", "completion_tokens", "total_tokens")


@dataclass
class Turn:
    """The requests that stand behind one call. ``answer`` resolves a retrieval; None where nobody does."""

    messages: list[ChatMessage]
    arguments: dict[str, Any]
    note: Note
    answer: Answer | None
    calls: Callable[[ChatResponse], Sequence[ToolSelection]]
    rounds_left: int
    counts: dict[str, int] = field(default_factory=dict)

    def take(self, response: ChatResponse) -> ChatResponse | None:
        """The response for the caller, or None where the model asked for originals: ``messages`` has the answers then."""
        if self.answer is None:
            return self.noted(response)
        if self.asks_again(response):
            return None
        return self.noted(without_retrievals(response))

    def asks_again(self, response: ChatResponse) -> bool:
        """Answer the retrievals of a response that makes no other call; True where another request follows."""
        calls = self.calls(response)
        mine = [call for call in calls if call.tool_name == TOOL_NAME]
        if not mine or len(mine) < len(calls) or self.rounds_left < 0:
            return False
        for name in _COUNTS:
            count = response.additional_kwargs.get(name)
            if isinstance(count, int):
                self.counts[name] = self.counts.get(name, 0) + count
        self.messages = [*self.messages, response.message, *map(self._answered, mine)]
        self.rounds_left -= 1
        return True

    def _answered(self, call: ToolSelection) -> ChatMessage:
        if self.rounds_left <= 0 or self.answer is None:
            return _reply(call.tool_id, [TextBlock(text=_LIMIT)])
        blocks = self.answer(call.tool_kwargs)
        texts = [block.text for block in blocks if isinstance(block, TextBlock)]
        self.note = add_notes(self.note, retrieval_note(texts))
        return _reply(call.tool_id, blocks)

    def noted(self, response: ChatResponse) -> ChatResponse:
        """The response with our note beside it, and with the tokens of all its requests."""
        extra = {**response.additional_kwargs, NOTE: self.note}
        for name, count in self.counts.items():
            if isinstance(extra.get(name), int):
                extra[name] += count
        return response.model_copy(update={"additional_kwargs": extra})


class Round:
    """The stream of one request. What the caller may see goes straight through; a lone retrieval is held back."""

    def __init__(self, turn: Turn, before: str = "") -> None:
        self._turn = turn
        self._before = before
        self._fresh = bool(before)
        self._last: ChatResponse | None = None
        self._shown = True
        self.again = False

    def feed(self, response: ChatResponse) -> Iterator[ChatResponse]:
        """What the caller sees of a chunk now."""
        self._last = response
        if self._turn.answer is None:
            yield self._turn.noted(response)
            return
        self._shown = not _calls_ours(response.message) or bool(response.delta) or _calls_others(response.message)
        if self._shown:
            yield self._out(response)

    def close(self) -> Iterator[ChatResponse]:
        """The end of the request: its retrievals are answered, or left out where the caller must act first."""
        if self._last is None or self._turn.answer is None:
            return
        self.again = self._turn.asks_again(self._last)
        if not self.again and not self._shown:
            yield self._out(self._last)

    @property
    def text(self) -> str:
        """All that was said so far, over the rounds."""
        said = (self._last.message.content or "") if self._last else ""
        return "\n".join(part for part in (self._before, said) if part)

    def _out(self, response: ChatResponse) -> ChatResponse:
        """The chunk as the caller gets it: after what earlier rounds said, so that text and deltas agree."""
        made = self._turn.noted(without_retrievals(response))
        if not self._before or not made.message.content:
            return made
        message = made.message.model_copy(update={"blocks": [TextBlock(text=self._before), *made.message.blocks]})
        delta = made.delta
        if self._fresh:
            self._fresh, delta = False, "\n" + (delta or "")
        return made.model_copy(update={"message": message, "delta": delta})


def without_retrievals(response: ChatResponse) -> ChatResponse:
    """A copy without our calls, which its message keeps in its note; the same object where there are none."""
    message = response.message
    if not _calls_ours(message):
        return response
    held = [[at, block.model_dump()] for at, block in enumerate(message.blocks) if _is_ours(block)]
    extra = dict(message.additional_kwargs)
    if rest := [call for call in extra.pop("tool_calls", None) or () if _name_of(call) != TOOL_NAME]:
        extra["tool_calls"] = rest
    if held:
        extra[NOTE] = {_HELD: held}
    blocks = [block for block in message.blocks if not _is_ours(block)]
    update = {"blocks": blocks, "additional_kwargs": extra}
    return response.model_copy(update={"message": message.model_copy(update=update)})


def with_retrievals(messages: Sequence[ChatMessage], answer: Answer | None) -> list[ChatMessage]:
    """The conversation as the provider saw it: retrievals beside the caller's own calls, with their answers.

    Our note goes from every message, so that it is in no request.
    """
    full: list[ChatMessage] = []
    for message in messages:
        note = message.additional_kwargs.get(NOTE)
        if not isinstance(note, Mapping) or _HELD not in note:
            full.append(message)
            continue
        extra = {key: value for key, value in message.additional_kwargs.items() if key != NOTE}
        blocks = list(message.blocks)
        calls = [(at, ToolCallBlock.model_validate(block)) for at, block in note[_HELD]] if answer else []
        for at, call in calls:
            blocks.insert(at, call)
        full.append(message.model_copy(update={"blocks": blocks, "additional_kwargs": extra}))
        for _, call in calls:
            given = call.tool_kwargs if isinstance(call.tool_kwargs, Mapping) else _parsed(call.tool_kwargs)
            full.append(_reply(call.tool_call_id or "", answer(given) if answer else []))
    return full


def _parsed(arguments: str) -> Mapping[str, Any]:
    from llama_index.core.llms.utils import parse_partial_json

    try:
        made = parse_partial_json(arguments)
    except ValueError:
        return {}
    return made if isinstance(made, Mapping) else {}


def _reply(call_id: str, blocks: Sequence[Any]) -> ChatMessage:
    extra = {"tool_call_id": call_id, "name": TOOL_NAME}
    return ChatMessage(role=MessageRole.TOOL, blocks=list(blocks), additional_kwargs=extra)


def _is_ours(block: Any) -> bool:
    return isinstance(block, ToolCallBlock) and block.tool_name == TOOL_NAME


def _name_of(call: Any) -> Any:
    if isinstance(call, Mapping):
        function = call.get("function")
        return function.get("name") if isinstance(function, Mapping) else call.get("name")
    return getattr(getattr(call, "function", None), "name", None) or getattr(call, "tool_name", None)


def _calls_ours(message: ChatMessage) -> bool:
    raw = message.additional_kwargs.get("tool_calls") or ()
    return any(map(_is_ours, message.blocks)) or any(_name_of(call) == TOOL_NAME for call in raw)


def _calls_others(message: ChatMessage) -> bool:
    return any(isinstance(block, ToolCallBlock) and not _is_ours(block) for block in message.blocks)
