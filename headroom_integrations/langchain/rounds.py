"""One call of the wrapped model: compress, ask, answer its retrievals, ask again, and hand out one result.

Everything here is pure bookkeeping between requests, so that the sync and the async path share it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ToolMessage, message_chunk_to_message
from langchain_core.messages.ai import UsageMetadata, add_usage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.outputs.chat_generation import merge_chat_generation_chunks

from headroom_core.ccr.retrieve import TOOL_NAME
from headroom_integrations._bridge import Note, add_notes, retrieval_note
from headroom_integrations.langchain.messages import NOTE, annotated, note_of
from headroom_integrations.langchain.retrieve import Content

_HELD: Final = "held"
"""Where a message keeps the retrievals that we took out of it, as (place, entry) pairs."""

_LIMIT: Final = "No more retrievals in this turn. Answer with what you have."
_MERGED_ONCE: Final = ("id", "output_version", "model_provider", NOTE)
"""Metadata that may stand in many chunks: merging keeps one of equal values, and adds up our own."""

_CALL_BLOCKS: Final = ("tool_use", "function_call", "tool_call", "tool_call_chunk", "custom_tool_call")

A = TypeVar("A", bound=AIMessage)


@dataclass
class Turn:
    """The requests that stand behind one call.

    ``answer`` resolves the arguments of a retrieval into text; ``tell`` hears of sums that came later.
    """

    messages: list[BaseMessage]
    arguments: dict[str, Any]
    note: Note
    answer: Callable[[Mapping[str, Any]], Content] | None
    rounds_left: int
    harder: Callable[[], tuple[list[BaseMessage], Note] | None]
    tell: Callable[[Note], None]
    texts_only: bool = False
    usage: UsageMetadata | None = None
    outputs: list[dict[str, Any] | None] = field(default_factory=list)
    added: int = 0

    def escalate(self) -> bool:
        """Compress harder, once. False where that makes the request no smaller."""
        tried = self.harder()
        self.harder = _no_more
        if tried is None:
            return False
        kept = self.messages[len(self.messages) - self.added :] if self.added else []
        self.messages, escalated = [*tried[0], *kept], tried[1]
        self.note = escalated | {"escalations": 1}
        self.tell({"escalations": 1})
        return True

    def take(self, result: ChatResult) -> ChatResult | None:
        """The result for the caller, or None where the model asked for originals: then ``messages`` has the answers."""
        self.outputs.append(result.llm_output)
        if self.answer is None or len(result.generations) != 1:
            return self._finished(result)
        message = result.generations[0].message
        if not isinstance(message, AIMessage):
            return self._finished(result)
        self.usage = add_usage(self.usage, message.usage_metadata) if message.usage_metadata else self.usage
        if self.asks_again(message):
            return None
        return self._finished(result, without_retrievals(message))

    def asks_again(self, message: AIMessage) -> bool:
        """Answer the retrievals of a message that makes no other call; True where another request follows."""
        mine, others = _calls(message)
        if not mine or others:
            return False
        if self.rounds_left < 0:
            return False
        answers = [self._answered(call) for call in mine]
        self.messages = [*self.messages, message, *answers]
        self.added += 1 + len(answers)
        self.rounds_left -= 1
        return True

    def _answered(self, call: Mapping[str, Any]) -> ToolMessage:
        if self.rounds_left == 0 or self.answer is None:
            return _reply(call, _LIMIT)
        content = self.answer(call["args"] if isinstance(call["args"], dict) else {})
        self.note = add_notes(self.note, retrieval_note(content))
        self.tell({key: self.note[key] for key in ("retrievals", "retrieved_tokens")})
        return _reply(call, content)

    def _finished(self, result: ChatResult, message: AIMessage | None = None) -> ChatResult:
        generations = list(result.generations)
        if message is not None:
            update: dict[str, Any] = {"usage_metadata": self.usage} if self.usage else {}
            done = message.model_copy(update=update)
            generations = [generations[0].model_copy(update={"message": done})]
        generations[0] = _noted(generations[0], self.note)
        return ChatResult(generations=generations, llm_output=result.llm_output)


class Round:
    """The stream of one request. Text goes straight through; what may be a retrieval is held until the round ends."""

    def __init__(self, turn: Turn, told: Told) -> None:
        self._turn = turn
        self._told = told
        self._all: list[ChatGenerationChunk] = []
        self._held: list[ChatGenerationChunk] = []
        self.again = False

    @property
    def begun(self) -> bool:
        """Has the provider sent anything in this round?"""
        return bool(self._all)

    def feed(self, chunk: ChatGenerationChunk) -> Iterator[ChatGenerationChunk]:
        """What the caller sees of a chunk now."""
        if self._turn.answer is None:
            self._all = [chunk]
            yield self._told.out(chunk, self._turn.note)
            return
        self._all.append(chunk)
        message = chunk.message
        calls = message.tool_call_chunks if isinstance(message, AIMessageChunk) else []
        if self._held or any(call["name"] == TOOL_NAME for call in calls):
            self._held.append(chunk)
        else:
            yield self._told.out(chunk, self._turn.note, texts_only=self._turn.texts_only)

    def close(self) -> Iterator[ChatGenerationChunk]:
        """What was held: the retrievals are answered, or left out of the last chunk where the caller must act first."""
        held = merge_chat_generation_chunks(self._held)
        if held is None:
            return
        whole = merge_chat_generation_chunks(self._all)
        assert whole is not None  # _held is a part of _all
        message = _whole(whole.message)
        before = self._turn.note
        self.again = self._turn.asks_again(message)
        if self.again:
            yield self._told.interlude(held.message, add_notes(self._turn.note, _negative(before)))
            return
        mine = {call["id"] for call in _calls(message)[0]}
        rest = without_retrievals(held.message, mine) if isinstance(held.message, AIMessageChunk) else held.message
        yield self._told.out(held.model_copy(update={"message": rest}), self._turn.note)


class Told:
    """What the caller was told so far, over all rounds: later chunks must merge with it into one sound message."""

    def __init__(self) -> None:
        self._id: str | None = None
        self._keys: set[str] = set()
        self._earlier_keys: frozenset[str] = frozenset()
        self._offset = 0
        self._next_index = 0
        self._round = 0
        self._noted = False
        self._text = ""
        self._break = False

    def next_round(self) -> None:
        """The next chunks come from another request."""
        self._round += 1
        self._offset, self._earlier_keys = self._next_index, frozenset(self._keys)
        self._break = bool(self._text.strip())

    def out(self, chunk: ChatGenerationChunk, note: Note, *, texts_only: bool = False) -> ChatGenerationChunk:
        """The chunk as the caller gets it."""
        message = chunk.message
        update: dict[str, Any] = {}
        content = message.content
        if texts_only and isinstance(content, list):
            content = _as_text(content)
        if self._round:
            content = self._shifted(content)
            update["id"] = self._id or message.id
            update["response_metadata"] = self._fresh(message.response_metadata)
            if isinstance(message, AIMessageChunk) and message.tool_call_chunks:
                update["tool_call_chunks"] = [self._moved(call) for call in message.tool_call_chunks]
        if not self._noted:
            self._noted = True
            metadata = update.get("response_metadata", message.response_metadata)
            update["response_metadata"] = {**metadata, NOTE: {**note, **metadata.get(NOTE, {})}}
        if content is not message.content:
            update["content"] = content
        info = chunk.generation_info
        if self._round and info:
            info = self._fresh(info)
        self._id = self._id or message.id
        self._keys |= {*message.response_metadata, *(chunk.generation_info or {})}
        self._text = (self._text + message.text)[-100:]
        self._next_index = max(self._next_index, *(index + 1 for index in _indices(content, message)), 0)
        # A new chunk, always: LangChain puts the standard form into the chunk that it gets, and we need ours as it came.
        return ChatGenerationChunk(
            message=message.model_copy(update=update) if update else message, generation_info=info
        )

    def interlude(self, held: BaseMessage, change: Note) -> ChatGenerationChunk:
        """Between two rounds: the usage of the first, and the retrievals that it made."""
        usage = held.usage_metadata if isinstance(held, AIMessageChunk) else None
        content: Any = [] if isinstance(held.content, list) else ""
        told = {key: value for key, value in change.items() if value} if self._noted else {}
        metadata = {NOTE: told} if told else {}
        chunk = AIMessageChunk(content=content, id=self._id, usage_metadata=usage, response_metadata=metadata)
        return ChatGenerationChunk(message=chunk)

    def _shifted(self, content: Any) -> Any:
        if isinstance(content, str):
            if content and self._break:
                self._break = False
                return "\n\n" + content
            return content
        return [self._moved(block) if isinstance(block, dict) else block for block in content]

    def _moved(self, entry: Any) -> Any:
        index = entry.get("index")
        if isinstance(index, int):
            return {**entry, "index": index + self._offset}
        return {**entry, "index": f"{index}.{self._round}"} if isinstance(index, str) else entry

    def _fresh(self, said: Mapping[str, Any]) -> dict[str, Any]:
        """Without the keys of earlier rounds: merging would join ``model_name`` to itself."""
        return {key: value for key, value in said.items() if key not in self._earlier_keys or key in _MERGED_ONCE}


def with_retrievals(
    messages: Sequence[BaseMessage], answer: Callable[[Mapping[str, Any]], Content]
) -> list[BaseMessage]:
    """The conversation as the provider saw it: retrievals beside the caller's own calls, with their answers."""
    full: list[BaseMessage] = []
    for message in messages:
        held = note_of(message).get(_HELD)
        if not isinstance(message, AIMessage) or not isinstance(held, Mapping):
            full.append(message)
            continue
        calls = [call for _, call in held.get("tool_calls", ())]
        full += [_restored(message, held), *(_reply(call, answer(call["args"])) for call in calls)]
    return full


