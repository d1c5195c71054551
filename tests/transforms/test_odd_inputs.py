"""Diffs, listings, traces, mixtures and cells as tools rarely print them: one claim each."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from headroom_core.anchors import asked
from headroom_core.transforms import transform_for
from headroom_core.transforms._json.preview import preview
from headroom_core.transforms._unified import Lines, parse
from headroom_core.transforms.diff import decode, encode
from headroom_core.transforms.mixed import Mixed
from headroom_core.types import Context, Kind, Part, Rewrite, Text


def _count(text: str) -> int:
    return len(text) // 3


def _run(kind: Kind, text: str, query: str | None = None, **more: Any) -> Rewrite | None:
    transform = transform_for(kind)
    assert transform is not None
    return transform(Part((0, 0), kind, Text(text), _count(text)), Context(count=_count, query=query, **more))


def _shrunk(kind: Kind, text: str, query: str | None = None, **more: Any) -> tuple[str, str]:
    rewrite = _run(kind, text, query, **more)
    assert rewrite is not None
    assert rewrite.left_out is not None
    assert len(rewrite.text) < len(text)
    return rewrite.text, rewrite.left_out


# ------------------------------------------------------------------ diffs
CONTEXT = "".join(f" line {i} of the harbour book\n" for i in range(12))
HUNK = f"@@ -1,25 +1,25 @@\n{CONTEXT}-the ferry leaves at six\n+the ferry leaves at seven\n{CONTEXT}"


def test_binary_patches_are_counted() -> None:
    """The base85 lines of a binary patch go; the file, and how many lines of data it had, stay."""
    data = "".join(f"zcmV-{i}-4<a;Xk" * 4 + "\n" for i in range(40))
    text = f"diff --git a/pier.png b/pier.png\nindex 1..2 100644\nGIT binary patch\nliteral 900\n{data}\nliteral 0\nHcmV?d00001\n\n"
    short, left_out = _shrunk(
        "diff", text + f"diff --git a/book.txt b/book.txt\n--- a/book.txt\n+++ b/book.txt\n{HUNK}"
    )
    assert "pier.png" in short
    assert "zcmV-7" not in short
    assert "lines of binary data" in left_out
    assert "+the ferry leaves at seven" in short


def test_many_lock_files_are_named_up_to_eight() -> None:
    """Their counts stand for their changes; beyond eight names the rest is a number."""
    change = "@@ -1,3 +1,3 @@\n a\n-b\n+c\n d\n"
    text = "".join(
        f"diff --git a/p{i}/package-lock.json b/p{i}/package-lock.json\n--- a/p{i}/package-lock.json\n"
        f"+++ b/p{i}/package-lock.json\n{change}"
        for i in range(20)
    )
    short, left_out = _shrunk("diff", text)
    assert "changes of 12 more lock or generated files" in left_out
    assert "p19/package-lock.json" in short


def test_modes_and_renames_stay_in_one_line() -> None:
    """A rename with a new mode says both; a deleted and a new empty file are named."""
    text = (
        "diff --git a/old.sh b/new.sh\nold mode 100644\nnew mode 100755\nsimilarity index 90%\nrename from old.sh\n"
        f"rename to new.sh\nindex 1..2\n--- a/old.sh\n+++ b/new.sh\n{HUNK}"
        "diff --git a/gone.txt b/gone.txt\ndeleted file mode 100644\nindex 1..0\n--- a/gone.txt\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n"
        "diff --git a/empty.txt b/empty.txt\nnew file mode 100644\nindex 0..1\n"
        "diff --git a/run.sh b/run.sh\nold mode 100644\nnew mode 100755\n"
    )
    short, _ = _shrunk("diff", text)
    assert "rename to new.sh (old mode 100644, new mode 100755)" in short
    assert "gone.txt" in short
    assert "deleted file" in short
    assert "empty.txt" in short
    assert "run.sh" in short
    assert "old mode 100644, new mode 100755" in short.split("run.sh")[1]


def test_diffs_of_other_tools_are_read() -> None:
    """``diff -ru`` and Subversion print headers of their own; two hunks that touch are told apart by their counts."""
    plain = f"diff -ru a/book.txt b/book.txt\n--- a/book.txt\t2026-05-01\n+++ b/book.txt\t2026-05-02\n{HUNK}"
    short, _ = _shrunk("diff", plain)
    assert "book.txt" in short
    assert "+the ferry leaves at seven" in short
    subversion = f"Index: book.txt\n{'=' * 67}\n--- book.txt\t(revision 7)\n+++ book.txt\t(working copy)\n{HUNK}"
    assert "+the ferry leaves at seven" in _shrunk("diff", subversion)[0]
    longer = HUNK + "\n\n That is all, says the mail.\n"
    short, _ = _shrunk("diff", f"--- a/book.txt\n+++ b/book.txt\n{longer}")
    assert "That is all" in short


def test_a_file_without_names_lines_is_known_by_its_first_line() -> None:
    """A change of mode alone names its file by the ``diff --git`` line, also where halves differ and quotes stand."""
    text = (
        'diff --git "a/sp\\303\\245 r.txt" "b/sp\\303\\245 r.txt"\nold mode 100644\nnew mode 100755\n'
        "diff --git a/one.txt b/two.txt\nold mode 100644\nnew mode 100755\n"
        f"diff --git a/book.txt b/book.txt\n--- a/book.txt\n+++ b/book.txt\n{HUNK}"
    )
    short, _ = _shrunk("diff", text)
    assert "two.txt" in short
    assert "+the ferry leaves at seven" in short


@pytest.mark.parametrize("ends", ["\n", "\r\n"], ids=["lf", "crlf"])
def test_the_lossless_form_of_a_diff_comes_back(ends: str) -> None:
    """Whatever the line ends, decoding gives the bytes back."""
    text = "".join(f"diff --git a/f{i} b/f{i}\nindex 1..2 100644\n--- a/f{i}\n+++ b/f{i}\n{HUNK}" for i in range(5))
    text = text.replace("\n", ends)
    short = encode(text)
    if short is not None:
        assert len(short) < len(text)
        assert decode(short) == text
    assert ends == "\r\n" or short is not None


def test_a_hunk_begins_at_the_start_of_a_line_only() -> None:
    """A changed line that speaks of hunks is a changed line, and so is one behind the counts of its hunk."""
    hunk = "@@ -1,3 +1,3 @@\n a\n-see @@ -1,2 +3,4 @@ there\n+see @@ -5,6 +7,8 @@ there\n b\n"
    source = Lines(f"--- a/f\n+++ b/f\n{hunk}that is all: @@ -9,9 +9,9 @@\n")
    pieces = parse(source)
    assert [type(piece).__name__ for piece in pieces] == ["Header", "Hunk", "Loose"]
    assert source.text(pieces[1].first, pieces[1].end) == hunk
    assert source.text(pieces[2].first, pieces[2].end) == "that is all: @@ -9,9 +9,9 @@\n"


@pytest.mark.parametrize(
    "text",
    [
        f"--- a/f\n+++ b/f\n{HUNK}",
        f"intro\n\ndiff --git a/f b/f\nindex 1..2\n--- a/f\n+++ b/f\n{HUNK}\nend\n",
        f"Index: f\n{'=' * 67}\n--- f\t(revision 7)\n+++ f\t(working copy)\n{HUNK}",
        "diff --cc f\nindex 1,2..3\n--- a/f\n+++ b/f\n@@@ -1,2 -1,2 +1,3 @@@\n  a\n++b\n -c\n",
        "@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+b\n\\ No newline at end of file",
        "--- a/f\n+++ b/f\n@@ -1,2 +1 @@\n--- x\n a\n--- a/g\n+++ b/g\n@@ -1 +1 @@\n-a\n+b\n",
        "GIT binary patch\nliteral 3\nKcmZ\n\nliteral 0\nHcmV\n\n",
        "@@ no hunk @@\nwords\n",
        "",
    ],
)
def test_pieces_joined_are_the_text(text: str) -> None:
    """Whatever a text holds, no byte is lost or moved between headers, hunks and the rest."""
    source = Lines(text)
    assert "".join(source.text(piece.first, piece.end) for piece in parse(source)) == text


# ------------------------------------------------------------------ listings
def test_a_listing_without_a_common_shape_is_not_folded_to_more() -> None:
    """Where each folder holds one file, folding would say the same again: the listing stays or is written shorter."""
    text = "\n".join(f"p{i}/q{i}/r{i}.txt" for i in range(80))
    rewrite = _run("tree", text)
    assert rewrite is None or len(rewrite.text) < len(text)


def test_of_many_names_that_match_as_many_stay_as_fit() -> None:
    """A question that matches hundreds of names keeps those that fit into its share, and counts the rest."""
    text = "\n".join(f"./harbour/pier_{i % 9}/{'boat' if i % 5 == 0 else 'crane'}_number_{i}.json" for i in range(900))
    short, left_out = _shrunk("tree", text, "boat", target_ratio=0.1)
    assert 3 < short.count("boat_number_") < 120
    assert "of 900 entries" in left_out
    assert _count(short) < 0.2 * _count(text)


def test_drawn_trees_with_odd_lines_are_left_as_they_are() -> None:
    """A line that belongs to no level of a drawn tree: whatever is written, nothing of it is lost without a word."""
    drawn = "harbour\n├── pier\n│   └── boat.txt\n  stray line\n└── book.txt\n"
    rewrite = _run("tree", drawn, strength="lossless")
    assert rewrite is None or "stray line" in rewrite.text


# ------------------------------------------------------------------ traces
def _frames(count: int, path: str = "/usr/lib/python3.11/site-packages/starlette/m{i}.py") -> str:
    return "".join(
        f'  File "{path.format(i=i)}", line {i + 10}, in call\n    await self.app(scope, receive)\n'
        for i in range(count)
    )


def test_a_trace_that_misses_its_target_is_cut_like_a_log() -> None:
    """Own frames alone are more than asked for: the error line stays all the same."""
    text = f"Traceback (most recent call last):\n{_frames(60, '/srv/app/step_{i}.py')}KeyError: 4711\n"
    short, _ = _shrunk("trace", text, target_ratio=0.1)
    assert "KeyError: 4711" in short
    assert _count(short) < 0.3 * _count(text)


def test_short_frames_are_not_worth_a_note() -> None:
    """Two short library frames stay: the note about them would be as long."""
    text = (
        "Error: no berth\n    at depth (/srv/app/pier.js:7:3)\n    at a (node:vm:1:1)\n"
        + "    at moor (/srv/app/boat.js:9:3)\n" * 1
        + "".join(
            f"    at Layer.handle_request (/srv/node_modules/express/lib/router/layer_{i}.js:95:5)\n" for i in range(9)
        )
    )
    short, left_out = _shrunk("trace", text)
    assert "node:vm" in short
    assert "layer_7" not in short
    assert "frames, all of libraries" in left_out


def test_a_frame_at_the_end_of_a_text_without_a_line_end() -> None:
    """A trace that was cut off inside a frame keeps what there is of it."""
    text = f'Traceback (most recent call last):\n{_frames(20)}  File "/srv/app/orders.py", line 88, in save'
    short, _ = _shrunk("trace", text)
    assert short.rstrip().endswith('  File "/srv/app/orders.py", line 88, in save')


# ------------------------------------------------------------------ mixtures
def _nested(text: str, *, kind: Any = None, target_ratio: float | None = None) -> Rewrite | None:
    share = 0.2 if target_ratio is None else target_ratio
    return Rewrite.of(text[: int(len(text) * share)], "the rest") if kind == "json" else None


def _mixed(text: str, nested: Callable[..., Rewrite | None] = _nested, **more: Any) -> Rewrite | None:
    return Mixed()(Part((0, 0), "prose", Text(text), _count(text)), Context(count=_count, nested=nested, **more))


ROWS = json.dumps([{"id": i, "state": "moored"} for i in range(80)])


def test_a_target_is_met_by_the_parts_that_can_shrink() -> None:
    """Prose around a block stays, so the block gives what is missing."""
    prose = "The boats that are moored today, as the book of the harbour has them.\n" * 12
    text = f"{prose}\n```json\n{ROWS}\n```\n{prose}"
    rewrite = _mixed(text, target_ratio=0.6)
    assert rewrite is not None
    assert rewrite.text.startswith(prose)
    assert rewrite.text.endswith(prose)
    assert 0.5 < len(rewrite.text) / len(text) < 0.7


def test_a_mixture_in_which_nothing_shrinks_is_left() -> None:
    """No part got smaller: None, not a copy with notes."""
    assert _mixed(f"Boats:\n\n```json\n{ROWS}\n```\nThat is all.\n", lambda text, **_: None) is None
    longer = lambda text, **_: Rewrite.of(text + "!", "nothing")  # noqa: E731
    assert _mixed(f"Boats:\n\n```json\n{ROWS}\n```\nThat is all.\n", longer) is None


# ------------------------------------------------------------------ long cells
def test_a_preview_shows_head_hits_and_tail() -> None:
    """Of a long string: how it begins, the place of the query's word, how it ends, and how long it is."""
    text = "First words. " + "waves " * 100 + "the lantern of Lenvik " + "wind " * 100 + "last words"
    shown = preview(text, asked("lantern of Lenvik"))
    assert shown.startswith("First words.")
    assert "lantern of Lenvik" in shown
    assert f"last words ({len(text):,} characters)" in shown
    assert len(shown) < 700


def test_a_preview_takes_two_places_at_most() -> None:
    """However many words of the query stand in the string."""
    words = ["anchor", "buoy", "compass", "dinghy", "engine"]
    text = "Start. " + " ".join(f"{word} " + "filler " * 60 for word in words) + "end"
    shown = preview(text, asked("anchor buoy compass dinghy engine"))
    assert sum(word in shown for word in words) <= 3
    assert len(shown) < 800


def test_a_preview_leaves_short_strings_and_survives_odd_cases() -> None:
    """Up to 500 characters nothing goes; letters whose lower case is longer do not shift the places."""
    assert preview("x" * 500, asked(None)) == "x" * 500
    text = "İ" * 300 + " lantern " + "y " * 300
    shown = preview(text, asked("lantern"))
    assert "lantern" in shown
    assert shown.endswith("characters)")
