"""One conversation measured: its tool outputs before and after, what later turns used of them, and both bills."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

from headroom_core.ccr.originals import Originals
from headroom_core.ccr.retrieve import retrieve, tool_schema
from headroom_core.dialects import read_message, read_messages
from headroom_core.image.plan import tokens_of
from headroom_core.kinds import detect
from headroom_core.outcome import Outcome
from headroom_core.pipeline import Compressor
from headroom_core.types import Change, Image, Message, Opaque, Skip, Text

from .conversation import Conversation, Raw, called, calls, leaves
from .cost import Bill, Segment, bill
from .facts import CATEGORIES, Facts, kept, values

NAMESPACE = "evaluate"
_CALL_TOKENS = 45
"""About what a call of the retrieve tool takes in output: its name, a reference and a few words."""


@dataclass(frozen=True, slots=True)
class Use:
    """A value of an output that the model wrote later: was it still visible, and if not, did retrieval bring it back?"""

    value: str
    by: int
    visible: bool
    returned: bool = False


@dataclass(slots=True)
class Piece:
    """One tool output (or document set): what it was, what it became, who did it or why not, and what was kept."""

    conversation: str
    at: tuple[int, int]
    tool: str
    kind: str
    by: str
    why: str
    before: str = field(repr=False)
    after: str = field(repr=False)
    tokens_before: int = 0
    tokens_after: int = 0
    changed: bool = False
    ref: str | None = None
    stays: dict[str, list[str]] = field(default_factory=dict, repr=False)
    goes: dict[str, list[str]] = field(default_factory=dict, repr=False)
    uses: list[Use] = field(default_factory=list)

    @property
    def missing(self) -> list[Use]:
        """Uses whose value was not visible."""
        return [use for use in self.uses if not use.visible]

    @property
    def lost(self) -> list[Use]:
        """Uses whose value was neither visible nor brought back."""
        return [use for use in self.missing if not use.returned]


@dataclass(slots=True)
class Measured:
    """A conversation with both of its bills. ``turns`` holds prompt tokens (without, with) for each recorded call."""

    conversation: Conversation
    outcome: Outcome
    pieces: list[Piece]
    without: Bill
    with_us: Bill
    turns: list[tuple[int, int]]
    retrievals: int = 0
    prefix_breaks: int = 0


def measure(conversation: Conversation, compressor: Compressor, originals: Originals | None, minimum: int) -> Measured:
    """Compress a conversation as it grew, call by call, and check what each call could still see."""
    return _Run(conversation, compressor, originals).measured(minimum)


class _Run:
    def __init__(self, conversation: Conversation, compressor: Compressor, originals: Originals | None) -> None:
        self.conversation, self.compressor, self.originals = conversation, compressor, originals
        self.count = compressor.count
        self.raws = conversation.messages
        self.read = read_messages(self.raws)
        self.calls = calls(self.raws)
        self.outcome = compressor(self.raws, namespace=NAMESPACE)

    def measured(self, minimum: int) -> Measured:
        pieces = self.pieces()
        fetched = self.check(pieces)
        self.check_answers(pieces)
        after, breaks = self.sent()
        plain = [self.segments(self.raws[:given]) for given, _ in self.calls]
        made = [sum(tokens for _, tokens in self.segments(self.raws[given:end])) for given, end in self.calls]
        offer = [self.segment("tools", tool_schema())] if self.retrievable else []
        tools = [self.segment("tools", self.conversation.tools)] if self.conversation.tools else []
        ours, turns = self.with_retrievals([[*tools, *offer, *s] for s in after], made, fetched)
        theirs = [([*tools, *s], out) for s, out in zip(plain, made, strict=True)]
        for at, (prompt, _) in enumerate(theirs):
            turns[at] = (sum(tokens for _, tokens in prompt), turns[at][1])
        return Measured(
            self.conversation, self.outcome, pieces, bill(theirs, minimum), bill(ours, minimum), turns,
            len(fetched), breaks,
        )  # fmt: skip

    @property
    def retrievable(self) -> bool:
        return self.originals is not None and self.compressor.options.retrievable

    # ------------------------------------------------------------------ what went and what stayed
    def pieces(self) -> list[Piece]:
        entries: list[Change | Skip] = [*self.outcome.changes, *self.outcome.skipped]
        made = [self.piece(entry) for entry in entries]
        return sorted(made, key=lambda piece: piece.at)

    def piece(self, entry: Change | Skip) -> Piece:
        part, block = entry.part, entry.part.block
        kind = str(part.kind)
        if kind == "opaque" and isinstance(block, Text):
            kind = str(detect(part.text).kind)
        if isinstance(block, Image):
            kind = "image"
        tool = block.tool or "unknown"
        if isinstance(entry, Skip):
            return Piece(self.conversation.id, part.at, tool, kind, entry.by, entry.reason, part.text, part.text,
                         part.tokens, part.tokens)  # fmt: skip
        after = entry.rewrite.text
        made = Piece(self.conversation.id, part.at, tool, kind, entry.by, entry.why, part.text, after,
                     part.tokens, entry.tokens, True, entry.ref)  # fmt: skip
        before_facts, after_facts = facts_of(part.text), facts_of(after)
        for category in CATEGORIES:
            made.stays[category], made.goes[category] = kept(before_facts, after_facts, category)
        return made

    # ------------------------------------------------------------------ what later turns used
    def check(self, pieces: Sequence[Piece]) -> dict[int, list[str]]:
        """Note each value that the model took from an output; texts that it would have called back, by call."""
        fetched: dict[int, list[str]] = {}
        for number, (given, end) in enumerate(self.calls):
            earlier = [piece for piece in pieces if piece.at[0] < given]
            known = self.untouched(given)
            wanted: dict[str, list[tuple[Piece, str]]] = {}
            for value in self.written(given, end):
                origins = [piece for piece in earlier if facts_of(piece.before).holds(value)]
                if not origins or known.holds(value):
                    continue
                visible = any(facts_of(piece.after).holds(value) for piece in earlier)
                if visible:
                    origins[-1].uses.append(Use(value, given, True))
                    continue
                source = next((piece for piece in reversed(origins) if piece.ref), origins[-1])
                wanted.setdefault(source.ref or "", []).append((source, value))
            for ref, missed in wanted.items():
                text = self.called_back(ref, [value for _, value in missed])
                for source, value in missed:
                    source.uses.append(Use(value, given, False, facts_of(text).holds(value)))
                if text:
                    fetched.setdefault(number, []).append(text)
        return fetched

    def check_answers(self, pieces: Sequence[Piece]) -> None:
        """For a question over documents: does an accepted answer, and each stretch of evidence, still stand there?"""
        answers = [answer for answer in self.conversation.answers if answer.strip()]
        for piece in pieces:
            before, after = facts_of(piece.before), facts_of(piece.after)
            groups = [answers, *([stretch] for stretch in self.conversation.evidence)]
            for group in groups:
                there = [each for each in group if before.holds(each)]
                if there:
                    visible = any(after.holds(each) for each in there)
                    back = "" if visible else self.called_back(piece.ref or "", [self.question])
                    piece.uses.append(Use(there[0], len(self.raws), visible, facts_of(back).holds(there[0])))

    @cached_property
    def question(self) -> str:
        return next((text.text for message in self.read for text in _texts(message) if message.role == "user"), "")

    def written(self, given: int, end: int) -> list[str]:
        """Values in what the model said and called in one go."""
        said = "\n".join(text.text for message in self.read[given:end] for text in _texts(message))
        arguments = [leaf for raw in self.raws[given:end] for _, value in called(raw) for leaf in leaves(value)]
        return list(values("\n".join([said, *arguments]), arguments))

    def untouched(self, given: int) -> Facts:
        """Everything before a call that is no tool output: what it holds is known without the outputs."""
        told = [
            text.text
            for message in self.read[:given]
            for text in _texts(message)
            if (text.role or message.role) != "tool"
        ]
        arguments = [leaf for raw in self.raws[:given] for _, value in called(raw) for leaf in leaves(value)]
        return Facts("\n".join([*told, *arguments]))

    def called_back(self, ref: str, wanted: Sequence[str]) -> str:
        """What the retrieve tool would answer to a question for these values; empty where it cannot be asked."""
        if not ref or self.originals is None or not self.retrievable:
            return ""
        return str(retrieve(ref, originals=self.originals, namespace=NAMESPACE, query=" ".join(wanted)))

    # ------------------------------------------------------------------ what was sent
    def sent(self) -> tuple[list[list[Segment]], int]:
        """The prompt of each call, compressed as it was sent then, and how often a call's prompt broke the one before."""
        prompts: list[list[Segment]] = []
        breaks = 0
        for given, _ in self.calls:
            out = self.compressor(self.raws[:given], namespace=NAMESPACE)
            prompt = self.segments(out.messages)
            if prompts and [key for key, _ in prompt[: len(prompts[-1])]] != [key for key, _ in prompts[-1]]:
                breaks += 1
            prompts.append(prompt)
        return prompts, breaks

    def with_retrievals(
        self, prompts: Sequence[list[Segment]], made: Sequence[int], fetched: Mapping[int, list[str]]
    ) -> tuple[list[tuple[list[Segment], int]], list[tuple[int, int]]]:
        """All calls with ours: where a value was missing, a call that asks for it comes first, and its result stays."""
        found: list[tuple[list[Segment], int]] = []
        turns: list[tuple[int, int]] = []
        extra: list[tuple[int, list[Segment]]] = []
        for number, (prompt, output) in enumerate(zip(prompts, made, strict=True)):
            if number in fetched:
                found.append((_inserted(prompt, extra), _CALL_TOKENS * len(fetched[number])))
                results = [self.segment(str(number), text, _CALL_TOKENS) for text in fetched[number]]
                extra.append((len(prompt), results))
            whole = _inserted(prompt, extra)
            found.append((whole, output))
            turns.append((0, sum(tokens for _, tokens in whole)))
        return found, turns

    def segments(self, raws: Sequence[Raw]) -> list[Segment]:
        return [self.known.get(id(raw)) or self.weighed(raw) for raw in raws]

    @cached_property
    def known(self) -> dict[int, Segment]:
        """The recorded messages, digested and counted once: most of them stand in most prompts."""
        return {id(raw): self.weighed(raw) for raw in self.raws}

    def weighed(self, raw: Raw) -> Segment:
        return _digest(raw), self.tokens(raw, read_message(raw, {}))

    def segment(self, name: str, value: Any, more: int = 0) -> Segment:
        text = value if isinstance(value, str) else json.dumps(value)
        return _digest([name, text]), self.count(text) + more

    def tokens(self, raw: Raw, message: Message) -> int:
        """Tokens of a message: its texts and pictures, and the JSON of what else it carries."""
        total = 0
        for block in message.blocks:
            if isinstance(block, Text):
                total += self.count(block.text)
            elif isinstance(block, Image):
                total += tokens_of(block, self.compressor.options.provider, self.conversation.model)
            elif isinstance(block, Opaque):
                total += self.count(_json(block.raw))
        return total + (self.count(_json(raw["tool_calls"])) if raw.get("tool_calls") else 0)


@lru_cache(512)
def facts_of(text: str) -> Facts:
    """The facts of a text, found once."""
    return Facts(text)


def _texts(message: Message) -> list[Text]:
    return [block for block in message.blocks if isinstance(block, Text)]


def _inserted(prompt: Sequence[Segment], extra: Sequence[tuple[int, list[Segment]]]) -> list[Segment]:
    """A prompt with what was called back earlier at its places."""
    found: list[Segment] = []
    start = 0
    for at, results in extra:
        found += [*prompt[start:at], *results]
        start = at
    return [*found, *prompt[start:]]


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _digest(value: Any) -> str:
    return hashlib.sha256(_json(value).encode("utf-8", "surrogatepass")).hexdigest()