def without_retrievals(message: A, ids: set[str | None] | None = None) -> A:
    """A copy without our calls, which it keeps in its note; the same object where there are none."""
    mine = {call["id"] for call in _calls(message)[0]} if ids is None else ids
    if not mine:
        return message
    held: dict[str, Any] = {}
    update: dict[str, Any] = {}
    for name in ("tool_calls", "invalid_tool_calls", "tool_call_chunks"):
        if hasattr(message, name):
            update[name], held[name] = _parted(getattr(message, name), lambda call: call["id"] in mine)
    if isinstance(message.content, list):
        update["content"], held["content"] = _parted(message.content, lambda block: _call_id(block) in mine)
    if raw := message.additional_kwargs.get("tool_calls"):
        rest, held["raw"] = _parted(raw, lambda call: call.get("id") in mine)
        others = {key: value for key, value in message.additional_kwargs.items() if key != "tool_calls"}
        update["additional_kwargs"] = others | {"tool_calls": rest} if rest else others
    kept = {key: held[key] for key in ("tool_calls", "content", "raw") if held.get(key)}
    # Unreadable calls cannot be answered later, so a message that has one of them loses its retrievals.
    return annotated(message.model_copy(update=update), {} if held["invalid_tool_calls"] else {_HELD: kept})


def _restored(message: AIMessage, held: Mapping[str, Any]) -> AIMessage:
    update: dict[str, Any] = {"tool_calls": _joined(message.tool_calls, held.get("tool_calls"))}
    if held.get("content") and isinstance(message.content, list):
        update["content"] = _joined(message.content, held["content"])
    if held.get("raw"):
        raw = _joined(message.additional_kwargs.get("tool_calls", []), held["raw"])
        update["additional_kwargs"] = {**message.additional_kwargs, "tool_calls": raw}
    return message.model_copy(update=update)


