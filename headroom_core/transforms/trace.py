"""Stack traces: messages and own frames stay, library frames are counted, a trace printed again is named once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from headroom_core.types import Context, Part, Rewrite

from ._asked import asked
from ._goroutines import folded
from .logs import Log

# How a frame looks: language, the line itself. Each is tried at the start of a line.
_FRAMES: Final = (
    ("python", re.compile(r'\s*File "(?P<path>[^"\n]{1,400})", line \d+')),
    ("java", re.compile(r"\s*at (?P<path>[\w.$/<>@-]{1,300}\.[\w$<>]{1,100})\([^)\n]{0,200}\)")),
    (
        "script",
        re.compile(
            r"\s*at (?:(?:async |new )?[^\s()]{1,200}(?: \[as [^\]\n]{1,80}\])? \()?(?P<path>[^\s()]{1,400}:\d+(?::\d+)?)\)?\s*$"
        ),
    ),
    ("script", re.compile(r"\s*at (?P<path><anonymous>|[\w.<> ]{1,120} \(<anonymous>\)|native)\s*$")),
    ("dotnet", re.compile(r"\s*at (?P<path>[\w.`+<>\[\],|$]{1,300})\([^)\n]{0,300}\)(?: in \S[^\n]{0,300}:line \d+)?")),
    ("go", re.compile(r"\t(?P<path>/?[^\s:]{1,300}\.(?:go|s)):\d+(?: \+0x[0-9a-f]+)?\s*$")),
    (
        "rust",
        re.compile(r"\s{2,4}\d+:\s+(?:0x[0-9a-f]+ - )?(?P<path>[\w:<>{}$@.&*,-][\w:<>{}$@.&*, -]{0,299})(?<!\s)\s*$"),
    ),
    (
        "ruby",
        re.compile(
            r"\s*(?:\d+: )?(?:from )?(?P<path>[^\s:]{1,300}(?:\.rb|\.erb|\.rake|/bin/\w{1,40})):\d+:in [`'][^\n]{0,200}'"
        ),
    ),
)

_GO_CALL: Final = re.compile(r"\S[^\n]{0,300}\)$|created by ")

# What marks a frame as a library's, per language: parts of a path or prefixes of a qualified name.
_LIBRARY_PATHS: Final = (
    "site-packages/", "dist-packages/", "/lib/python", "\\lib\\python", "<frozen ", "/usr/lib/", "importlib/_bootstrap",
    "node_modules/", "node:", "internal/", "<anonymous>", "(native", "webpack/bootstrap",
    "/usr/local/go/src/", "/pkg/mod/", "/go/src/runtime/", "/vendor/", "/libexec/src/",
    "/rustc/", "/.cargo/registry/", "/gems/", "/lib/ruby/", "/ruby_executable_hooks", "/rubies/",
)  # fmt: skip
_LIBRARY_NAMES: Final = (
    "java.", "javax.", "jdk.", "sun.", "com.sun.", "org.junit.", "org.springframework.", "org.apache.", "org.hibernate.",
    "org.eclipse.", "org.gradle.", "org.mockito.", "org.testng.", "org.jboss.", "io.netty.", "io.undertow.", "reactor.",
    "kotlin.", "kotlinx.", "scala.", "clojure.", "groovy.", "com.google.common.", "com.fasterxml.", "com.zaxxer.",
    "android.", "androidx.", "dalvik.", "okhttp3.", "org.postgresql.", "com.mysql.", "org.codehaus.", "worker.org.gradle.",
    "System.", "Microsoft.", "NUnit.", "Xunit.", "Newtonsoft.", "Npgsql.", "MySql.", "Castle.",
    "core::", "std::", "alloc::", "tokio::", "<core::", "<alloc::", "<std::", "test::", "rust_begin_unwind", "__rust",
    "__libc", "_start", "main$", "futures", "hyper::", "serde",
)  # fmt: skip
_MOSTLY: Final = 0.25  # a text with a smaller share of frames is a log with a trace in it
_EDGE: Final = 3  # frames at each end that stay where a trace has no own frame
_NOTE: Final = 60  # frames of fewer characters stay: their note would be as long
_SAME: Final = 2  # frames that may repeat before a recursion is counted


@dataclass(frozen=True, slots=True)
class _Frame:
    """Lines ``first`` to ``last`` (inclusive) of one frame; ``where`` is a path or qualified name."""

    first: int
    last: int
    language: str
    where: str
    own: bool


class Trace:
    """Lossy only. A frame with a word of the question counts as an own frame; a log with few frames is read as a log."""

    name = "trace"

    def __call__(self, part: Part, context: Context, /) -> Rewrite | None:
        """Library frames become counts."""
        if context.strength == "lossless":
            return None
        words = _words(context.query)
        lines, waiting = folded(part.text.replace("\r\n", "\n").split("\n"), words)
        frames = _frames(lines, words)
        if sum(frame.last - frame.first + 1 for frame in frames) < _MOSTLY * len(lines):
            return Log()(part, context)
        kept, left = _shortened(lines, frames)
        said = [f"stacks of {waiting} goroutines that are shown once"] if waiting else []
        left = "; ".join([*said, *([left] if left else [])])
        text = "\n".join(kept)
        if context.target_ratio is not None and context.count(text) > 1.1 * context.target_ratio * part.tokens:
            return Log()(part, context)
        return Rewrite.of(text, left) if left else None


def _words(query: str | None) -> tuple[str, ...]:
    wanted = asked(query)
    return tuple(w.lower() for w in (*wanted.names, *wanted.words) if len(w) > 3)


def _frames(lines: Sequence[str], words: Sequence[str]) -> list[_Frame]:
    out: list[_Frame] = []
    at = 0
    while at < len(lines):
        frame = _frame(lines, at, words)
        if frame is None:
            at += 1
            continue
        out.append(frame)
        at = frame.last + 1
    return out


def _frame(lines: Sequence[str], at: int, words: Sequence[str]) -> _Frame | None:
    line = lines[at][:1000]
    if "at " not in line and "File" not in line and ":" not in line:
        return None
    for language, pattern in _FRAMES:
        match = pattern.match(line)
        if match is None:
            continue
        where = match.group("path")
        first, last = at, at
        if language == "go" and at and _GO_CALL.match(lines[at - 1][:1000]):
            first = at - 1
        if language == "python":
            last = _python_end(lines, at)
        elif language == "rust" and last + 1 < len(lines) and re.match(r"\s+at \S", lines[last + 1][:400]):
            last += 1
        text = " ".join(lines[first : last + 1])
        own = not _library(where, text) or any(word in text.lower() for word in words)
        return _Frame(first, last, language, where, own)
    return None


def _python_end(lines: Sequence[str], at: int) -> int:
    """A frame's code line and its carets belong to it."""
    depth = len(lines[at]) - len(lines[at].lstrip())
    last = at
    while last + 1 < len(lines) and last - at < 8:
        text = lines[last + 1]
        if not text.strip() or len(text) - len(text.lstrip()) <= depth or text.lstrip().startswith('File "'):
            break
        last += 1
    return last


