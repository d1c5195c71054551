"""Diffs: every changed line stays; context shrinks to what the hunk or the query needs; headers fold to one line.

Lossless: git's ``---``/``+++`` lines, which repeat ``diff --git``, go; ``git apply`` reads the rest, and `decode`
restores them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from headroom_core.transforms import _asked
from headroom_core.transforms._unified import Binary, Header, Hunk, Piece, bare_name, clean_name, parse, path_of
from headroom_core.types import Context, Part, Rewrite

_FEW = 3  # lines that need their neighbours to be understood; a longer block speaks for itself
_HEADING_CHARS = 60
_DECLARED = re.compile(r"(?<=[\w>\]])\(|\s?[{=]|:(?= |$)")  # where the name of a declaration ends
_TELLING = re.compile(r"\b(?!(?:end|else|fi|done|pass|try|begin|do|then)\b)\w")  # a line without it closes something
_TIGHT = 0.5  # a target share below this leaves no room for context
_CHANGED = re.compile(r"\n[+\-][^\n]*(?:\n[+\-\\][^\n]*)*")
_LINE = re.compile(r"\n[^\n]*")
_NAMED_LINES = 40
_NAMED_SHARE = 0.25
_LISTED_FILES = 8

_LOCK = re.compile(
    r"(?:^|/)(?:package-lock\.json|npm-shrinkwrap\.json|yarn\.lock|pnpm-lock\.yaml|bun\.lockb?|poetry\.lock|pdm\.lock|uv\.lock|"
    r"Pipfile\.lock|conda-lock\.yml|Cargo\.lock|go\.sum|Gemfile\.lock|composer\.lock|mix\.lock|pubspec\.lock|Podfile\.lock|"
    r"packages\.lock\.json|paket\.lock|flake\.lock|deno\.lock|gradle\.lockfile|\.terraform\.lock\.hcl|Package\.resolved|"
    r"Cartfile\.resolved|MODULE\.bazel\.lock|cabal\.project\.freeze|stack\.yaml\.lock|rebar\.lock|Manifest\.toml)$"
)
_GENERATED = re.compile(
    r"(?:^|/)(?:dist|node_modules|__generated__|__snapshots__)/|\.min\.(?:js|css|mjs)$|\.(?:js|css|mjs)\.map$|\.snap$|"
    r"\.pb\.(?:go|cc|h|swift)$|_pb2(?:_grpc)?\.pyi?$|\.pb\.gw\.go$|\.g\.dart$|\.freezed\.dart$|\.designer\.cs$|\.g\.cs$|"
    r"[._]generated\.\w+$|(?:^|/)zz_generated[^/]*$|\.bundle\.js$",
    re.I,
)


def noise(path: str) -> str:
    """``lock file`` or ``generated`` for files whose changes are only counted; empty for all others."""
    return "lock file" if _LOCK.search(path) else "generated" if _GENERATED.search(path) else ""


class Diff:
    """Unified, git and combined diffs."""

    name = "diff"

    def __call__(self, part: Part, context: Context, /) -> Rewrite | None:
        """Lossless where nothing but headers would go; otherwise context lines and lock files are left out."""
        text = part.text
        if context.strength != "lossless":
            trimmed, gone = _trim(text, context)
            if gone.any:
                return Rewrite.of(trimmed, gone.line()) if len(trimmed) < len(text) else None
        short = encode(text)
        return Rewrite.of(short) if short is not None else None


# ---------------------------------------------------------------- lossless
def encode(text: str) -> str | None:
    """Without each ``---``/``+++`` pair that ``diff --git`` implies; None where nothing goes."""
    if "diff --git " not in text:
        return None
    out: list[str] = []
    for piece in parse(text):
        names = _implied(piece) if isinstance(piece, Header) else ""
        out.append(piece.text.removesuffix(names) if names else piece.text)
    short = "".join(out)
    return short if len(short) < len(text) and decode(short) == text else None


def decode(short: str) -> str:
    """The diff that `encode` shortened."""
    out: list[str] = []
    pieces = parse(short)
    for piece, after in zip(pieces, [*pieces[1:], None], strict=True):
        out.append(piece.text)
        if isinstance(piece, Header) and isinstance(after, Hunk) and "\n+++ " not in piece.text:
            out.append(_implied(piece))
    return "".join(out)


def _implied(header: Header) -> str:
    """The ``---`` and ``+++`` lines that git writes under this ``diff --git`` line; empty where that is not certain."""
    first = header.text.split("\n", 1)[0]
    end = "\r\n" if first.endswith("\r") else "\n"
    if not first.startswith("diff --git ") or '"' in first:
        return ""
    names = first.removesuffix("\r")[len("diff --git ") :]
    half = len(names) // 2
    old, blank, new = names[:half], names[half : half + 1], names[half + 1 :]
    if blank != " " or bare_name(old) != bare_name(new):
        return ""
    tab = "\t" if " " in old else ""
    created, deleted = "\nnew file mode " in header.text, "\ndeleted file mode " in header.text
    return f"--- {'/dev/null' if created else old + tab}{end}+++ {'/dev/null' if deleted else new + tab}{end}"


# ---------------------------------------------------------------- lossy
@dataclass(slots=True)
class _Gone:
    """What the trimmed diff no longer shows."""

    context: int = 0
    binary: int = 0
    files: list[str] = field(default_factory=list)

    @property
    def any(self) -> bool:
        return bool(self.context or self.binary or self.files)

    def line(self) -> str:
        """One readable line; a file's name and its counts stand for its changes."""
        parts = [f"{self.context:,} context lines" if self.context != 1 else "1 context line"] if self.context else []
        if self.binary:
            parts.append(f"{self.binary:,} lines of binary data")
        parts += self.files[:_LISTED_FILES]
        if len(self.files) > _LISTED_FILES:
            parts.append(f"changes of {len(self.files) - _LISTED_FILES} more lock or generated files")
        return ", ".join(parts) or "index lines and repeated names"


