"""Fusion: the technique with the least expected cost, where losing the answer is priced like several pictures.

    cost = tokens / tokens of the picture + PRICE · loss

``loss`` is the chance that the answer is gone: the classifier's probabilities times a table of what each technique
does to each kind of question, then corrected by what is seen in the picture. Every correction is named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .decision import ImageSignals, Technique

PRICE = 8.0
"""What a lost answer costs, in pictures."""
MOST_LOSS = 0.15
"""Above this chance of losing the answer the picture is preserved, however cheap the rest is."""

T, C, F, P = Technique.TRANSCODE, Technique.CROP, Technique.FULL_LOW, Technique.PRESERVE

# LOSS[done][needed]: how often the answer is gone when `done` is applied to a question that needs `needed`.
LOSS: Mapping[Technique, Mapping[Technique, float]] = {
    T: {T: 0.01, C: 0.25, F: 0.60, P: 0.50},
    C: {T: 0.10, C: 0.02, F: 0.50, P: 0.40},
    F: {T: 0.70, C: 0.60, F: 0.02, P: 0.60},
    P: {T: 0.0, C: 0.0, F: 0.0, P: 0.0},
}
NO_TEXT = 0.3
DENSE = 0.04
SMALL = 0.6
DOCUMENT = 0.9


@dataclass(frozen=True, slots=True)
class Option:
    """One way to send a picture: its tokens, and corrections to its loss (``spared`` is the share of loss that stays)."""

    technique: Technique
    tokens: int
    spared: float = 1.0
    note: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The chosen option, the chance that the answer survives, and the reasons in words."""

    option: Option
    confidence: float
    reason: str


def expected_loss(technique: Technique, probabilities: Mapping[Technique, float]) -> float:
    """Chance that the answer is gone, by the question alone."""
    return sum(LOSS[technique][needed] * share for needed, share in probabilities.items())


def as_seen(probabilities: Mapping[Technique, float], signals: ImageSignals | None) -> Mapping[Technique, float]:
    """What the question needs of this picture: the less text is seen, the less likely is it that text is asked for."""
    if signals is None or signals.has_text >= NO_TEXT:
        return probabilities
    shares = {**probabilities, T: probabilities[T] * signals.has_text / NO_TEXT}
    total = sum(shares.values())
    return {technique: share / total for technique, share in shares.items()} if total else probabilities


def allowed(options: Sequence[Option], signals: ImageSignals | None) -> tuple[list[Option], list[str]]:
    """The options that the picture allows, and the overrides that took the others away."""
    kept, notes = [], []
    for option in options:
        refusal = _refusal(option.technique, signals)
        if refusal:
            notes.append(refusal)
        else:
            kept.append(option)
    return kept, notes


def _refusal(technique: Technique, signals: ImageSignals | None) -> str | None:
    if signals is None:
        return None
    if technique is T and signals.has_text < NO_TEXT:
        return f"no text seen (has_text {signals.has_text:.2f}), so no OCR"
    small = signals.has_small_details >= SMALL or signals.is_document >= DOCUMENT
    if technique is F and small and signals.has_text >= 0.5 and signals.text_density >= DENSE:
        return f"dense text (density {signals.text_density:.2f}), so no downscale"
    return None


def decide(
    options: Sequence[Option], probabilities: Mapping[Technique, float], signals: ImageSignals | None
) -> Verdict:
    """The cheapest option in expectation. ``options`` hold PRESERVE, whose tokens are the measure of the others."""
    preserve = next(option for option in options if option.technique is P)
    kept, notes = allowed(options, signals)
    best, best_cost, best_loss = preserve, 1.0, 0.0
    risky: list[tuple[float, Option]] = []
    for option in kept:
        if option is preserve or option.tokens >= preserve.tokens:
            continue
        loss = expected_loss(option.technique, probabilities) * option.spared
        cost = option.tokens / preserve.tokens + PRICE * loss
        if loss > MOST_LOSS:
            risky.append((loss, option))
        elif cost < best_cost:
            best, best_cost, best_loss = option, cost, loss
    if best is preserve:
        notes += _why_preserved(risky, probabilities)
    elif best.note:
        notes.insert(0, best.note)
    asked = max(probabilities, key=lambda technique: probabilities[technique])
    head = f"question asks for {asked.value} ({probabilities[asked]:.2f})"
    return Verdict(best, round(1 - best_loss, 4), "; ".join([head, *notes]))


def _why_preserved(risky: Sequence[tuple[float, Option]], probabilities: Mapping[Technique, float]) -> list[str]:
    if max(probabilities, key=lambda technique: probabilities[technique]) is P:
        return ["the answer needs the picture as it is"]
    if risky:
        loss, option = min(risky, key=lambda pair: pair[0])
        return [f"low confidence: {option.technique.value} would lose the answer in {loss:.0%}"]
    return ["nothing else is cheaper"]
