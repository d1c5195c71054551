"""Whatever reaches a transform: no exception, nothing dearer, every original comes back. By Hypothesis and by atheris."""

from __future__ import annotations

import random
import re
import struct
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from headroom_core.ccr.memory import MemoryBlobs
from headroom_core.ccr.originals import Originals
from headroom_core.errors import TransformError
from headroom_core.image.codec import Unusable, decode
from headroom_core.image.decision import Technique
from headroom_core.image.plan import Planner
from headroom_core.pipeline import Compressor
from headroom_core.transforms import transform_for
from headroom_core.transforms.picture import Picture
from headroom_core.types import Bytes, Context, Image, Message, Part, Rewrite, Text
from tests.image.pictures import PAGE, SCENE, FakeRouter, picture_bytes, reader
from tests.timing import cpu_seconds

from .test_attacks import FORGED, TEXT_KINDS

PIECES = st.sampled_from(
    [
        "{", "}", "[", "]", '"', "\\", ":", ",", "\n", "\r\n", "\t", " ", "<", ">", "/", "-", "+", "@@", "│", "├──", "|",
        "null", "1e999", "NaN", "-0", '"a":1', '{"a":[1,2]}', "ERROR", "Traceback (most recent call last):", "src/a.py:3: x",
        "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n", "<table><tr><td>", "key = value", "def f(x):\n    return x\n",
        "12:00:01 INFO x=1", "a,b,c", "\x1b[31m", "\ud83d", "\u2028", "\0", "中", FORGED, "%s", "$(x)", "A" * 300, "==", "#",
    ]
)  # fmt: skip
FUZZED = st.one_of(
    st.lists(PIECES, max_size=120).map("".join),
    st.tuples(st.lists(PIECES, min_size=1, max_size=6).map("".join), st.integers(2, 200)).map(lambda p: p[0] * p[1]),
    st.text(st.characters(exclude_categories=()), max_size=300),
)
WORDS = st.sampled_from(
    "the order failed because a gateway of Lenvik timed out. It was 2026, e.g. 3,5 % (too late)! ".split()
)
PROSE = st.lists(st.one_of(WORDS, WORDS, PIECES), min_size=110, max_size=260).map(" ".join)
FENCED = st.tuples(
    st.sampled_from(["```", "~~~", "````"]), st.sampled_from(["", "json", "python", "diff", "zzz"]), FUZZED
)
MIXED = st.lists(
    st.one_of(
        st.lists(PIECES, max_size=40).map("".join),
        st.lists(WORDS, max_size=40).map(" ".join),
        FENCED.map(lambda f: f"\n{f[0]}{f[1]}\n{f[2] * 3}\n{f[0]}\n"),
    ),
    min_size=1,
    max_size=5,
).map("\n".join)
TEXTS = {"prose": st.one_of(FUZZED, FUZZED, FUZZED, PROSE), "mixed": st.one_of(FUZZED, MIXED)}
"""What a kind is given: mostly small texts for prose, where a model reads all that is long enough."""


def fuzz(kind: str, examples: int, **options: Any) -> None:
    """Texts as ``kind``; for ``mixed`` detection says what each is."""
    store = Originals(MemoryBlobs(max_bytes=None), key=b"k" * 32)
    common = {"originals": store, "retrievable": True, "namespace": "ns", "strict": True, "min_tokens": 0, **options}

    @settings(max_examples=examples, deadline=None)
    @given(TEXTS.get(kind, FUZZED), st.sampled_from([None, "a ERROR", "x=1"]), st.sampled_from([None, 0.3]))
    def check(text: str, query: str | None, ratio: float | None) -> None:
        made = Compressor(kind=None if kind == "mixed" else kind, target_ratio=ratio, **common)
        held = Message("tool", (Text(text),))
        outcome = made([held], query=query)
        assert outcome.compressed_tokens <= outcome.original_tokens
        assert outcome.changes or outcome.messages[0] is held
        for change in outcome.changes:
            if change.ref is not None:
                assert store.get(change.ref, namespace="ns").decode("utf-8", "surrogatepass") == text

    check()


@pytest.mark.parametrize("kind", [*TEXT_KINDS, "mixed"])
@pytest.mark.parametrize("examples", [25, pytest.param(10_000, marks=pytest.mark.full)])
def test_no_input_breaks_a_transform(kind: str, examples: int) -> None:
    """Whatever text reaches a transform as its kind: no exception, nothing dearer, every original comes back."""
    if kind != "mixed":
        try:
            transform_for(kind)  # type: ignore[arg-type]
        except ModuleNotFoundError:
            pytest.skip(f"nothing compresses {kind}")
    fuzz(kind, examples)


class _Weak:
    """A transform that cannot bear a NUL."""

    name = "weak"

    def __call__(self, part: Part, context: Context, /) -> Rewrite | None:
        part.text.index("\0")
        return None


def test_a_transform_that_breaks_is_found() -> None:
    """The fuzzing itself: a transform that raises on some inputs is caught within a few examples."""
    with pytest.raises(TransformError):
        fuzz("log", 25, transforms={"log": _Weak()})