def _trim(text: str, context: Context) -> tuple[str, _Gone]:
    pieces = parse(text)
    named = _named(text, pieces, context.query)
    margin = 0 if context.target_ratio is not None and context.target_ratio < _TIGHT else 1
    out: list[str] = []
    gone = _Gone()
    i = 0
    while i < len(pieces):
        piece = pieces[i]
        i += 1
        if isinstance(piece, Binary):
            lines = piece.text.split("\n")
            out.append(lines[0] + "".join(f" {x}" for x in lines if x.startswith(("literal ", "delta "))) + "\n")
            gone.binary += piece.text.count("\n") - 1
        elif isinstance(piece, Hunk):
            gone.context += _hunk(piece, margin, named, out, piece.heading)
        elif isinstance(piece, Header):
            hunks: list[Hunk] = []
            while i < len(pieces) and isinstance(hunk := pieces[i], Hunk):
                hunks.append(hunk)
                i += 1
            _file(piece, hunks, (margin, named, context.query), out, gone)
        else:
            out.append(piece.text)
    return "".join(out), gone


def _file(
    header: Header, hunks: list[Hunk], how: tuple[int, re.Pattern[str] | None, str | None], out: list[str], gone: _Gone
) -> None:
    """One file: its header in a line and its hunks, or its counts where its changes say nothing."""
    margin, named, query = how
    lines = header.lines
    path = path_of(lines)
    why = noise(path)
    if not why or not hunks or _asks_for(query, path):
        out.append("\n".join(_head(lines, path)) + "\n")
        whole = len(hunks) == 1 and not (hunks[0].old and hunks[0].new)  # came or went, as its header says
        heading = ""
        for hunk in hunks:
            tail = None if whole else "" if hunk.heading == heading else hunk.heading
            gone.context += _hunk(hunk, margin, named, out, tail)
            heading = hunk.heading
        return
    changed = [line for hunk in hunks for line in hunk.body.split("\n") if line[:1] in ("+", "-")]
    added = sum(line[0] == "+" for line in changed)
    removed = len(changed) - added
    hits = [line for line in changed if named and named.search(line)][:_NAMED_LINES]
    out.append("\n".join([f"{_head(lines, path)[-1]} ({why}, +{added} -{removed})", *hits]) + "\n")
    gone.files.append(f"+{added} -{removed} lines of {path}" + (f" but {len(hits)} hits" if hits else ""))


def _asks_for(query: str | None, path: str) -> bool:
    return bool(query) and path.rsplit("/", 1)[-1].lower() in str(query).lower()


