"""What a text is, by its shape: ``detect(text)`` looks at samples of its head, middle and tail and says how sure it is.

Sure means that the transform of that kind may have it. Unsure means "prose" with low confidence: the gentlest one.
Rules know public formats (grep, git, log frameworks, build tools), never a data set. All patterns are linear.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from headroom_core.kinds import json_, tables
from headroom_core.kinds.marks import (
    ANSI,
    DIFF,
    DIFF_EXTENDED,
    FEATURES,
    HIT,
    HIT_PLAIN,
    LINE,
    RUN_END,
    TAG,
    WEB_ADDRESS,
    WEB_HEAD,
    Votes,
)
from headroom_core.kinds.samples import SAMPLE_LINES, WINDOW, sample
from headroom_core.kinds.weights import WEIGHTS
from headroom_core.kinds.written import sentences_tell
from headroom_core.syntax import guess, gutter
from headroom_core.types import Kind

_TINY = 40  # characters below which no text has a shape


@dataclass(frozen=True, slots=True)
class Detected:
    """A kind and the probability that it is right."""

    kind: Kind
    confidence: float


def detect(text: str) -> Detected:
    """The kind of a text. Reads a bounded sample, so the cost does not grow with the text."""
    lines = sample(text)
    if not lines:
        return Detected("prose", 0.2)
    if _git(lines):
        return Detected("diff", 0.99)
    if _binary(lines):
        return Detected("opaque", 0.95)
    return _json(text) or _file_view(text) or _votes(lines, text)


def _git(lines: list[str]) -> bool:
    """A text that opens as git's diffs do, and all sampled lines of which are lines of a diff."""
    if not lines[0].startswith("diff --git "):
        return False
    marks = "".join([line[0] for line in lines])
    heads = [line for line, mark in zip(lines, marks, strict=True) if mark not in " +-@\\"]
    return all(line.startswith(_GIT_HEADS) for line in heads) and ("+" in marks or "-" in marks or len(marks) < 12)


_GIT_HEADS = (
    "diff --git ", "index ", "old mode ", "new mode ", "new file mode ", "deleted file mode ", "similarity index ",
    "dissimilarity index ", "rename ", "copy ", "Binary files ", "GIT binary patch", "literal ", "delta ",
)  # fmt: skip


def _file_view(text: str) -> Detected | None:
    """A program with a viewer's line numbers, as file-reading tools print it, maybe between a few lines of their own."""
    view = gutter.block(text[:WINDOW])
    inner = _votes(sample(view), view) if view else None
    return inner if inner and inner.kind == "code" else None


def _binary(lines: list[str]) -> bool:
    """Control characters that no text holds, more than one in fifty: bytes that were read as text."""
    joined = "".join(lines)
    return len(joined) > _TINY and len(_CONTROLS.findall(joined)) * 50 > len(joined)


_CONTROLS = re.compile(r"[\x00-\x07\x0e-\x1a\x1c-\x1f\x7f-\x84\x86-\x9f]")


def _json(text: str) -> Detected | None:
    sure = json_.document(text)
    return Detected("json", sure) if sure else None


def _votes(lines: list[str], text: str) -> Detected:
    """Each rule states a kind where enough of the sampled lines carry its mark; the most specific rule goes first."""
    if any("\x1b[" in line for line in lines):
        plain = [line for line in (ANSI.sub("", line) for line in lines) if line and not line.isspace()]
        if plain and HIT.match(plain[0]) and (found := _search(plain, Votes(plain), text)):
            return found
        if plain and (found := _diff(plain, Votes(plain), text)):
            return found
    votes = Votes(lines)
    if HIT.match(lines[0]) and HIT.match(lines[-1]) and (found := _search(lines, votes, text)):
        return found  # the commonest of them, without asking for the marks of the others
    for rule in (
        _ci,
        _run,
        _script,
        _diff,
        _python,
        _tree,
        _csv,
        _search,
        _search_plain,
        _web,
        _trace,
        _markup,
        _table,
        _log,
        _fenced,
    ):
        found = rule(lines, votes, text)
        if found is not None:
            return found
    found = _blend(votes, text)
    sure = sentences_tell(text) if found.kind == "log" else None
    return Detected("prose", sure) if sure else found


def _ci(lines: list[str], votes: Votes, text: str) -> Detected | None:
    """Marks that CI systems write around every job: whatever stands between them is a log."""
    return Detected("log", 0.98) if len(lines) > 3 and votes["ci"] else None


def _run(lines: list[str], votes: Votes, text: str) -> Detected | None:
    """The closing words of a test runner or a build tool: what stands above them is its log."""
    if len(lines) < 20 or "```" in text:
        return None
    return Detected("log", 0.97) if any(RUN_END.match(line) for line in text[-1500:].splitlines()[-16:]) else None


