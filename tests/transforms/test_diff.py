"""Diffs: every changed line stays; the lossless form decodes, and git applies it."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headroom_core import compress
from headroom_core.kinds import detect
from headroom_core.transforms.diff import Diff, decode, encode
from headroom_core.types import Context, Part, Rewrite, Strength, Text


def rewrite(text: str, query: str | None = None, strength: Strength = "lossy") -> Rewrite | None:
    return Diff()(Part((0, 0), "diff", Text(text), len(text) // 4), Context(count=len, query=query, strength=strength))


def trimmed(text: str, query: str | None = None) -> str:
    result = rewrite(text, query)
    return text if result is None else result.text


def changed(text: str) -> list[str]:
    return [line for line in text.split("\n") if line[:1] in ("+", "-") and not line.startswith(("+++ ", "--- "))]


class Repo:
    """A real git repository in a temporary folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.git("init", "-q", "-b", "main")

    def git(self, *args: str, stdin: bytes | None = None) -> bytes:
        command = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "core.autocrlf=false", *args]
        return subprocess.run(command, cwd=self.folder, input=stdin, capture_output=True, check=True).stdout

    def commit(self) -> None:
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "c", "--allow-empty")

    def write(self, name: str, data: str | bytes) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)


def numbered(count: int, end: str = "\n") -> str:
    return "".join(f"line {i} of the file{end}" for i in range(count))


EDITS: dict[str, tuple[dict[str, str | bytes], dict[str, str | bytes | None]]] = {
    "plain edit": ({"a.txt": numbered(40)}, {"a.txt": numbered(40).replace("line 20 ", "LINE 20 ")}),
    "new file": ({"a.txt": "x\n"}, {"dir/new.txt": numbered(5)}),
    "deleted file": ({"a.txt": numbered(5), "b.txt": "x\n"}, {"a.txt": None}),
    "name with spaces": ({"my file.txt": numbered(9)}, {"my file.txt": numbered(9) + "more\n"}),
    "quoted name": ({"größe.txt": numbered(9)}, {"größe.txt": numbered(9) + "more\n"}),
    "carriage returns": ({"a.txt": numbered(9, "\r\n")}, {"a.txt": numbered(9, "\r\n").replace("line 4 ", "four ")}),
    "no newline at the end": ({"a.txt": "one\ntwo"}, {"a.txt": "one\nthree"}),
    "rename with a change": (
        {"a.txt": numbered(30)},
        {"a.txt": None, "b.txt": numbered(30).replace("line 3 ", "three ")},
    ),
    "binary": ({"a.bin": bytes(range(256))}, {"a.bin": bytes(reversed(range(256)))}),
    "lines that look like headers": ({"a.sql": "-- one\n-- two\nx\n"}, {"a.sql": "-- two\n++ b/x\nx\n"}),
    "empty file": ({"a.txt": "x\n"}, {"empty.txt": ""}),
    "filled empty file": ({"a.txt": ""}, {"a.txt": "x\n"}),
    "several files": (
        {f"f{i}.txt": numbered(30) for i in range(4)},
        {f"f{i}.txt": numbered(30).replace("line 15 ", "fifteen ") for i in range(4)},
    ),
}


@pytest.mark.parametrize("case", EDITS)
def test_git_applies_the_lossless_form(case: str, tmp_path: Path) -> None:
    """`git apply` of the lossless form gives the same tree as the edit, and decoding gives the same bytes."""
    before, after = EDITS[case]
    repo = Repo(tmp_path / "one")
    for name, data in before.items():
        repo.write(name, data)
    repo.commit()
    for name, new in after.items():
        if new is None:
            (repo.folder / name).unlink()
        else:
            repo.write(name, new)
    repo.git("add", "-A")
    diff = repo.git("diff", "--cached", "-M", "--binary").decode("utf-8", "surrogateescape")
    want = repo.git("write-tree")
    short = encode(diff)
    if short is None:
        assert case in {"quoted name", "rename with a change", "binary", "empty file"}
        short = diff
    else:
        assert decode(short) == diff
        assert len(short) < len(diff)
        assert encode(short) is None
    repo.git("reset", "-q", "--hard")
    repo.git("apply", "--index", stdin=short.encode("utf-8", "surrogateescape"))
    assert repo.git("write-tree") == want


