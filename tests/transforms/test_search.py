"""Search results: nothing is lost by grouping, and the hits that answer stay with path and line number."""

from __future__ import annotations

import random
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headroom_core.kinds import detect
from headroom_core.tokens.text import estimate
from headroom_core.transforms._search.grouped import group
from headroom_core.transforms._search.hits import read
from headroom_core.transforms.search import Search, ungroup
from headroom_core.types import Context, Part, Rewrite, Strength, Text
from tests.timing import cpu_seconds


def run(text: str, query: str | None = None, strength: Strength = "lossy", **options: float) -> Rewrite | None:
    part = Part((0, 0), "search", Text(text), estimate(text))
    return Search()(part, Context(estimate, query=query, strength=strength, **options))  # type: ignore[arg-type]


def many(seed: int = 1, separator: str = "/") -> list[str]:
    r = random.Random(seed)
    return [
        f"src{separator}pkg{p}{separator}module_{m}.py:{r.randint(1, 900)}:    result = client.fetch_user(user_id={r.randint(1, 999)})"
        for p in range(6)
        for m in range(8)
        for _ in range(r.randint(2, 9))
    ]


NEEDLE = "src/pkg4/legacy.py:77:    # TODO(security): fetch_user bypasses tenant check here"


@pytest.mark.parametrize(
    "text",
    [
        "a/b.py:1:x = 1\na/b.py:2:y\nc.py:3:z",
        "a/b.py:1:x = 1\na/b.py-2-y\n--\na/b.py:9:def f():\na/b.py-10-    return 1\n",
        "a/b.py:1:5:x = 1\na/b.py:1:9:y\na/b.py:2:7:z\n",
        "C:\\src\\a.py:1:x\nC:\\src\\a.py:22:y\nC:\\src\\a.py:33:zz",
        "HEAD:src/a.py:1:x\nHEAD:src/a.py:22:y\nHEAD:src/a.py:33:zz",
        "src/a-1-b.py:1:x\nsrc/a-1-b.py-2-y\nsrc/a-1-b.py-3-y",
        "src/a.py:1:x\r\nsrc/a.py:2:y\r\nsrc/a.py:3:y\r\n",
        "src/a.py:def f():\nsrc/a.py:    f()\nsrc/a.py:    f(2)\nsrc/b.py:import a\n",
        "src/a.py:1:x\nsrc/a.py:2:y\nsrc/a.py:3:zzzz\nBinary file src/x.bin matches\n| odd\n",
        "src/a.py:1:\udc80\x00\nsrc/a.py:2:😀\nsrc/a.py:3:[left out: 3 of 4 hits]",
        "src/a.py=1=def f():\nsrc/a.py:2:    x\nsrc/a.py:4:    x\n",
    ],
)
def test_grouping_by_file_gives_the_bytes_back(text: str) -> None:
    """Every layout of grep and ripgrep comes back byte for byte, and the grouped form is shorter."""
    grouped = group(text)
    assert grouped is not None
    assert len(grouped) < len(text)
    assert ungroup(grouped) == text


@pytest.mark.parametrize("text", ["1:x\n2:y", "12:a.py:3:x\n12:a.py:4:x\n12:a.py:5:x", ":a\n:b", "", "\n", "--\n--"])
def test_what_could_not_come_back_is_left(text: str) -> None:
    """A text whose grouped form would be ambiguous is not grouped."""
    grouped = group(text)
    assert grouped is None or ungroup(grouped) == text


line = st.builds(
    lambda path, mark, number, text: f"{path}{mark}{number}{mark}{text}",
    st.sampled_from(["a.py", "src/b.py", "src/b-2-c.py", "x y.md", "| p.py", "12-a.py", ":odd", "C:\\w\\a.c"]),
    st.sampled_from([":", "-", "="]),
    st.integers(0, 10_000),
    st.text(st.characters(blacklist_characters="\n"), max_size=20),
)
other = st.sampled_from(["--", "", "| x", "plain", ":", "-", "7:x", "a.py", "a.py:", "--\r", "Binary file a matches"])


@given(st.lists(line | other, max_size=30).map("\n".join))
def test_grouping_is_exact_or_refused(text: str) -> None:
    """Whatever lines come, a grouped form decodes to the same bytes, and grouping it again changes nothing."""
    grouped = group(text)
    if grouped is not None:
        assert ungroup(grouped) == text
        again = run(grouped, strength="lossless")
        assert again is None or again.text == grouped


