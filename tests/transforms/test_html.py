"""Pages: what a reader sees stays, as Markdown; scripts, styles and chrome go."""

from __future__ import annotations

import time

import pytest

from headroom_core.transforms._html.markdown import markdown
from headroom_core.transforms._html.tree import read
from headroom_core.transforms.html import Html
from headroom_core.types import Context, Part, Rewrite, Strength, Text

PAGE = """<!DOCTYPE html>
<html><head><title>Pumps &amp; valves</title><style>body { color: red }</style>
<script>var tracking = "<p>not text</p>";</script></head>
<body>
<nav><ul><li><a href="/a">Home</a></li><li><a href="/b">Shop</a></li></ul></nav>
<div class="cookie-banner">We use cookies to improve your experience. <button>Accept</button></div>
<main>
<h1>Pumps</h1>
<p>The <b>small</b> pump lifts water by
 <a href="https://example.org/lift?x=1&amp;y=2">four metres</a>.<br>It needs no oil.
<p>A second paragraph, never closed.
<table><tr><th>Model<th>Price</tr><tr><td>P1<td>12 EUR</tr><tr><td>P|2</td><td>19 EUR</td></tr></table>
<ol><li>Open the valve<li>Press <code>start</code></ol>
<pre>pump --start
  --fast</pre>
<img src="x.png" alt="A pump">
<div style="display:none">secret hint</div>
</main>
<aside>Related: <a href="/c">Filters</a></aside>
<footer>Call us: +49 30 901820. <a href="/imprint">Imprint</a></footer>
</body></html>
"""


def rewrite(text: str, query: str | None = None, strength: Strength = "lossy") -> Rewrite | None:
    return Html()(Part((0, 0), "html", Text(text), len(text) // 4), Context(count=len, query=query, strength=strength))


def shown(text: str, query: str | None = None) -> str:
    result = rewrite(text, query)
    assert result is not None
    return result.text


def test_the_main_part_becomes_markdown() -> None:
    """Headings, emphasis, links, tables, lists and code keep their form."""
    assert shown(PAGE) == "\n".join(
        [
            "Pumps & valves", "", "# Pumps", "",
            "The **small** pump lifts water by [four metres](https://example.org/lift?x=1&y=2).", "It needs no oil.", "",
            "A second paragraph, never closed.", "",
            "| Model | Price |", "|---|---|", "| P1 | 12 EUR |", "| P\\|2 | 19 EUR |", "",
            "1. Open the valve", "2. Press `start`", "", "```", "pump --start", "  --fast", "```", "", "![A pump](x.png)",
        ]
    )  # fmt: skip


def test_chrome_is_gone_and_told() -> None:
    """Scripts, styles, banners and navigation are named in the closing line, not shown."""
    result = rewrite(PAGE)
    assert result is not None
    for gone in ("cookies", "tracking", "color", "Home", "secret hint", "Imprint"):
        assert gone not in result.text
    assert "1 script" in str(result.left_out)
    assert "1 style" in str(result.left_out)


def test_chrome_that_answers_the_query_stays() -> None:
    """A footer that holds what is asked for is shown."""
    assert "+49 30 901820" in shown(PAGE, "What number do I call?") or "+49 30 901820" in shown(
        PAGE, "Whom to call, `+49`?"
    )
    assert "Related" in shown(PAGE, "Which `Filters` are related?")


def test_pages_without_a_main_part_lose_link_lists_only() -> None:
    """Without main or article, text stays and long lists of links go."""
    links = "".join(f'<li><a href="/p{i}">Page number {i}</a></li>' for i in range(30))
    page = f"<html><body><ul>{links}</ul>" + "<p>Plain text that matters to the reader.</p>" * 40 + "</body></html>"
    text = shown(page)
    assert text.count("Plain text that matters") == 40
    assert "Page number 3" not in text


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<p>a < b and c > d", "a < b and c > d"),
        ('<a href="/x" title="a > b">t</a>', "[t](/x)"),
        ("<p>one<p>two</div></p>", "one\n\ntwo"),
        ("<ul><li>a<ul><li>b</ul><li>c</ul>", "- a\n  - b\n- c"),
        ("<!-- <p>no --><p>yes", "yes"),
        ("<script>if (a</script><p>yes", "yes"),
        ("<p>never<scr", "never<scr"),
    ],
)
def test_sloppy_markup_is_forgiven(markup: str, text: str) -> None:
    """Unclosed and misplaced tags give what a browser would show."""
    assert markdown(read(markup).root) == text


BAD = ["", "<", "<" * 300_000, "<a " * 200_000, "<!--" * 200_000, "<div>" * 100_000, "<script>" * 50_000, '<a href="' * 100_000,
       "<p>\x00\ud800</p>" * 100, PAGE[:300], "<table><tr><td>" * 20_000, "</div>" * 100_000, "&" * 300_000,
       "<div " + "a" * 1_000_000 + "></div><p>x</p>"]  # fmt: skip


@pytest.mark.parametrize("text", BAD, ids=range(len(BAD)))
def test_bad_input_takes_bounded_time(text: str) -> None:
    """Broken and deep pages neither raise nor hang."""
    start = time.process_time()
    rewrite("<html><body>" + text, "anything else")
    assert time.process_time() - start < 5


def test_a_page_of_megabytes_is_read_in_seconds() -> None:
    """Time grows with the page, not faster."""
    start = time.process_time()
    result = rewrite("<html><body><main>" + "<div class='x'><p>Some text <a href='/y'>link</a></p></div>\n" * 45_000)
    assert result is not None
    assert time.process_time() - start < 10


def test_lossless_and_other_texts_are_left() -> None:
    """Markdown is no lossless form, and text without markup is no page."""
    assert rewrite(PAGE, strength="lossless") is None
    assert rewrite("a < b, b > c\n" * 100) is None