def test_every_changed_line_of_random_edits_stays(tmp_path: Path) -> None:
    """Fifty random edits of a file: each changed line stands in the trimmed diff, in order."""
    choose = random.Random(5)
    repo = Repo(tmp_path)
    lines = [f"value_{i} = compute({i})" for i in range(300)]
    repo.write("m.py", "\n".join(lines))
    repo.commit()
    for _ in range(50):
        for _ in range(choose.randint(1, 9)):
            at = choose.randrange(len(lines))
            choose.choice(
                [lambda at: lines.pop(at), lambda at: lines.insert(at, f"-- {at}"), lambda at: lines.insert(at, "")]
            )(at)
        repo.write("m.py", "\n".join(lines))
        diff = repo.git("diff").decode()
        short = trimmed(diff)
        assert [x for x in changed(short) if not x.startswith(("--- a/", "+++ b/"))] == changed(diff)
        assert len(short) < len(diff)
        repo.commit()


DIFF = """diff --git a/app/views.py b/app/views.py
index 1111111..2222222 100644
--- a/app/views.py
+++ b/app/views.py
@@ -10,9 +10,9 @@ def render(request):
     first = 1
     second = 2
     load_settings(request)
     third = 3
-    fourth = 4
+    fourth = 5
     fifth = 5
     sixth = 6
     seventh = 7
     eighth = 8
"""


def test_context_that_the_query_names_stays() -> None:
    """A context line with the asked name stays; without the query it goes."""
    assert "load_settings" not in trimmed(DIFF)
    assert "load_settings(request)" in trimmed(DIFF, "Where is load_settings called?")


def test_hunks_say_where_their_first_kept_line_stands() -> None:
    """The line number in the new file is that of the first kept line; the enclosing function is named."""
    assert "@@ +14 @@ def render\n-    fourth = 4\n+    fourth = 5\n" in trimmed(DIFF)


def test_a_few_lines_that_only_came_keep_their_neighbours() -> None:
    """What stands around a small insertion stays; a replacement and a long block explain themselves."""
    added = DIFF.replace("-    fourth = 4\n", "").replace("-10,9 +10,9", "-10,8 +10,9")
    assert "@@ +13 @@ def render\n     third = 3\n+    fourth = 5\n     fifth = 5\n" in trimmed(added)
    long = added.replace("+    fourth = 5\n", "+    fourth = 5\n" * 4).replace("+10,9", "+10,12")
    assert "third" not in trimmed(long)


def test_left_out_counts_context_lines() -> None:
    """The readable line counts what is gone."""
    result = rewrite(DIFF)
    assert result is not None
    assert result.left_out == "8 context lines"


LOCK = """diff --git a/web/package-lock.json b/web/package-lock.json
index 1..2 100644
--- a/web/package-lock.json
+++ b/web/package-lock.json
@@ -1,4 +1,4 @@
 {
-  "lodash": "4.17.20",
+  "lodash": "4.17.21",
   "left-pad": "1.0.0",
 }
"""


def test_lock_files_are_counted_by_name() -> None:
    """A lock file's changes become counts beside its name; other files keep theirs."""
    result = rewrite(DIFF + LOCK)
    assert result is not None
    assert "4.17.21" not in result.text
    assert "+    fourth = 5" in result.text
    assert "web/package-lock.json (lock file, +1 -1)" in result.text
    assert "+1 -1 lines of web/package-lock.json" in str(result.left_out)


def test_lock_lines_that_the_query_names_stay() -> None:
    """A query for a package keeps its lines; a query for the file keeps the file's changes."""
    assert '+  "lodash": "4.17.21",' in trimmed(LOCK * 3, "Which version of `lodash` is locked now?")
    assert '+  "lodash": "4.17.21",' in trimmed(DIFF + LOCK, "What changed in package-lock.json?")


COMBINED = """diff --cc m.py
index 1,2..3
--- a/m.py
+++ b/m.py
@@@ -1,7 -1,7 +1,8 @@@ class A
  same one
  same two
  same three
- ours
 -theirs
++merged line
+ only from ours
  same four
  same five
  same six
"""


def test_combined_diffs_keep_lines_that_changed_against_any_parent() -> None:
    """Both columns of a merge count as changes, and the lossless form leaves a merge alone."""
    short = trimmed(COMBINED)
    for line in ("- ours", " -theirs", "++merged line", "+ only from ours"):
        assert line in short.split("\n")
    assert "same one" not in short
    assert encode(COMBINED) is None