def test_lossless_is_a_fixed_point() -> None:
    """The transform's own lossless output is left as it is."""
    first = run("\n".join(many()), strength="lossless")
    assert first is not None
    assert first.left_out is None
    assert run(first.text, strength="lossless") is None


@pytest.mark.parametrize(
    "query", ["Where is the tenant check bypassed?", "tenant bypassing", "who skips? bypasses tenants"]
)
def test_the_asked_hit_stays_with_its_place(query: str) -> None:
    """Inflected words of the question find the hit; its path and number stand on its line."""
    lines = many()
    lines.insert(120, NEEDLE)
    out = run("\n".join(lines), query)
    assert out is not None
    assert out.left_out is not None
    assert re.search(r"legacy\.py:77:.*bypasses tenant check", out.text)
    assert estimate(out.text) < 0.1 * estimate("\n".join(lines))


def test_an_unlike_hit_stays_without_a_question() -> None:
    """Among hits that differ in digits only, the other one is kept even when nothing asks for it."""
    lines = many()
    lines.insert(40, "src/pkg1/x.py:5:raise SystemExit(message)")
    for query in (None, "What about module_3?"):
        out = run("\n".join(lines), query)
        assert out is not None
        assert "src/pkg1/x.py:5:raise SystemExit(message)" in out.text


def test_names_in_camel_case_are_found_by_their_words() -> None:
    """A question in plain words finds identifiers in camelCase and snake_case."""
    lines = [f"web/a{i}.ts:{i}:  const value{i} = render(page, {i});" for i in range(60)]
    lines[30] = "web/guard.ts:9:  const token = refreshSessionToken(user);"
    out = run("\n".join(lines), "Where do we refresh the session?")
    assert out is not None
    assert "web/guard.ts:9:" in out.text


def test_the_rest_is_counted_per_file() -> None:
    """The line about the rest counts hits by file, is one line, and stays short for any number of files."""
    lines = [f"some/long/folder/name/file_{i}.py:{k}:x = value{i * 7 % 5} + {k}" for i in range(400) for k in range(3)]
    out = run("\n".join(lines), "zebra")
    assert out is not None
    assert out.left_out is not None
    assert "more files" in out.left_out
    assert "\n" not in out.left_out
    assert len(out.left_out) < 400
    kept = len(re.findall(r":?\d+:", out.text))
    assert int(out.left_out.split()[0]) + kept == 1200


def test_left_out_holds_no_brackets() -> None:
    """Paths like app/[id]/page.tsx cannot break the marker's brackets."""
    lines = [f"app/[id]/page{i}.tsx:{i}:const a = {i}" for i in range(80)]
    out = run("\n".join(lines), "nothing of this")
    assert out is not None
    assert out.left_out is not None
    assert "[" not in out.left_out
    assert "]" not in out.left_out


def test_headed_style_is_read() -> None:
    """ripgrep's terminal style: the kept hit stands under its path."""
    text = "\n\n".join(f"src/m{i}.py\n" + "\n".join(f"{k}:    call({k})" for k in range(1, 9)) for i in range(30))
    text += "\n\nsrc/z.py\n12:    # tenants are not checked"
    out = run(text, "Are tenants checked?")
    assert out is not None
    assert "src/z.py:12:    # tenants are not checked" in out.text


def test_context_of_the_best_hit_stays() -> None:
    """With grep -C the lines around the best hit are kept with it."""
    blocks = [f"a/f{i}.py-{9}-before {i}\na/f{i}.py:{10}:hit {i}\na/f{i}.py-{11}-after {i}" for i in range(60)]
    blocks[33] = "a/f33.py-9-before thirty\na/f33.py:10:the quokka is fed\na/f33.py-11-after thirty"
    out = run("\n--\n".join(blocks), "Where is the quokka fed?")
    assert out is not None
    assert "a/f33.py\n9-before thirty\n10:the quokka is fed\n11-after thirty" in out.text


def test_a_long_hit_is_cut_around_the_words() -> None:
    """A minified line keeps the words that were asked for."""
    lines = many()
    lines[5] = "dist/app.min.js:1:" + "var a=1;" * 4000 + "quokkaFeeder();" + "var b=2;" * 4000
    out = run("\n".join(lines), "quokkaFeeder")
    assert out is not None
    assert "quokkaFeeder" in out.text
    assert len(out.text) < 3000