def _script(lines: list[str], votes: Votes, text: str) -> Detected | None:
    """A program by its first line, by the commands of an editor, or on few endless lines."""
    if lines[0].startswith(("#!/", "#! /")):
        return Detected("code", 0.97)
    first = next((line for line in lines if not line.startswith("--")), "")
    if _SQL.match(first) and ";" in text and votes["stamp"] < 0.2:
        return Detected("code", 0.9)
    if text.startswith(('" ', "vim9script")) and votes["vim"] * len(lines) >= 2:
        return Detected("code", 0.95)
    if votes["long"] >= _ENDLESS and len(_MINIFIED.findall(text, 0, WINDOW)) * 250 >= min(len(text), WINDOW):
        return Detected("code", 0.93)
    return None


_SQL = re.compile(
    r"(?:CREATE|create) (?:(?:OR REPLACE|or replace|UNIQUE|unique|TEMP|temp|MATERIALIZED) )*"
    r"(?:TABLE|table|FUNCTION|function|PROCEDURE|procedure|VIEW|view|INDEX|index|TRIGGER|trigger|TYPE|type|SCHEMA|schema) "
    r"|(?:ALTER TABLE|alter table|INSERT INTO|insert into|DELETE FROM|delete from) \S|UPDATE \S+ SET |SELECT [^.]|WITH \w+ AS \("
)
_ENDLESS = 0.3  # share of lines that are cut, from which a program may be minified
_MINIFIED = re.compile(
    r"\bfunction\b[\w ]{0,40}\(|=>|\breturn\b[ !(\[{\"]|\}\)?[;,)]|\b(?:var|let|const) \w{1,40}=|==="
)


def _web(lines: list[str], votes: Votes, text: str) -> Detected | None:
    """Web hits: as many addresses on lines of their own as numbered or titled heads, three at least, and text between."""
    if text.count("http", 0, 40_000) < 3:
        return None
    heads = [at for at, line in enumerate(lines) if WEB_HEAD.match(line)]
    addresses = {at for at, line in enumerate(lines) if "://" in line and WEB_ADDRESS.match(line)}
    near = sum(not addresses.isdisjoint(range(at, at + 4)) for at in heads)
    if (
        min(len(heads), len(addresses)) > 2
        and 0.6 <= len(heads) / len(addresses) <= 1.6
        and len(heads) + len(addresses) <= 0.95 * len(lines) + 1
        and near >= 0.5 * len(heads)  # chapters of a text have their addresses anywhere
    ):
        return Detected("search", 0.85)
    return None


def _diff(lines: list[str], votes: Votes, text: str) -> Detected | None:
    if lines[0].startswith("*** ") and any(line.startswith("*" * 15) for line in lines[:4]):
        return Detected("diff", 0.95)  # with context in the old manner
    if not votes["diff"]:
        return None
    if sum(line[0] in "<>" or line == "---" or DIFF.match(line) is not None for line in lines) >= 0.97 * len(lines) > 2:
        return Detected("diff", 0.95)  # without context
    first = next(i for i, line in enumerate(lines) if DIFF.match(line))
    body = lines[first:]
    shaped = sum(
        line[0] in " +-@\\<>" or DIFF.match(line) is not None or DIFF_EXTENDED.match(line) is not None for line in body
    )
    hunks = any(line.startswith(("@@", "diff --", "Index: ")) for line in lines)
    changed = sum(line[0] in "+-<>" for line in body)
    if hunks and shaped >= 0.9 * len(body) and (changed or len(body) < 12) and len(body) >= 0.3 * len(lines):
        return Detected("diff", 0.99 if shaped == len(body) else 0.95)
    return None


def _python(lines: list[str], votes: Votes, text: str) -> Detected | None:
    """A module of Python, by its first line and by many others, without asking for the marks of all kinds."""
    if len(lines) < SAMPLE_LINES // 2 or not _PYTHON_FIRST.match(lines[0]) or "```" in text[: 4 * WINDOW]:
        return None
    return Detected("code", 0.97) if guess.is_python("\n".join(lines)) else None


_PYTHON_FIRST = re.compile(
    r"#|\"\"\"|'''|import |from [\w.]+ import |(?:async )?def |class |@\w|[A-Za-z_]\w* ?(?:: ?\w[^=]*)?= ?\S"
)


def _tree(lines: list[str], votes: Votes, text: str) -> Detected | None:
    if votes["branch"] >= 0.6:
        return Detected("tree", 0.98)
    if votes["ls"] >= 0.75:
        return Detected("tree", 0.97)
    if len(lines) >= 4 and votes["bare"] >= 0.7 and votes["bare"] + votes["name"] * (votes["bare"] < 1) >= 0.95:
        return Detected("tree", 0.95)
    if (
        votes["dir"]
        and votes["dir"] + votes["name"] >= 0.95
        and votes["name"] >= 0.5
        and lines[0].endswith(":")
        and votes["yaml"] < 0.9
    ):
        return Detected("tree", 0.93)
    if lines[0].startswith(_DRAWN):
        return Detected("tree", 0.97)
    if votes["folded"] >= 0.2 and votes["folded"] + votes["bare"] + votes["name"] + votes["indented"] >= 0.9:
        return Detected("tree", 0.95)
    return None


_DRAWN = ("tree ├──", "tree |--", "tree +--")  # the first line of our own short form of a drawn tree


