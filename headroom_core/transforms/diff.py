"""Diffs: every changed line stays; context shrinks to what the hunk or the query needs; headers fold to one line.

Lossless: git's ``---``/``+++`` lines, which repeat ``diff --git``, go; ``git apply`` reads the rest, and `decode`
restores them.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass, field

from headroom_core.transforms import _asked
from headroom_core.transforms._unified import Binary, Header, Hunk, Lines, Piece, bare_name, clean_name, parse, path_of
from headroom_core.types import Context, Part, Rewrite

_COLOUR = re.compile(r"\x1b\[[0-9;]*[mK]")
_COLOURED = re.compile(r"^\x1b\[[0-9;]*m(?:diff |@@|--- |\+\+\+ )", re.M)
_FEW = 3  # lines that need their neighbours to be understood; a longer block speaks for itself
_HEADING_CHARS = 60
_DECLARED = re.compile(r"(?:[^({=:]+|(?<![\w>\]])\(|:(?! |$))*")  # a declaration up to its parameters
_TELLING = re.compile(r"\b(?!(?:end|else|fi|done|pass|try|begin|do|then)\b)\w")  # a line without it closes something
_TIGHT = 0.5  # a target share below this leaves no room for context
_CHANGED = re.compile(r"[+\-][+\-\\]*")  # in the marks of the lines
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
            trimmed = _Trimmed(_plain(text), context)
            if trimmed.gone.any:
                short = trimmed.text
                return Rewrite.of(short, trimmed.gone.line()) if len(short) < len(text) else None
        encoded = encode(text)
        return Rewrite.of(encoded) if encoded is not None else None


def _plain(text: str) -> str:
    """The text without the colours of a terminal, where they are the diff's and not those of the files."""
    return _COLOUR.sub("", text) if "\x1b[" in text and _COLOURED.search(text) else text


# ---------------------------------------------------------------- lossless
def encode(text: str) -> str | None:
    """Without each ``---``/``+++`` pair that ``diff --git`` implies; None where nothing goes."""
    if "diff --git " not in text:
        return None
    source, out = Lines(text), list[str]()
    for piece in parse(source):
        lines = source.lines[piece.first : piece.end]
        whole = source.closed or piece.end < len(source.lines)
        names = _implied(lines) if isinstance(piece, Header) and whole else []
        out += lines[:-2] if names and lines[-2:] == names else lines
    short = Lines.joined(out, source.closed)
    return short if len(short) < len(text) and decode(short) == text else None


def decode(short: str) -> str:
    """The diff that `encode` shortened."""
    source, out = Lines(short), list[str]()
    pieces = parse(source)
    for piece, after in zip(pieces, [*pieces[1:], None], strict=True):
        lines = source.lines[piece.first : piece.end]
        out += lines
        if isinstance(piece, Header) and isinstance(after, Hunk) and not lines[-1].startswith("+++ "):
            out += _implied(lines)
    return Lines.joined(out, source.closed)


