"""Single elements of pages: how each is written, and what counts as navigation."""

from __future__ import annotations

from headroom_core.transforms.html import Html
from headroom_core.types import Context, Part, Rewrite, Text

LONG = "".join(f"<p>Pier {i} has a depth of {i + 3} metres and is lit at night.</p>" for i in range(20))


def _run(page: str, query: str | None = None, **more: object) -> Rewrite:
    part = Part((0, 0), "html", Text(page), len(page) // 3)
    rewrite = Html()(part, Context(count=lambda t: len(t) // 3, query=query, **more))  # type: ignore[arg-type]
    assert rewrite is not None
    return rewrite


def _body(inside: str) -> str:
    return f"<html><body><main>{inside}{LONG}</main></body></html>"


def test_rules_quotes_and_line_ends() -> None:
    """A rule, a quotation of two paragraphs and a line end are written as Markdown has them."""
    text = _run(
        _body("<p>News</p><hr><blockquote><p>Mind the tide.</p><p>And the wind.</p></blockquote>one<br>two")
    ).text
    assert "\n---\n" in text
    assert "> Mind the tide.\n>\n> And the wind.\n" in text.replace("> \n", ">\n")
    assert "one\ntwo" in text


def test_links_that_lead_nowhere_are_text() -> None:
    """Fragments, scripts and data urls are no addresses; an address that is its own text stands in angles."""
    page = _body(
        '<p><a href="#top">Up</a> <a href="javascript:go()">Go</a> <a href="">Bare</a> '
        '<a href="https://example.org/a">https://example.org/a</a> <a href="/b">Tides</a></p>'
    )
    text = _run(page).text
    assert "Up Go Bare <https://example.org/a> [Tides](/b)" in text
    assert "javascript" not in text


def test_code_keeps_its_lines() -> None:
    """Preformatted text is fenced, its spaces and line ends kept, with tags inside gone."""
    text = _run(_body("<pre><span>def tide():</span>\n    return <b>7</b><br>tide()</pre>")).text
    assert "```\ndef tide():\n    return 7\ntide()\n```" in text


def test_lists_in_lists_and_empty_items() -> None:
    """An ordered list is numbered, an inner list is indented, an empty item is no line, text between items is ignored."""
    text = _run(_body("<ol>stray<li>first<ul><li>inner</li><li></li></ul></li><li>second</li></ol>")).text
    assert "1. first\n" in text
    assert "- inner" in text
    assert "2. second" in text
    assert "stray" not in text


def test_a_table_that_lays_out_a_page_becomes_its_content() -> None:
    """A table with another one in a cell is no data: the inner one is a table, the outer one text."""
    inner = "<table><tr><th>pier</th><th>depth</th></tr><tr><td>1</td><td>a | b</td></tr></table>"
    text = _run(_body(f"<table><tr><td>Left column</td><td>{inner}</td></tr></table>")).text
    assert "| pier | depth |\n|---|---|\n| 1 | a \\| b |" in text
    assert "| Left column" not in text
    assert "Left column" in text


def test_a_table_keeps_its_caption_and_fills_short_rows() -> None:
    """Caption above, missing cells empty, rows of empty cells gone; a table without rows is its text."""
    page = _body(
        "<table><caption>Fees</caption><thead><tr><th>boat</th><th>fee</th></tr></thead>"
        "<tbody><tr><td>ferry</td></tr><tr><td></td><td></td></tr></tbody></table><table>no rows here</table>"
    )
    text = _run(page).text
    assert "Fees\n| boat | fee |\n|---|---|\n| ferry |  |" in text
    assert "no rows here" in text


def test_headers_full_of_links_banners_and_articles() -> None:
    """On a page without a main part: a header of links and banners go, as told by their names; one article is the page."""
    links = "".join(f'<a href="/{i}">Link {i}</a> ' for i in range(12))
    page = (
        f"<html><body><header>{links}</header><div class='cookie-banner'>We use cookies, accept them all.</div>"
        f"<h1>Piers</h1>{LONG}<div class='related-posts'>You may like these.</div></body></html>"
    )
    rewrite = _run(page)
    assert "Link 3" not in rewrite.text
    assert "cookies" not in rewrite.text
    assert "You may like" not in rewrite.text
    assert "# Piers" in rewrite.text
    assert rewrite.left_out is not None
    assert "2 banners and sidebars" in rewrite.left_out
    article = f"<html><body><div>Subscribe today</div><article><h1>Piers</h1>{LONG}</article><div>Other news</div></body></html>"
    text = _run(article).text
    assert "# Piers" in text
    assert "Other news" not in text


def test_a_target_below_the_pages_text_goes_through_prose() -> None:
    """Where the Markdown is larger than asked for, the text is shortened, and the closing line says both."""

    def nested(text: str, *, kind: object = None, target_ratio: float | None = None) -> Rewrite | None:
        assert kind == "prose"
        assert target_ratio is not None
        return Rewrite.of(text[: int(len(text) * target_ratio)], "half of the words")

    page = _body("<h1>Piers</h1>")
    rewrite = _run(page, target_ratio=0.2, nested=nested)
    assert len(rewrite.text) < 0.3 * len(page)
    assert rewrite.left_out is not None
    assert rewrite.left_out.startswith("markup")
    assert rewrite.left_out.endswith("half of the words")
    plain = _run(page)
    assert _run(page, target_ratio=0.2).text == plain.text, "nobody shortens it further: the Markdown stays"
    assert _run(page, target_ratio=1.0, nested=nested).text == plain.text
