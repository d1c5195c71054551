"""Diffs: every changed line stays; context shrinks to what the hunk or the query needs; headers fold to one line.

Lossless: git's ``---``/``+++`` lines, which repeat ``diff --git``, go; ``git apply`` reads the rest, and `decode`
restores them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from headroom_core.transforms import _asked
from headroom_core.transforms._unified import Binary, Header, Hunk, Piece, bare_name, clean_name, parse
from headroom_core.types import Context, Part, Rewrite

_CONTEXT_LINES = 1
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
        short = encode(text)
        if context.strength == "lossless":
            return Rewrite.of(short) if short is not None else None
        trimmed, gone = _trim(text, context)
        if not gone.any and short is not None:
            return Rewrite.of(short)
        return Rewrite.of(trimmed, gone.line()) if len(trimmed) < len(text) else None


# ---------------------------------------------------------------- lossless
def encode(text: str) -> str | None:
    """Without each ``---``/``+++`` pair that ``diff --git`` implies; None where nothing goes."""
    if "diff --git " not in text:
        return None
    lines = text.split("\n")
    out: list[str] = []
    for piece in parse(lines):
        if isinstance(piece, Hunk):
            out.append(piece.head)
            out += piece.body
        elif isinstance(piece, Header) and (names := _implied(piece.lines)) and piece.lines[-2:] == names:
            out += piece.lines[:-2]
        else:
            out += piece.lines
    if len(out) == len(lines):
        return None
    short = "\n".join(out)
    return short if decode(short) == text else None


def decode(short: str) -> str:
    """The diff that `encode` shortened."""
    out: list[str] = []
    pieces = parse(short.split("\n"))
    for piece, after in zip(pieces, [*pieces[1:], None], strict=True):
        if isinstance(piece, Hunk):
            out.append(piece.head)
            out += piece.body
            continue
        out += piece.lines
        if isinstance(piece, Header) and isinstance(after, Hunk) and not piece.lines[-1].startswith("+++ "):
            out += _implied(piece.lines)
    return "\n".join(out)


def _implied(header: list[str]) -> list[str]:
    """The ``---`` and ``+++`` lines that git writes under this ``diff --git`` line; empty where that is not certain."""
    first = header[0]
    end = "\r" if first.endswith("\r") else ""
    if not first.startswith("diff --git "):
        return []
    names = first[len("diff --git ") : len(first) - len(end)]
    half = len(names) // 2
    old, blank, new = names[:half], names[half : half + 1], names[half + 1 :]
    if blank != " " or bare_name(old.strip('"')) != bare_name(new.strip('"')) or '"' in names:
        return []
    tab = "\t" if " " in old else ""
    created = any(line.startswith("new file mode ") for line in header)
    deleted = any(line.startswith("deleted file mode ") for line in header)
    return [
        "--- " + ("/dev/null" if created else old + tab) + end,
        "+++ " + ("/dev/null" if deleted else new + tab) + end,
    ]


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
    lines = text.split("\n")
    pieces = parse(lines)
    named = _named(pieces, context.query)
    margin = 0 if context.target_ratio is not None and context.target_ratio < 0.5 else _CONTEXT_LINES
    out: list[str] = []
    gone = _Gone()
    i = 0
    while i < len(pieces):
        piece = pieces[i]
        i += 1
        if isinstance(piece, Binary):
            out.append(piece.lines[0] + "".join(f" {x}" for x in piece.lines if x.startswith(("literal ", "delta "))))
            gone.binary += len(piece.lines) - 1
        elif isinstance(piece, Hunk):
            gone.context += _hunk(piece, margin, named, out, piece.heading)
        elif not isinstance(piece, Header):
            out += piece.lines
        else:
            hunks: list[Hunk] = []
            while i < len(pieces) and isinstance(hunk := pieces[i], Hunk):
                hunks.append(hunk)
                i += 1
            _file(piece, hunks, margin, named, out, gone, context.query)
    return "\n".join(out), gone


def _file(
    header: Header,
    hunks: list[Hunk],
    margin: int,
    named: re.Pattern[str] | None,
    out: list[str],
    gone: _Gone,
    query: str | None,
) -> None:
    why = noise(header.path)
    if not why or not hunks or _asks_for(query, header.path):
        out += _head(header)
        heading = ""
        for hunk in hunks:
            gone.context += _hunk(hunk, margin, named, out, "" if hunk.heading == heading else hunk.heading)
            heading = hunk.heading
        return
    changed = [line for hunk in hunks for line in hunk.body if line[:1] in ("+", "-")]
    added = sum(line[0] == "+" for line in changed)
    removed = len(changed) - added
    hits = [line for line in changed if named and named.search(line)][:_NAMED_LINES]
    out.append(f"{_head(header)[-1]} ({why}, +{added} -{removed})")
    out += hits
    gone.files.append(f"+{added} -{removed} lines of {header.path}" + (f" but {len(hits)} hits" if hits else ""))


def _asks_for(query: str | None, path: str) -> bool:
    return bool(query) and path.rsplit("/", 1)[-1].lower() in str(query).lower()


def _head(header: Header) -> list[str]:
    """A file's header in one line; renames keep both names, a binary note stands for itself."""
    kept: list[str] = []
    notes: list[str] = []
    old = new = ""
    for raw in header.lines:
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
        return [f"--- {old or 'a/' + header.path}{note or ' (deleted file)'}"]
    if old == "/dev/null" and not note:
        note = " (new file)"
    prefix = "" if new else "b/"
    return [f"+++ {new or prefix + header.path}{note}"]