def test_target_ratio_is_honoured() -> None:
    """More or fewer hits stay as the caller asks."""
    text = "\n".join(
        f"src/f{i % 20}.py:{i}:tenant {chr(97 + i % 26) * 3} check {chr(97 + i // 26) * 4}" for i in range(400)
    )
    sizes = [
        estimate(rewrite.text)
        for ratio in (0.05, 0.2, 0.5)
        if (rewrite := run(text, "tenant check", target_ratio=ratio))
    ]
    assert sizes == sorted(sizes)
    assert len(sizes) == 3
    total = estimate(text)
    for size, ratio in zip(sizes, (0.05, 0.2, 0.5), strict=True):
        assert size <= ratio * total


def test_web_hits_keep_the_answering_snippet() -> None:
    """Blocks of title, address and snippet: the asked one whole, others by title and address."""
    filler = "It talks about gardens and rivers and how they are kept in order over the years. " * 4
    blocks = [f"{i}. Page number {i}\n   URL: https://site{i}.example/p/{i}\n   {filler}" for i in range(1, 21)]
    blocks[12] = f"13. Zoo news\n   URL: https://zoo.example/q\n   The quokka is fed at noon. {filler}"
    out = run("\n\n".join(blocks), "When is the quokka fed?")
    assert out is not None
    assert out.left_out is not None
    assert "The quokka is fed at noon." in out.text
    assert "https://zoo.example/q" in out.text
    assert "https://site1.example/p/1" in out.text
    assert len(out.text) < 0.5 * len("\n\n".join(blocks))


@pytest.mark.parametrize(
    "text",
    ["", "\n", "x", "a:1:" + "b" * 2_000_000, "\x00\xff:1:\x00" * 5000, "\ud800.py:1:\udfff\n" * 300, ":::\n" * 3000, "a" * 500_000,
     "a-1-" * 100_000, "a:" * 200_000, ("a" * 300 + "/") * 2000, "http://a\n" * 5000, "-" * 300_000, "1:\n" * 9000],
)  # fmt: skip
def test_bad_input_neither_crashes_nor_hangs(text: str) -> None:
    """Empty, binary, lone surrogates, one huge line, pathological repeats: an answer within bounded time."""
    start = time.process_time()
    for strength in ("lossy", "lossless"):
        run(text, "Where is a:1 the b?", strength)
    assert time.process_time() - start < 8


def test_cost_grows_with_the_length() -> None:
    """Ten times as many hits take about ten times as long, not a hundred times."""

    def seconds(lines: int) -> float:
        text = "\n".join(f"src/f{i % 97}.py:{i}:    value = fetch_user(tenant, {i})" for i in range(lines))
        return cpu_seconds(lambda: run(text, "Where is the tenant fetched?"))

    assert seconds(20_000) < 40 * seconds(2_000)


def test_styles_are_told_apart() -> None:
    """Numbered, plain and headed results are read as such; other text is none of them."""
    assert read("a.py:1:x\na.py:2:y").style == "numbered"  # type: ignore[union-attr]
    assert read("a/b.py:x\na/c.py:y").style == "plain"  # type: ignore[union-attr]
    assert read("a/b.py\n1:x\n2:y").style == "headed"  # type: ignore[union-attr]
    assert read("One sentence.\nAnother sentence.") is None


def test_coloured_hits_are_read() -> None:
    """grep --color=always: colours do not hide the paths; the kept hits stand without them."""
    lines = [
        f"\x1b[35m\x1b[Ksrc/m{i}.py\x1b[m\x1b[K\x1b[36m\x1b[K:\x1b[m\x1b[K\x1b[32m\x1b[K{i + 3}\x1b[m\x1b[K\x1b[36m\x1b[K:\x1b[m\x1b[K    call({i})"
        for i in range(80)
    ]
    lines[33] = lines[33].replace("call(33)", "feed(quokka)")
    text = "\n".join(lines)
    assert detect(text).kind == "search"
    out = run(text, "Who feeds the quokka?")
    assert out is not None
    assert "src/m33.py:36:    feed(quokka)" in out.text
    assert run(text, strength="lossless") is None
