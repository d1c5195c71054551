"""How each tool's results may be compressed, and one conversation compressed under all those rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from langchain_core.messages import BaseMessage

from headroom_core.outcome import Outcome
from headroom_core.pipeline import Compressor
from headroom_core.types import Image, Kind, Message, Strength, Text, Transform
from headroom_integrations._bridge import Fitted, harder
from headroom_integrations.langchain.messages import from_core, to_core
from headroom_integrations.langchain.traces import Account

M = TypeVar("M", bound=BaseMessage)


@dataclass(frozen=True, kw_only=True, slots=True)
class ToolPolicy:
    """What may happen to the results of one tool; None takes the compressor's own setting.

    ``compress=False`` leaves them alone. ``strength="lossless"`` re-encodes only. ``transform`` replaces the library's
    own, whatever the kind of the result.
    """

    compress: bool = True
    strength: Strength | None = None
    min_tokens: int | None = None
    target_ratio: float | None = None
    kind: Kind | None = None
    transform: Transform | None = field(default=None, repr=False)


class Rules:
    """A compressor and the policies of single tools. Every variant is built once, so that its memory lasts."""

    def __init__(self, compressor: Compressor, policies: Mapping[str, ToolPolicy]) -> None:
        self.compressor = compressor
        self._policies = dict(policies)
        excluded = tuple(name for name, policy in policies.items() if not policy.compress)
        special = {name: policy for name, policy in policies.items() if policy.compress}
        kept = (*compressor.options.exclude_tools, *excluded, *special)
        self._general = compressor.with_options(exclude_tools=kept) if policies else compressor
        self._special = {name: _variant(compressor, policy) for name, policy in special.items()}
        self._harder: Rules | None = None
        self._fitted: dict[tuple[str | None, str | None], Rules] = {}
        self._fit = Fitted(compressor)

    def apply(
        self, messages: Sequence[M], *, namespace: str, marks: bool, last_only: bool = False
    ) -> tuple[list[M], Account]:
        """The messages as they may be sent, and what that saved and why. The caller's messages stay as they are.

        ``last_only``: the earlier messages are there for their questions alone.
        """
        read = to_core(messages)
        if last_only:
            read = [*map(_shielded, read[:-1]), *read[-1:]]
        out, account = self._run(self._general, messages, read, namespace, marks)
        for name, compressor in self._special.items():
            only = [_only(message, name) for message in read]
            if any(mine is not None for mine in only):
                view = [_shielded(message) if mine is None else mine for message, mine in zip(read, only, strict=True)]
                out, more = self._run(compressor, out, view, namespace, marks)
                account = account + more
        return out, account

    def _run(
        self, compressor: Compressor, messages: Sequence[M], read: list[Message], namespace: str, marks: bool
    ) -> tuple[list[M], Account]:
        strength: Strength | None = None if marks or compressor.options.strength == "lossy" else "lossless"
        outcome = compressor(read, namespace=namespace, strength=strength, retrievable=marks)
        return from_core(messages, read, outcome), Account.of(_within(outcome))

    def fitted(self, provider: str | None, model: str | None) -> Rules:
        """The same rules for this provider's pictures."""
        compressor = self._fit(provider, model)
        if compressor is self.compressor:
            return self
        return self._fitted.setdefault((provider, model), Rules(compressor, self._policies))

    @property
    def harder(self) -> Rules:
        """The rules for a request that the provider refused as too long."""
        if self._harder is None:
            self._harder = Rules(harder(self.compressor), self._policies)
        return self._harder


def _within(outcome: Outcome) -> Outcome:
    """The outcome without what another rule answers for."""
    ours = tuple(skip for skip in outcome.skipped if skip.by != "policy" and skip.reason != _ELSEWHERE)
    return replace(outcome, skipped=ours)


_ELSEWHERE = "another rule compresses it"


def _only(message: Message, tool: str) -> Message | None:
    """The message with all blocks but those of ``tool`` shielded; None where it has none of them."""
    if not any(getattr(block, "tool", None) == tool for block in message.blocks):
        return None
    return replace(message, blocks=tuple(b if getattr(b, "tool", None) == tool else _shield(b) for b in message.blocks))


def _shielded(message: Message) -> Message:
    return replace(message, blocks=tuple(_shield(block) for block in message.blocks))


def _shield(block: Any) -> Any:
    """The block as one that must stay: it still counts as text of the conversation."""
    return replace(block, protected=block.protected or _ELSEWHERE) if isinstance(block, Text | Image) else block


def _variant(compressor: Compressor, policy: ToolPolicy) -> Compressor:
    names = ("strength", "min_tokens", "target_ratio", "kind")
    changes = {name: getattr(policy, name) for name in names if getattr(policy, name) is not None}
    if policy.transform is not None:
        changes["kind"] = policy.kind or "opaque"
        changes["transforms"] = {changes["kind"]: policy.transform}
    return compressor.with_options(**changes)