def _head(lines: list[str], path: str) -> list[str]:
    """A file's header in one line; renames keep both names, a binary note stands for itself."""
    kept: list[str] = []
    notes: list[str] = []
    old = new = ""
    for raw in lines:
        line = raw.rstrip("\r")
        if line.startswith("--- "):
            old = clean_name(line[4:])
        elif line.startswith("+++ "):
            new = clean_name(line[4:])
        elif line.startswith(("rename ", "copy ", "Binary files ")):
            kept.append(line)
        elif line.startswith(("new file mode ", "deleted file mode ")):
            notes.append(line.replace(" mode 100644", ""))
        elif line.startswith(("old mode ", "new mode ", "mode ")):
            notes.append(line)
    note = f" ({', '.join(notes)})" if notes else ""
    if kept:
        kept[-1] += note
        return kept
    if new == "/dev/null" or (not new and "deleted file" in note):
        return [f"--- {old or 'a/' + path}{note or ' (deleted file)'}"]
    if old == "/dev/null" and not note:
        note = " (new file)"
    return [f"+++ {new or 'b/' + path}{note}"]


def _hunk(hunk: Hunk, margin: int, named: re.Pattern[str] | None, out: list[str], heading: str | None) -> int:
    """Append the hunk's changed lines and the context that they need; the number of context lines left out.

    Each stretch says where it begins in the new file, and the first one in which declaration; with None for the heading
    nothing is said.
    """
    text = hunk.text
    feed, stop = hunk.at - 1, len(text) - text.endswith("\n")
    mark, tail = "@" * (hunk.width + 1), _short(heading or "")
    line, left, at, counted = hunk.new, 0, feed, feed
    for start, end in _spans(text, feed, stop, hunk.width, margin, named):
        if counted < at:
            line += text.count("\n", counted, at) - text.count("\n-", counted, at) - text.count("\n\\", counted, at)
        skipped = text.count("\n", at, start)
        left, line, counted, at = left + skipped, line + skipped, start, end
        out.append(
            f"{text[start + 1 : end]}\n" if heading is None else f"{mark} +{line} {mark}{tail}{text[start:end]}\n"
        )
        tail = ""
    return left + text.count("\n", at, stop)


def _short(heading: str) -> str:
    """The declaration that a hunk stands in, up to its parameters."""
    end = _DECLARED.search(heading)
    return (heading[: end.start()] if end else heading)[:_HEADING_CHARS].rstrip()


def _spans(
    text: str, feed: int, stop: int, width: int, margin: int, named: re.Pattern[str] | None
) -> list[tuple[int, int]]:
    """Stretches of a hunk that stay: changed lines, lines that the query names, and around few of these their neighbours.

    The lines stand between ``feed`` and ``stop``; each begins with its line feed. Stretches that one line would part are
    joined over it.
    """
    changed = _CHANGED if width == 1 else re.compile(rf"\n(?! {{{width}}}|\\|\r?(?:\n|\Z))[^\n]*(?:\n\\[^\n]*)*")
    found = [match.span() for match in changed.finditer(text, feed, stop)]
    if named is not None:
        lines = (m.span() for m in _LINE.finditer(text, feed, stop) if named.search(text, m.start() + 1, m.end()))
        found = sorted({*found, *lines})
    spans: list[tuple[int, int]] = []
    for start, end in found:
        if margin and _needs_neighbours(text, start, end):
            before = text.rfind("\n", feed, start)
            if before >= 0 and _TELLING.search(text, before, start):
                start = before
            after = text.find("\n", end + 1, stop)
            after = after if after >= 0 else stop
            if _TELLING.search(text, end, after):
                end = after
        if spans and text.count("\n", spans[-1][1], start) <= 1:
            spans[-1] = (spans[-1][0], max(spans[-1][1], end))
        else:
            spans.append((start, end))
    return spans


def _needs_neighbours(text: str, start: int, end: int) -> bool:
    """Few lines that only came or only went: what they replace, or their number, does not explain them."""
    return text.count("\n", start, end) <= _FEW and (
        text.find("\n-", start, end) < 0 or text.find("\n+", start, end) < 0
    )


def _named(text: str, pieces: list[Piece], query: str | None) -> re.Pattern[str] | None:
    """A pattern for lines that the query names, where it tells lines apart (few context lines match)."""
    names = _asked.asked(query)
    pattern = _asked.pattern(_asked.Asked(names.names, ()))
    if pattern is None or not pattern.search(text):
        return None
    bodies = [line for p in pieces if isinstance(p, Hunk) for line in p.body.split("\n") if line[:1] not in "+-"]
    hits = sum(1 for line in bodies if pattern.search(line))
    return pattern if hits <= max(10, min(_NAMED_LINES, int(_NAMED_SHARE * len(bodies)))) else None