def _csv(lines: list[str], votes: Votes, text: str) -> Detected | None:
    sure = tables.separated(lines, text[:WINDOW])
    return Detected("table", sure) if sure else None


def _search(lines: list[str], votes: Votes, text: str) -> Detected | None:
    separators = sum(line == "--" for line in lines) / len(lines)
    if votes["hit"] + separators >= 0.7 and votes["diagnostic"] < 0.3 and votes["frame"] < 0.4:
        return Detected("search", 0.99 if votes["hit"] + separators >= 0.9 else 0.95)
    if (
        votes["heading"]
        and votes["number"] + votes["heading"] + votes["hit"] + separators >= 0.9
        and votes["number"] + votes["hit"] >= 0.4
        and votes["stamp"] < 0.3
    ):
        return Detected("search", 0.95)
    if votes["heading"] and votes["grouped"] >= 0.4 and votes["grouped"] + votes["heading"] + separators >= 0.9:
        return Detected("search", 0.9)
    return None


def _search_plain(lines: list[str], votes: Votes, text: str) -> Detected | None:
    """Hits without line numbers: ``path:text``, where paths repeat or look like paths indeed."""
    separators = sum(line == "--" for line in lines)
    if votes["plain"] * len(lines) + separators < 0.85 * len(lines) or votes["stamp"] > 0.2 or len(lines) < 2:
        return None
    paths = [match[1] for line in lines if (match := HIT_PLAIN.match(line))]
    deep = sum("/" in path or "\\" in path for path in paths)
    return Detected("search", 0.97) if deep >= 0.7 * len(paths) or len(set(paths)) <= len(paths) / 2 else None


def _trace(lines: list[str], votes: Votes, text: str) -> Detected | None:
    if votes["frame"] < 0.3 or votes["stamp"] > 0.15:
        return None
    python = sum(line.startswith("Traceback") for line in lines)
    share = votes["frame"] * (2 if python else 1)
    return Detected("trace", 0.98) if share >= 0.6 else None


def _markup(lines: list[str], votes: Votes, text: str) -> Detected | None:
    start = text[:400].lstrip("\ufeff \t\r\n").lower()
    if start.startswith(("<!doctype", "<html", "<?xml", "<svg", "<rss", "<feed")):
        return Detected("html", 0.99)
    tags = len(re.findall(r"</?[A-Za-z][\w:-]{0,40}[\s/>]", "\n".join(lines)))
    if (
        start.startswith("<")
        and TAG.match(start)
        and (votes["tag"] >= 0.4 or tags >= len(lines))
        and "</" in text[:20000]
    ):
        return Detected("html", 0.97)
    return Detected("html", 0.85) if votes["tag"] >= 0.6 and tags >= len(lines) else None


def _table(lines: list[str], votes: Votes, text: str) -> Detected | None:
    sure = tables.laid_out(lines, votes)
    written = sentences_tell(text, rather_than_table=True) if sure else None
    return Detected("prose", written) if written else Detected("table", sure) if sure else None


def _log(lines: list[str], votes: Votes, text: str) -> Detected | None:
    """Lines that begin with a time; all other logs are the business of ``_blend``."""
    if len(lines) >= 3 and votes["stamp"] >= 0.6:
        return Detected("log", 0.98)
    return None


def _fenced(lines: list[str], votes: Votes, text: str) -> Detected | None:
    """Markdown around fenced blocks: what stands outside of the fences is no code."""
    head = text[: 4 * WINDOW]
    parts = _FENCE.split(head) if "```" in head else []
    outside = [line[:LINE] for part in parts[::2] for line in part.split("\n") if line and not line.isspace()]
    if len(parts) < 3 or len(outside) < 2 or not _MARKDOWN.match(outside[0]):
        return None
    around = Votes(outside)
    return Detected("prose", 0.9) if around["strong"] < 0.15 and around["stamp"] + around["build"] < 0.2 else None


_FENCE = re.compile(r"^ {0,3}```[^\n]*$", re.M)
_MARKDOWN = re.compile(r"#{1,4} \S|---$|<!--|[A-Z][\w'’-]* [\w'’]+")


def _blend(votes: Votes, text: str) -> Detected:
    """Log, code, configuration or prose: a logistic model over the shares (``weights``), fitted by ``training.kinds``."""
    scores = {kind: sum(w * x for w, x in zip(row, features(votes), strict=True)) for kind, row in WEIGHTS.items()}
    top = max(scores.values())
    parts = {kind: math.exp(score - top) for kind, score in scores.items()}
    if len(text) < _TINY:
        return Detected("prose", 0.5)
    best = max(parts, key=parts.__getitem__)
    sure = parts[best] / sum(parts.values())
    return (
        Detected(best, round(sure, 3))
        if sure >= 0.5
        else Detected("prose", round(parts["prose"] / sum(parts.values()), 3))
    )


def features(votes: Votes) -> list[float]:
    """What the logistic model sees: a constant, each share, and its square root (whether the mark occurs at all)."""
    shares = [votes[name] for name in FEATURES]
    return [1.0, *shares, *(share**0.5 for share in shares)]