def _library(where: str, text: str) -> bool:
    path = text.replace("\\", "/")
    return where.startswith(_LIBRARY_NAMES) or any(mark in path for mark in _LIBRARY_PATHS)


def _shortened(lines: Sequence[str], frames: Sequence[_Frame]) -> tuple[list[str], str]:
    """The lines that stay and what to say about the others (empty: nothing went)."""
    keep = _kept(lines, frames)
    out: list[str] = []
    gone, own, at = 0, 0, 0
    for run in _runs(frames, keep):
        if sum(len(line) for line in lines[run[0].first : run[-1].last + 1]) < _NOTE:
            continue
        out.extend(lines[at : run[0].first])
        indent = lines[run[0].first][: len(lines[run[0].first]) - len(lines[run[0].first].lstrip())]
        out.append(f"{indent}… {len(run)} {_described(run)}")
        at = run[-1].last + 1
        gone += sum(not frame.own for frame in run)
        own += sum(frame.own for frame in run)
    out.extend(lines[at:])
    out, repeated = _once(out)
    said = [f"{gone} of {len(frames)} frames, all of libraries"] if gone and not own else []
    said += [f"{gone + own} of {len(frames)} frames, {own} of them repeated own frames"] if own else []
    said += [f"{repeated} lines of traces printed before"] if repeated else []
    return out, "; ".join(said)