def _hunk(hunk: Hunk, margin: int, named: re.Pattern[str] | None, out: list[str], heading: str) -> int:
    """Append the hunk's changed lines with ``margin`` lines around each group; the number of context lines left out."""
    body, width = hunk.body, hunk.width
    blank = " " * width
    n = len(body)
    keep = bytearray(n)
    for j, line in enumerate(body):
        if line.startswith(blank) or not line or line == "\r":
            if named is not None and named.search(line):
                keep[j] = 1
        elif line[0] == "\\":
            keep[j] = j > 0 and keep[j - 1]
        else:
            keep[j] = 2
            for k in range(1, margin + 1):
                if j >= k and not keep[j - k] and body[j - k].strip():
                    keep[j - k] = 1
    _trail(body, keep, margin)
    old, new, open_ = hunk.old, hunk.new, False
    mark, tail = "@" * (width + 1), heading
    for j, line in enumerate(body):
        if keep[j]:
            if not open_:
                out.append(f"{mark} -{old} +{new} {mark}{tail}")
                open_, tail = True, ""
            out.append(line)
        else:
            open_ = False
        first = line[:1]
        if first == "+":
            new += 1
        elif first == "-":
            old += 1
        elif first != "\\":
            old += 1
            new += 1
    return n - sum(1 for k in keep if k)


def _trail(body: list[str], keep: bytearray, margin: int) -> None:
    """Keep ``margin`` lines behind each changed group, and a single unchanged line between two kept ones."""
    n = len(body)
    for j in range(n):
        if keep[j] == 2:
            for k in range(j + 1, min(n, j + margin + 1)):
                if keep[k]:
                    break
                if body[k].strip():
                    keep[k] = 1
    for j in range(1, n - 1):
        if not keep[j] and keep[j - 1] and keep[j + 1]:
            keep[j] = 1


def _named(pieces: list[Piece], query: str | None) -> re.Pattern[str] | None:
    """A pattern for lines that the query names, where it tells lines apart (few context lines match)."""
    names = _asked.asked(query)
    pattern = _asked.pattern(_asked.Asked(names.names, ()))
    if pattern is None:
        return None
    bodies = [line for piece in pieces if isinstance(piece, Hunk) for line in piece.body if line[:1] not in "+-"]
    hits = sum(1 for line in bodies if pattern.search(line))
    return pattern if hits <= max(10, min(_NAMED_LINES, int(_NAMED_SHARE * len(bodies)))) else None