def _implied(header: list[str]) -> list[str]:
    """The ``---`` and ``+++`` lines that git writes under this ``diff --git`` line; none where that is not certain."""
    first = header[0].removesuffix("\r")
    if not first.startswith("diff --git ") or '"' in first:
        return []
    names = first[len("diff --git ") :]
    half = len(names) // 2
    old, blank, new = names[:half], names[half : half + 1], names[half + 1 :]
    if blank != " " or bare_name(old) != bare_name(new):
        return []
    end = ("\t" if " " in old else "") + "\r" * header[0].endswith("\r")
    created = any(line.startswith("new file mode ") for line in header)
    deleted = any(line.startswith("deleted file mode ") for line in header)
    return [
        "--- /dev/null" + end.lstrip("\t") if created else f"--- {old}{end}",
        "+++ /dev/null" + end.lstrip("\t") if deleted else f"+++ {new}{end}",
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


class _Trimmed:
    """A diff while it is trimmed: its lines, those that the query names, what stays and what is gone."""

    def __init__(self, text: str, context: Context) -> None:
        self.source = Lines(text)
        self.pieces = parse(self.source)
        self.query = context.query
        self.named = _named(text, self.source, self.pieces, _asked.asked(context.query).names)
        self.margin = context.target_ratio is None or context.target_ratio >= _TIGHT
        self.changed = [match.span() for match in _CHANGED.finditer(self.source.marks)]
        self.starts = [start for start, _ in self.changed]
        self.gone = _Gone()
        self.out: list[str] = []
        self._run()

    @property
    def text(self) -> str:
        """What stays. The line feed that loose text at the end lacks stays away."""
        loose = bool(self.pieces) and not isinstance(self.pieces[-1], (Header, Hunk, Binary))
        return Lines.joined(self.out, self.source.closed or not loose)

    def _run(self) -> None:
        i, pieces = 0, self.pieces
        while i < len(pieces):
            piece = pieces[i]
            i += 1
            if isinstance(piece, Hunk):
                self._hunk(piece, piece.heading)
            elif isinstance(piece, Header):
                start = i
                while i < len(pieces) and isinstance(pieces[i], Hunk):
                    i += 1
                self._file(piece, pieces[start:i])  # type: ignore[arg-type]
            elif isinstance(piece, Binary):
                lines = self.source.lines[piece.first : piece.end]
                self.out.append(" ".join([lines[0], *(x for x in lines if x.startswith(("literal ", "delta ")))]))
                self.gone.binary += len(lines) - 1
            else:
                self.out += self.source.lines[piece.first : piece.end]

    def _file(self, header: Header, hunks: list[Hunk]) -> None:
        """One file: its header in a line and its hunks, or its counts where its changes say nothing."""
        lines = self.source.lines[header.first : header.end]
        path = path_of(lines)
        why = noise(path)
        if why and hunks and not self._asks_for(path):
            self._counted(_head(lines, path)[-1], path, why, hunks)
            return
        self.out += _head(lines, path)
        whole = len(hunks) == 1 and not (hunks[0].old and hunks[0].new)  # came or went, as its header says
        heading = ""
        for hunk in hunks:
            self._hunk(hunk, None if whole else "" if hunk.heading == heading else hunk.heading)
            heading = hunk.heading

    def _counted(self, head: str, path: str, why: str, hunks: list[Hunk]) -> None:
        """The file's name, its counts, and those of its changed lines that the query names."""
        marks, lines = self.source.marks, self.source.lines
        added, removed = (sum(marks.count(mark, h.first + 1, h.end) for h in hunks) for mark in "+-")
        named = [at for h in hunks for at in self._named_in(h) if marks[at] in "+-"][:_NAMED_LINES]
        self.out += [f"{head} ({why}, +{added} -{removed})", *(lines[at] for at in named)]
        self.gone.files.append(f"+{added} -{removed} lines of {path}" + (f" but {len(named)} hits" if named else ""))

    def _asks_for(self, path: str) -> bool:
        return bool(self.query) and path.rsplit("/", 1)[-1].lower() in str(self.query).lower()

    def _hunk(self, hunk: Hunk, heading: str | None) -> None:
        """The hunk's changed lines and the context that they need.

        Each stretch says where it begins in the new file, and the first one in which declaration; with None for the
        heading nothing is said.
        """
        marks, lines, out = self.source.marks, self.source.lines, self.out
        at, line, left = hunk.first + 1, hunk.new, hunk.end - hunk.first - 1
        mark, tail = "@" * (hunk.width + 1), _short(heading) if heading else ""
        for start, end in self._spans(hunk):
            if heading is not None:
                line += start - at - marks.count("-", at, start) - marks.count("\\", at, start)
                out.append(f"{mark} +{line} {mark}{tail}")
                at, tail = start, ""
            out += lines[start:end]
            left -= end - start
        self.gone.context += left

    def _spans(self, hunk: Hunk) -> list[tuple[int, int]]:
        """Stretches of a hunk that stay: changed lines, lines that the query names, around few of these their neighbours.

        Stretches that one line would part are joined over it.
        """
        marks, lines, first = self.source.marks, self.source.lines, hunk.first + 1
        found = self._changed_in(hunk) if hunk.width == 1 else _merged(lines, first, hunk.end, hunk.width)
        if self.named:
            found = sorted({*found, *((at, at + 1) for at in self._named_in(hunk))})
        spans: list[tuple[int, int]] = []
        for start, end in found:
            # few lines that only came or only went: what they replace, or their number, does not explain them
            few = end - start <= _FEW and (marks.find("-", start, end) < 0 or marks.find("+", start, end) < 0)
            if few and self.margin:
                start -= start > first and _TELLING.search(lines[start - 1]) is not None
                end += end < hunk.end and _TELLING.search(lines[end]) is not None
            if spans and start - spans[-1][1] <= 1:
                spans[-1] = (spans[-1][0], max(spans[-1][1], end))
            else:
                spans.append((start, end))
        return spans

    def _changed_in(self, hunk: Hunk) -> list[tuple[int, int]]:
        """The stretches of changed lines; the last one is cut where the hunk ends."""
        start = bisect_left(self.starts, hunk.first)
        found = self.changed[start : bisect_left(self.starts, hunk.end, start)]
        if found and found[-1][1] > hunk.end:
            found[-1] = (found[-1][0], hunk.end)
        return found

    def _named_in(self, hunk: Hunk) -> list[int]:
        return self.named[bisect_left(self.named, hunk.first + 1) : bisect_left(self.named, hunk.end)]


def _merged(lines: list[str], first: int, end: int, width: int) -> list[tuple[int, int]]:
    """The changed lines of a combined hunk, each with the notes under it: all but those that no parent lacks."""
    found: list[tuple[int, int]] = []
    for at in range(first, end):
        if lines[at].startswith("\\"):
            found[-1:] = [(start, at + 1) for start, stop in found[-1:] if stop == at] or found[-1:]
        elif lines[at].rstrip("\r") and lines[at][:width].strip(" "):
            found.append((at, at + 1))
    return found


def _named(text: str, source: Lines, pieces: list[Piece], names: tuple[str, ...]) -> list[int]:
    """Lines that hold an asked name, where that tells the lines of hunks apart: few of those are context."""
    pattern = _asked.pattern(_asked.Asked(names, ()))
    if pattern is None:
        return []
    maybe = _holding(text.lower(), [name.lower() for name in names])
    found = [at for at in sorted(maybe) if pattern.search(source.lines[at])]
    hunks, marks = [(p.first + 1, p.end) for p in pieces if isinstance(p, Hunk)] if found else [], source.marks
    context = sum(end - first - sum(marks.count(mark, first, end) for mark in "+-\n") for first, end in hunks)
    inside = (at for first, end in hunks for at in found[bisect_left(found, first) : bisect_left(found, end)])
    hits = sum(marks[at] not in "+-" for at in inside)
    return found if hits <= max(10, min(_NAMED_LINES, int(_NAMED_SHARE * context))) else []


def _holding(text: str, names: list[str]) -> set[int]:
    """The numbers of the lines, from 0, in which a name stands; a name holds no line feed."""
    found: set[int] = set()
    for name in names:
        line, last, at = 0, 0, text.find(name)
        while at >= 0:
            line += text.count("\n", last, at)
            found.add(line)
            last, at = at, text.find(name, at + len(name))
    return found


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


def _short(heading: str) -> str:
    """The declaration that a hunk stands in, up to its parameters."""
    found = _DECLARED.match(heading)
    return found[0][:_HEADING_CHARS].rstrip() if found else ""