def _described(run: Sequence[_Frame]) -> str:
    if any(frame.own for frame in run):
        return "frames repeat"
    roots: dict[str, int] = {}
    for frame in run:
        roots[_root(frame)] = roots.get(_root(frame), 0) + 1
    top = sorted(roots.items(), key=lambda item: -item[1])[:3]
    return f"library frame{'s' if len(run) > 1 else ''} ({', '.join(f'{name} ×{n}' if n > 1 else name for name, n in top)})"


def _root(frame: _Frame) -> str:
    """The library's name as far as the frame tells it."""
    path = frame.where.replace("\\", "/")
    for mark in ("site-packages/", "dist-packages/", "node_modules/", "/gems/", "/pkg/mod/"):
        if mark in path:
            rest = path.rsplit(mark, 1)[1].split("/")
            return "/".join(rest[:2]) if rest[0].startswith("@") or mark == "/pkg/mod/" else rest[0].removesuffix(".py")
    if "/" in path:
        return "standard library" if "node:" not in path else "node"
    parts = re.split(r"\.|::", path.strip("<>"))
    return ".".join(parts[:2]) if "." in path else parts[0]


def _kept(lines: Sequence[str], frames: Sequence[_Frame]) -> list[bool]:
    """Own frames, the frame next to the message, and the ends of a trace that has no own frame."""
    keep = [frame.own for frame in frames]
    for group in _traces(frames):
        members = list(group)
        keep[members[0]] = True
        if not any(frames[k].own for k in members):
            for k in members[:_EDGE] + members[-_EDGE:]:
                keep[k] = True
        seen: dict[str, int] = {}
        for k in members[:-1]:
            text = lines[frames[k].first].strip()
            seen[text] = seen.get(text, 0) + 1
            if seen[text] > _SAME:  # recursion
                keep[k] = False
    return keep


def _traces(frames: Sequence[_Frame]) -> Iterator[range]:
    """Index ranges of frames that follow each other with at most one line between them."""
    start = 0
    for k in range(1, len(frames) + 1):
        if k == len(frames) or frames[k].first - frames[k - 1].last > 2:
            yield range(start, k)
            start = k


def _runs(frames: Sequence[_Frame], keep: Sequence[bool]) -> Iterator[list[_Frame]]:
    """Neighbouring frames that go, two or more lines at a time."""
    run: list[_Frame] = []
    for frame, stays in zip(frames, keep, strict=True):
        if run and (stays or frame.first - run[-1].last > 1):
            yield run
            run = []
        if not stays:
            run.append(frame)
    if run:
        yield run


def _once(lines: list[str]) -> tuple[list[str], int]:
    """A block of four or more indented lines that stood before, under any message, is named instead of repeated."""
    out: list[str] = []
    seen: set[tuple[str, ...]] = set()
    block: list[str] = []
    repeated = 0
    for line in [*lines, ""]:
        if line[:1] in (" ", "\t"):
            block.append(line)
            continue
        key = tuple(block)
        if len(block) >= 4 and key in seen:
            out.append(f"    … the same {len(block)} lines as above")
            repeated += len(block)
        else:
            out.extend(block)
            seen.add(key)
        block = []
        out.append(line)
    out.pop()
    return out, repeated
