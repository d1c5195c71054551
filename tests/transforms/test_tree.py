"""Listings: asked names stay with their path, the rest is counted by folder, and the short form loses nothing."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headroom_core.evals import trees
from headroom_core.tokens.text import estimate
from headroom_core.transforms._tree.entries import read
from headroom_core.transforms._tree.shorten import expand, shorten
from headroom_core.transforms.tree import Tree, ending
from headroom_core.types import Context, Part, Rewrite, Strength, Text

FIND = "\n".join(f"./src/pkg{p}/module_{m}.py" for p in range(12) for m in range(12)) + "\n./docs/deploy_guide.md\n"
LS = (
    "\n\n".join([".:\nsrc", *(f"./src/pkg{p}:\n" + "\n".join(f"module_{m}.py" for m in range(12)) for p in range(12))])
    + "\n"
)
DRAWN = ".\n├── docs\n│   ├── a.md\n│   └── deep\n│       └── b.md\n└── src\n    ├── c.py\n    └── d.py\n\n3 directories, 4 files\n"


def run(text: str, query: str | None = None, strength: Strength = "lossy") -> Rewrite | None:
    return Tree()(Part((0, 0), "tree", Text(text), estimate(text)), Context(estimate, query=query, strength=strength))


@pytest.mark.parametrize(
    "text",
    [FIND, LS, DRAWN, DRAWN.replace("│   ", "│\u00a0\u00a0 "), DRAWN.replace("├── ", "|-- ").replace("└── ", "`-- ").replace("│", "|"),
     FIND.replace("/", "\\"), FIND.rstrip("\n"), "a/b\na/c d\na/e\na/f\na/g\na/h", LS.rstrip("\n")],
)  # fmt: skip
def test_the_short_form_gives_the_bytes_back(text: str) -> None:
    """find, ls -R and tree in each style are written shorter and come back byte for byte."""
    short = shorten(text)
    assert short is not None
    assert estimate(short) < estimate(text)
    assert expand(short) == text
    again = run(short, strength="lossless")
    assert again is None or again.text == short


piece = st.sampled_from(
    [
        "├── ",
        "└── ",
        "│   ",
        "    ",
        "a",
        "b.py",
        "/",
        "./x",
        ":",
        "\n",
        "\n\n",
        " ",
        "{",
        "}",
        "tree ├──",
        "|-- ",
        "`-- ",
        "\\",
        "\r",
    ]
)


@given(st.lists(piece, max_size=60).map("".join))
def test_the_short_form_is_exact_or_refused(text: str) -> None:
    """Whatever is drawn, a short form decodes to the same bytes and is its own short form."""
    short = shorten(text)
    if short is not None:
        assert expand(short) == text
        assert shorten(short) in (None, short)


@pytest.mark.parametrize("text", [FIND, LS.replace("module_3.py", "deploy_guide.md", 1)])
def test_the_asked_name_stays_with_its_path(text: str) -> None:
    """A name that the query asks for stands in the result with its whole path; the rest is counted."""
    out = run(text, "Where is the guide for deploying?")
    assert out is not None
    assert out.left_out is not None
    assert "/deploy_guide.md" in out.text
    assert len(out.text) < 0.5 * len(text)


def test_folders_are_counted_by_ending() -> None:
    """Without a query each folder has a line with its counts, and they add up."""
    out = run(FIND)
    assert out is not None
    assert "./src/pkg3/: 12 .py" in out.text


def test_long_listings_keep_the_line() -> None:
    """From ls -l the asked entry keeps mode, size and date."""
    text = "total 400\n" + "\n".join(
        f"-rw-r--r-- 1 root root {i * 37:6d} Nov 20 19:04 report_{i}.csv" for i in range(80)
    )
    text += "\n-rwxr-xr-x 1 root root  99999 Nov 21 08:00 migrate.sh\n"
    out = run(text, "How large is the migration script?")
    assert out is not None
    assert "-rwxr-xr-x 1 root root  99999 Nov 21 08:00 migrate.sh" in out.text


def test_drawn_trees_are_read_with_folders() -> None:
    """The folder of a drawn entry is the path of the entries above it."""
    assert [entry.path for entry in read(DRAWN)] == [
        "./docs",
        "./docs/a.md",
        "./docs/deep",
        "./docs/deep/b.md",
        "./src",
        "./src/c.py",
        "./src/d.py",
    ]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.py", ".py"), ("x.tar.gz", ".tar.gz"), (".gitignore", "other"), ("Makefile", "other"), ("v1.2", "other")],
)
def test_endings(name: str, expected: str) -> None:
    """Hidden files and version numbers have no ending."""
    assert ending(name) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "x",
        "/" * 400_000,
        "a/\n" * 50_000,
        "│   " * 100_000,
        "├── a\n" * 30_000,
        "\udc80/a\n" * 100,
        ":\n\n" * 50_000,
    ],
)
def test_bad_input_neither_crashes_nor_hangs(text: str) -> None:
    """Empty, huge and odd listings: an answer within bounded time."""
    start = time.process_time()
    run(text, "a")
    run(text, strength="lossless")
    assert time.process_time() - start < 8


def test_the_asked_file_stays_whatever_tool_printed_the_listing() -> None:
    """Files of this library, asked for by name or by the words of the name: nearly all stay, with their folder."""
    folder = Path(trees.__file__).parents[1]  # our own package: at hand wherever the tests run
    found = []
    for source, text in trees.listings(folder):
        entries = read(text)
        for case in trees.ask(random.Random(source), source, text, entries):
            rewrite = run(text, case.query)
            found.append(trees.told(text if rewrite is None else rewrite.text, case.entry))
    assert len(found) >= 10
    assert sum(found) >= 0.9 * len(found)