def test_renames_binary_notes_and_modes_are_told() -> None:
    """What a header says beyond its file's name survives the folding."""
    text = (
        "diff --git a/old.txt b/new.txt\nsimilarity index 90%\nrename from old.txt\nrename to new.txt\n"
        "diff --git a/run.sh b/run.sh\nold mode 100644\nnew mode 100755\n"
        "diff --git a/x.png b/x.png\nindex 1..2 100644\nBinary files a/x.png and b/x.png differ\n"
        "diff --git a/gone.txt b/gone.txt\ndeleted file mode 100644\nindex 1..0\n--- a/gone.txt\n"
        "+++ /dev/null\n@@ -1 +0,0 @@\n-bye\n"
    )
    short = trimmed(DIFF + text)
    for told in (
        "rename from old.txt",
        "rename to new.txt",
        "run.sh (old mode 100644, new mode 100755)",
        "x.png differ",
    ):
        assert told in short
    assert "--- a/gone.txt (deleted file)" in short
    assert "-bye" in short


def test_text_around_the_diff_stays() -> None:
    """A commit message in front and a signature behind are not the diff's to trim."""
    short = trimmed("commit 1\n\n    Message body\n\n" + DIFF + "-- \n2.39.5\n")
    assert short.startswith("commit 1\n\n    Message body\n\n+++ b/app/views.py")
    assert short.endswith("-- \n2.39.5\n")


def test_a_coloured_diff_is_a_diff() -> None:
    """What a terminal shows: no changed line is lost to the colours, and they go."""
    colours = {"+": "\x1b[32m", "-": "\x1b[31m", "@": "\x1b[36m", "d": "\x1b[1m"}
    shown = "".join(f"{colours.get(line[:1], '')}{line}\x1b[m\n" for line in DIFF.splitlines() * 3)
    assert detect(shown).kind == "diff"
    short = trimmed(shown)
    assert changed(short) == changed(DIFF) * 3
    assert "\x1b" not in short
    recorded = DIFF.replace("fourth = 5", "\x1b[32mfourth\x1b[m = 5")
    assert changed(trimmed(recorded)) == changed(recorded)


@pytest.mark.parametrize("option", ["-c", "--normal"])
def test_diffs_of_other_forms_are_left_alone(option: str, tmp_path: Path) -> None:
    """With context in the old manner, or with none: known as diffs, so that no line of them is taken for a log's."""
    old, new = tmp_path / "old.txt", tmp_path / "new.txt"
    old.write_text(numbered(120))
    new.write_text(
        "".join(f"{line} changed\n" if i % 9 == 0 else f"{line}\n" for i, line in enumerate(numbered(120).splitlines()))
    )
    text = subprocess.run(["diff", option, old, new], capture_output=True, text=True, check=False).stdout
    assert detect(text).kind == "diff"
    assert compress(text, query="What happened to line 77?").text == text


BAD = [
    "", "\n", "x" * 2_000_000, "\x00\x01\x02" * 1000, "\ud800 diff --git", "@@ -1 +1 @@", "diff --git ", DIFF[:150],
    "--- a\n+++ b\n@@ -1,9999999 +1 @@\n x", "@@ -99999999999999999999 +1 @@\n+x", "GIT binary patch",
    DIFF.replace("\n", "\r\n"),
]  # fmt: skip


@pytest.mark.parametrize("strength", ["lossless", "reversible", "lossy"])
@pytest.mark.parametrize("text", BAD, ids=range(len(BAD)))
def test_bad_input_is_left_or_shortened(text: str, strength: Strength) -> None:
    """Broken diffs neither raise nor lose changed lines."""
    result = rewrite(text, "anything", strength)
    if result is not None:
        assert [x.rstrip("\r") for x in changed(result.text)] == [x.rstrip("\r") for x in changed(text)]


@given(
    st.lists(
        st.sampled_from(
            [*DIFF.split("\n"), *LOCK.split("\n"), *COMBINED.split("\n"), "--- x", "+++ y", "\\ No newline", "\r"]
        )
    )
)
def test_any_mix_of_diff_lines_decodes(lines: list[str]) -> None:
    """Whatever order diff lines come in, the lossless form decodes to the same bytes and is a fixed point."""
    text = "\n".join(lines)
    short = encode(text)
    if short is not None:
        assert decode(short) == text
        assert encode(short) is None