def _parted(entries: Sequence[Any], mine: Callable[[Any], bool]) -> tuple[list[Any], list[list[Any]]]:
    """The entries that stay, and the others with their places."""
    return [e for e in entries if not mine(e)], [[at, e] for at, e in enumerate(entries) if mine(e)]


def _joined(entries: Sequence[Any], held: Sequence[Sequence[Any]] | None) -> list[Any]:
    """The reverse of ``_parted``."""
    whole = list(entries)
    for at, entry in held or ():
        whole.insert(at, entry)
    return whole


def _calls(message: AIMessage) -> tuple[list[Mapping[str, Any]], list[Mapping[str, Any]]]:
    """Our calls and the caller's; a call of ours with unreadable arguments is still ours."""
    calls: list[Mapping[str, Any]] = [*message.tool_calls, *message.invalid_tool_calls]
    mine = [call for call in calls if call["name"] == TOOL_NAME]
    return mine, [call for call in message.tool_calls if call["name"] != TOOL_NAME]


def _reply(call: Mapping[str, Any], content: Content) -> ToolMessage:
    return ToolMessage(content, tool_call_id=str(call["id"]), name=TOOL_NAME)


def _call_id(block: Any) -> Any:
    if not isinstance(block, Mapping) or block.get("type") not in _CALL_BLOCKS:
        return None
    return block.get("call_id") or block.get("id")


def _noted(generation: ChatGeneration, note: Note) -> ChatGeneration:
    message = annotated(generation.message, note)
    return generation.model_copy(update={"message": message})


def _whole(message: Any) -> AIMessage:
    """A merged chunk as the message that goes back to the provider."""
    made = message_chunk_to_message(message)
    assert isinstance(made, AIMessage)
    return made


def _as_text(content: Sequence[Any]) -> Any:
    """A list of plain text blocks as the string that the model streams when it has no tools."""
    plain = {"type", "text", "index"}
    if all(isinstance(block, Mapping) and block.get("type") == "text" and plain.issuperset(block) for block in content):
        return "".join(str(block.get("text", "")) for block in content)
    return content


def _indices(content: Any, message: BaseMessage) -> Iterator[int]:
    blocks = content if isinstance(content, list) else []
    calls = message.tool_call_chunks if isinstance(message, AIMessageChunk) else []
    for entry in (*blocks, *calls):
        index = entry.get("index") if isinstance(entry, Mapping) else None
        if isinstance(index, int):
            yield index


def _negative(note: Mapping[str, Any]) -> Note:
    return {key: _negative(value) if isinstance(value, Mapping) else -value for key, value in note.items()}


def _no_more() -> None:
    return None
