"""Attack strings for a regular expression, derived from its own structure: what it may repeat is repeated."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from types import FrameType
from typing import Any

_CATEGORY = {
    sre.CATEGORY_DIGIT: "0",
    sre.CATEGORY_NOT_DIGIT: "a",
    sre.CATEGORY_SPACE: " ",
    sre.CATEGORY_NOT_SPACE: "a",
    sre.CATEGORY_WORD: "a",
    sre.CATEGORY_NOT_WORD: "-",
}
_ENDS = ("§", "")
_MOST_PUMPS = 40


def patterns(*packages: str) -> dict[str, re.Pattern[Any]]:
    """Every pattern of the packages by where it stands: compiled ones that a module holds, and those written in a call."""
    found: dict[tuple[int, Any], tuple[str, re.Pattern[Any]]] = {}
    for package in packages:
        root = importlib.import_module(package)
        for info in pkgutil.walk_packages(root.__path__, package + "."):
            if any(part in info.name for part in (".training", ".evals", ".visual_tokens", ".cli", ".testing")):
                continue
            try:
                module = importlib.import_module(info.name)
            except ImportError:
                continue
            held = [(name, pattern) for name, value in vars(module).items() for pattern in _within(value)]
            for name, pattern in [*held, *_in_calls(Path(str(module.__file__)))]:
                found.setdefault((pattern.flags, pattern.pattern), (f"{info.name}.{name}", pattern))
    return {f"{place} {number}": pattern for number, (place, pattern) in enumerate(found.values())}


def _in_calls(file: Path) -> Iterator[tuple[str, re.Pattern[Any]]]:
    """Patterns that are literals in a call: ``re.sub(r"…", …)``, by line."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and ast.unparse(node.func.value) == "re"
            and node.args
            and isinstance(node.args[0], ast.Constant)
        ):
            flags = "|".join(name for name in _FLAG.findall(ast.unparse(node)))
            yield (
                f"line {node.lineno}",
                re.compile(node.args[0].value, sum(getattr(re, f) for f in set(flags.split("|")) if f)),
            )


_FLAG = re.compile(r"\bre\.([IMSX]|IGNORECASE|MULTILINE|DOTALL|VERBOSE)\b")


def _within(value: Any, depth: int = 3) -> Iterator[re.Pattern[Any]]:
    if isinstance(value, re.Pattern):
        yield value
    elif depth and isinstance(value, (tuple, list, set, frozenset)):
        for item in value:
            yield from _within(item, depth - 1)
    elif depth and isinstance(value, dict):
        yield from _within([*value.keys(), *value.values()], depth - 1)
    elif depth and hasattr(value, "__dataclass_fields__"):
        yield from _within([getattr(value, name, None) for name in value.__dataclass_fields__], depth - 1)


def attacks(pattern: re.Pattern[Any], length: int) -> Iterator[str]:
    """Texts of about ``length`` characters in which one repeated piece of the pattern goes on and on and then fails."""
    for prefix, body in pumps(pattern)[:_MOST_PUMPS]:
        if body:
            for end in _ENDS[:2]:
                yield prefix + body * (length // len(body)) + end
            yield (prefix + body) * (length // len(prefix + body)) + _ENDS[0]


def pumps(pattern: re.Pattern[Any]) -> list[tuple[str, str]]:
    """What comes before each repeated piece of the pattern, and one sample of the piece."""
    found: dict[tuple[str, str], None] = {}
    _pumps(parser.parse(pattern.pattern, pattern.flags), "", found)
    return list(found)


def slowest(pattern: re.Pattern[Any], length: int, limit_s: float) -> tuple[float, str]:
    """The longest time of one search over the attacks, and the start of its text; stops at the first beyond the limit."""
    worst = (0.0, "")
    for text in attacks(pattern, length):
        took = _timed(pattern, text, limit_s)
        if took >= limit_s:
            took = _timed(pattern, text, limit_s)  # once more: the machine may have been busy
        worst = max(worst, (took, text[:40]))
        if took >= limit_s:
            break
    return worst


def _timed(pattern: re.Pattern[Any], text: str, limit_s: float) -> float:
    """Processor seconds of finding all matches, cut off at the limit."""
    read = text if isinstance(pattern.pattern, str) else text.encode("utf-8")

    def stop(number: int, frame: FrameType | None) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGVTALRM, stop)
    started = time.process_time()
    signal.setitimer(signal.ITIMER_VIRTUAL, limit_s)
    try:
        for _ in pattern.finditer(read):
            pass
    except TimeoutError:
        return limit_s
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
    return time.process_time() - started


def _pumps(nodes: Any, prefix: str, found: dict[tuple[str, str], None]) -> str:
    """Collect (prefix, body) for every repeat; returns a sample of the whole sequence."""
    said = ""
    for op, value in nodes:
        if op in (sre.MAX_REPEAT, sre.MIN_REPEAT, getattr(sre, "POSSESSIVE_REPEAT", None)):
            low, high, body = value
            sample = _pumps(body, prefix + said, found)
            if high > 8:
                found[prefix + said, sample] = None
            said += sample * max(low, 1 if high else 0)
        else:
            said += _sample(op, value, prefix + said, found)
    return said


def _sample(op: Any, value: Any, prefix: str, found: dict[tuple[str, str], None]) -> str:
    if op is sre.LITERAL:
        return chr(value)
    if op is sre.NOT_LITERAL:
        return "a" if value != ord("a") else "b"
    if op is sre.ANY:
        return "a"
    if op is sre.IN:
        return _one_of(value)
    if op is sre.SUBPATTERN:
        return _pumps(value[-1], prefix, found)
    if op is getattr(sre, "ATOMIC_GROUP", None):
        return _pumps(value, prefix, found)
    if op is sre.BRANCH:
        samples = [_pumps(branch, prefix, found) for branch in value[1]]
        return max(samples, key=len)
    return ""


def _one_of(items: Any) -> str:
    negated = items[0][0] is sre.NEGATE
    if negated:
        return next((letter for letter in "a0 -x\t" if re.match(_class(items), letter)), "\u00e9")
    op, value = items[0]
    if op is sre.LITERAL:
        return chr(value)
    if op is sre.RANGE:
        return chr(value[0])
    return _CATEGORY.get(value, "a")


def _class(items: Any) -> str:
    """The source of a negated class, near enough to choose a letter from it."""
    inside = ""
    for op, value in items[1:]:
        if op is sre.LITERAL:
            inside += re.escape(chr(value))
        elif op is sre.RANGE:
            inside += f"{re.escape(chr(value[0]))}-{re.escape(chr(value[1]))}"
        elif op is sre.CATEGORY:
            inside += {"0": r"\d", " ": r"\s"}.get(_CATEGORY.get(value, "a"), r"\w")
    return f"[^{inside}]" if inside else "."
