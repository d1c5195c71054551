"""The contract of every adapter: a framework's messages into core messages, and an outcome back into them.

Subclass it in a test file, give it your two functions and some messages, and run pytest:

    class TestMine(AdapterContract):
        def messages(self) -> list[Any]:
            return [MyMessage(...), ...]

        def read(self, messages): return to_core(messages)
        def write(self, messages, outcome): return from_core(messages, outcome)
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Sequence
from typing import Any

from headroom_core.ccr.memory import MemoryBlobs
from headroom_core.ccr.originals import Originals
from headroom_core.outcome import Outcome
from headroom_core.pipeline import Compressor
from headroom_core.types import Message, Text

_KEY = b"k" * 32
_SPACE = "adapter"


class AdapterContract:
    """What an adapter owes to its users. At least one of the messages is a tool result that can be made smaller."""

    def messages(self) -> list[Any]:
        """A new conversation of the framework's own messages, the same one each time."""
        raise NotImplementedError("Give the suite a conversation: override messages().")

    def read(self, messages: Sequence[Any]) -> list[Message]:
        """``to_core`` of the adapter."""
        raise NotImplementedError("Give the suite your adapter: override read().")

    def write(self, messages: Sequence[Any], outcome: Outcome) -> Sequence[Any]:
        """``from_core`` of the adapter: the messages with the changes of the outcome."""
        raise NotImplementedError("Give the suite your adapter: override write().")

    def compressor(self, **options: Any) -> Compressor:
        """The compressor that the suite uses, over a store of its own."""
        given: dict[str, Any] = {
            "originals": Originals(MemoryBlobs(), key=_KEY),
            "retrievable": True,
            "namespace": _SPACE,
            "strict": True,
        }
        return Compressor(**given | options)

    def sent(self, messages: Sequence[Any], compressor: Compressor) -> Sequence[Any]:
        """The messages as they would go out."""
        return self.write(messages, compressor(self.read(messages)))

    def test_reading_keeps_order_and_number(self) -> None:
        """One core message for each message, with the framework's own message as ``raw``."""
        messages = self.messages()
        read = self.read(messages)
        assert len(read) == len(messages)
        assert all(core.raw is raw for core, raw in zip(read, messages, strict=True))

    def test_an_outcome_without_changes_gives_the_same_objects(self) -> None:
        """Nothing to change: every message that comes out is the one that went in."""
        messages = self.messages()
        out = self.sent(messages, self.compressor(roles=()))
        assert len(out) == len(messages)
        assert all(new is old for new, old in zip(out, messages, strict=True))

    def test_what_changes_gets_smaller_and_the_rest_is_the_same_object(self) -> None:
        """A message changes only where the outcome says so, and then another object carries the new text."""
        messages, compressor = self.messages(), self.compressor()
        outcome = compressor(self.read(messages))
        assert outcome.changes, "give messages() a tool result that can be made smaller"
        changed = {change.part.at[0] for change in outcome.changes}
        out = self.write(messages, outcome)
        for m, (old, new) in enumerate(zip(messages, out, strict=True)):
            assert (new is old) == (m not in changed), f"message {m}"
            before, after = (sum(map(compressor.count, self._texts(each))) for each in (old, new))
            assert after < before or m not in changed, f"message {m} did not shrink"

    def test_originals_come_back(self) -> None:
        """What was left out lies in the store byte for byte, under the reference that the new message shows."""
        messages, compressor = self.messages(), self.compressor()
        outcome = compressor(self.read(messages))
        out = self.write(messages, outcome)
        for change in outcome.changes:
            if change.ref and isinstance(change.part.block, Text):
                assert compressor.originals is not None
                data = compressor.originals.get(change.ref, namespace=_SPACE)
                assert data == change.part.text.encode("utf-8", "surrogatepass")
                assert any(change.ref in text for text in self._texts(out[change.part.at[0]]))

    def test_nothing_is_mutated(self) -> None:
        """The caller's messages are as they were."""
        messages = self.messages()
        before = pickle.dumps(messages)
        self.sent(messages, self.compressor())
        assert pickle.dumps(messages) == before

    def test_audit_changes_nothing(self) -> None:
        """With ``mode="audit"`` every message comes out as the same object, with its text."""
        messages = self.messages()
        before = [self._texts(message) for message in messages]
        out = self.sent(messages, self.compressor(mode="audit"))
        assert [self._texts(message) for message in out] == before
        assert all(new is old for new, old in zip(out, messages, strict=True))

    def test_twice_is_once(self) -> None:
        """What went out and comes in again goes out as the same objects."""
        compressor = self.compressor()
        out = self.sent(self.messages(), compressor)
        assert all(new is old for new, old in zip(self.sent(out, compressor), out, strict=True))

    def test_the_prefix_is_stable(self) -> None:
        """What a message becomes does not depend on what follows it."""
        messages, compressor = self.messages(), self.compressor()
        whole = [self._texts(message) for message in self.sent(messages, compressor)]
        for end in range(len(messages)):
            cut = self.sent(copy.copy(messages[:end]), compressor)
            assert [self._texts(message) for message in cut] == whole[:end]

    def _texts(self, message: Any) -> list[str]:
        return [block.text for core in self.read([message]) for block in core.blocks if isinstance(block, Text)]