# ------------------------------------------------------------------ pictures
FORMS = st.sampled_from(["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
MODES = st.sampled_from(["RGB", "L", "RGBA", "P", "1", "CMYK", "I;16", "LA"])
SIDES = st.sampled_from([1, 15, 16, 17, 41, 300, 640])


@lru_cache(512)
def encoded(width: int, height: int, form: str, mode: str) -> bytes:
    """A picture, in the nearest mode that its format can hold."""
    for one in (mode, "RGB"):
        try:
            return picture_bytes(width, height, form=form, mode=one)
        except (OSError, ValueError, KeyError):
            continue
    raise AssertionError(form)


def damaged(data: bytes, seed: int) -> bytes:
    """The same bytes with some of them changed, cut out or doubled."""
    chance = random.Random(seed)
    made = bytearray(data)
    for _ in range(chance.choice([0, 0, 1, 3, 20])):
        at = chance.randrange(len(made) or 1)
        how = chance.randrange(4)
        if how == 0:
            made[at : at + 1] = bytes([chance.randrange(256)])
        elif how == 1:
            del made[at : at + chance.choice([1, 4, 100, len(made)])]
        elif how == 2:
            made[at:at] = made[at : at + chance.choice([1, 50])]
        else:
            made[at : at + 4] = chance.choice([b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff", b"IDAT"])
    return bytes(made)


PICTURES = st.one_of(
    st.binary(max_size=200),
    st.builds(lambda w, h, form, mode, seed: damaged(encoded(w, h, form, mode), seed), SIDES, SIDES, FORMS, MODES, st.integers(0, 10**9)),
)  # fmt: skip
MIMES = st.sampled_from([None, "image/png", "image/jpeg", "image/*", "text/html", "IMAGE/PNG"])


@pytest.mark.parametrize("examples", [60, pytest.param(10_000, marks=pytest.mark.full)])
def test_no_picture_breaks_the_transform(examples: int) -> None:
    """Whole and damaged pictures of every format, whatever is decided about them: the same three promises."""
    store = Originals(MemoryBlobs(max_bytes=None), key=b"k" * 32)
    seen: set[str] = set()

    @settings(max_examples=examples, deadline=None)
    @given(
        PICTURES,
        MIMES,
        st.sampled_from(Technique),
        st.sampled_from([None, PAGE, SCENE]),
        st.sampled_from([None, "auto", "high", "low", "odd"]),
        st.sampled_from(["openai", "anthropic", "google", None]),
    )
    @example(picture_bytes(700, 900), "image/png", Technique.TRANSCODE, PAGE, "high", "openai")
    @example(picture_bytes(700, 900), "image/png", Technique.CROP, PAGE, "high", "openai")
    @example(picture_bytes(700, 900), "image/png", Technique.FULL_LOW, SCENE, "high", "openai")
    def check(data: bytes, mime: Any, technique: Any, signals: Any, detail: Any, provider: Any) -> None:
        picture = Picture(Planner(FakeRouter(technique, seen=signals), reader()))
        made = Compressor(
            originals=store, retrievable=True, namespace="ns", strict=True, min_tokens=0, provider=provider,
            transforms={"image": picture}, roles=("user",),
        )  # fmt: skip
        held = Message("user", (Text("What is the total?"), Image(Bytes(data), mime, detail)))
        outcome = made([held])
        assert outcome.compressed_tokens <= outcome.original_tokens
        assert outcome.changes or outcome.messages[0] is held
        for change in outcome.changes:
            assert change.ref is not None
            assert store.get(change.ref, namespace="ns") == data
            seen.add(str(change.rewrite.index["technique"]))

    check()
    assert len(seen) >= 2, seen


def pages(count: int) -> bytes:
    """A TIFF of empty pages, each of which names the next."""
    tags = [
        (256, 3, 32),
        (257, 3, 32),
        (258, 3, 8),
        (259, 3, 1),
        (262, 3, 1),
        (273, 4, 8),
        (278, 3, 32),
        (279, 4, 1024),
    ]
    page = struct.pack("<H", len(tags)) + b"".join(
        struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags
    )
    size = len(page) + 4
    ends = [8 + size * (number + 1) for number in range(count - 1)] + [0]
    return b"II*\0" + struct.pack("<I", 8) + b"".join(page + struct.pack("<I", end) for end in ends) + bytes(1024)


def test_a_bomb_of_frames_is_refused_at_once() -> None:
    """Thousands of frames or pages are not walked to be counted: one more than the first is enough to know."""
    bomb = pages(20_000)
    found = decode(bomb)
    assert isinstance(found, Unusable)
    assert "several pages" in found.reason
    assert cpu_seconds(lambda: decode(bomb)) < 0.1


# ------------------------------------------------------------------ atheris
@pytest.mark.parametrize("kind", [*TEXT_KINDS, "mixed", "image"])
@pytest.mark.parametrize("runs", [pytest.param(10_000, marks=pytest.mark.full)])
def test_coverage_finds_no_input_that_breaks_a_transform(kind: str, runs: int, tmp_path: Path) -> None:
    """atheris looks for new paths through a transform, detection, markers and retrieval; none raises."""
    pytest.importorskip("atheris")
    command = [
        sys.executable,
        "-m",
        "tests.ccr.fuzz",
        kind,
        f"-runs={runs}",
        "-max_len=4000",
        "-seed=9",
        "-rss_limit_mb=4000",
    ]
    done = subprocess.run(
        [*command, f"-artifact_prefix={tmp_path}/"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=7000,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    counted = re.search(r"Done (\d+) runs", done.stderr)
    assert counted is not None
    assert int(counted[1]) >= runs
