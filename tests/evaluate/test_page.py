"""The page in a real browser: no error, nothing loaded, every row there, nothing of the user's becomes markup."""

from __future__ import annotations

import html.parser
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from headroom_core.evaluate import Conversation, Graded, Report, evaluate
from headroom_core.evaluate.page import page
from headroom_core.evaluate.views import plain

from . import make_samples

EVIL = "</pre><script>console.error('owned')</script><img src=x onerror=console.error('owned')>\"'&\x00\x1b[31m\u202eABC-77-evil"
_FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage --virtual-time-budget=2000 --enable-logging=stderr"
)


def _talk() -> Conversation:
    messages = [dict(raw) for raw in make_samples.openai(1)]
    messages[3]["content"] = messages[3]["content"].replace("cust_", f"{EVIL[:60]}cust_".replace('"', "'"), 1)
    messages[-1]["content"] += " See ABC-77-evil."
    messages.insert(1, {"role": "tool", "name": EVIL, "content": f"{EVIL} " * 60})
    return Conversation(EVIL, "openai", tuple(messages))


@pytest.fixture
def report() -> Report:
    live = Graded(EVIL, EVIL, EVIL, EVIL, EVIL, True, False, 1, 2, 3)
    made = evaluate([_talk(), *evaluate_samples()])
    return Report(made.measured, made.prices, made.settings, (live,))


def evaluate_samples() -> list[Conversation]:
    from headroom_core.evaluate.read import read_traffic

    return read_traffic(make_samples.FOLDER / "documents.jsonl")


class _Tags(html.parser.HTMLParser):
    """Every tag with its attributes; fails on one that is not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "link"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_no_script_and_nothing_to_load(report: Report) -> None:
    """Tags nest; there is no script, no handler, no address; the policy forbids loading anything."""
    made = page(report)
    parser = _Tags()
    parser.feed(made)
    assert parser.open == []
    names = {tag for tag, _ in parser.tags}
    assert not names & {"script", "img", "iframe", "object", "form", "base", "a:href"}
    for tag, attributes in parser.tags:
        assert not any(name.startswith("on") for name in attributes)
        assert attributes.get("href", "#")[:1] in ("#", "d"), tag
    assert "default-src 'none'" in made
    assert not re.search(r"url\(|@import|https?://", made)


def test_the_page_says_the_same_twice(report: Report) -> None:
    """Two evaluations of the same traffic are the same bytes."""
    assert page(evaluate([_talk()])) == page(evaluate([_talk()]))


def test_hidden_characters_are_shown(report: Report) -> None:
    """Control characters and those that turn the direction of writing stand as their code points."""
    assert plain("a\x00\x1b\u202e\ud800b\tc") == "a‹0000›‹001B›‹202E›‹D800›b\tc"
    made = page(report)
    assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", made)
    made.encode("utf-8")


def test_without_contents_no_text_of_the_user(report: Report) -> None:
    """Numbers alone: neither a text nor a value nor an answer."""
    made = page(report, contents=False)
    row = make_samples.orders(1)[make_samples.CLEAN]
    assert row["tracking"] in page(report)
    assert row["tracking"] not in made
    assert "<pre" not in made


def test_json_on_one_line_is_laid_out() -> None:
    """A long line of JSON is shown in lines, with what went marked and what was missed highlighted."""
    import json

    messages = make_samples.openai(1)
    messages[3] = messages[3] | {"content": json.dumps(make_samples.orders(1))}
    made = page(evaluate([Conversation("one", "openai", tuple(messages))]))
    row = make_samples.orders(1)[make_samples.CLEAN]
    assert f"<mark>{row['tracking']}</mark>" in made
    assert "of them gone at least in part" in made
    assert '<span class="stays">' in made or '<span class="gone">' in made


def test_an_empty_evaluation_is_a_page_too() -> None:
    """One message, no tool output: the page says that nothing changed."""
    made = page(evaluate([Conversation("one", "openai", ({"role": "user", "content": "Hi"},))]))
    assert "No output changed." in made


def test_in_a_browser(report: Report, tmp_path: Path) -> None:
    """Chromium parses the page without a console message, runs nothing of the user's, and has every row."""
    browser = next(
        (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
    )
    if browser is None:
        assert not os.environ.get("CI"), "chromium is missing: the page was not opened in a browser"
        pytest.skip("chromium is missing: THE PAGE WAS NOT OPENED IN A BROWSER")
    file = tmp_path / "page.html"
    file.write_text(page(report), encoding="utf-8")
    command = [browser, *_FLAGS.split(), f"--user-data-dir={tmp_path / 'profile'}"]
    done = subprocess.run([*command, "--dump-dom", file.as_uri()], capture_output=True, text=True, timeout=240)
    dom = done.stdout
    assert "CONSOLE" not in done.stderr, done.stderr
    assert dom.count("<details") == len(report.worst[:20])
    assert dom.count("<svg") == 3
    assert dom.count("<figure>") == 3
    for row in (*report.by_kind, *report.by_tool):
        if row.name != EVIL:
            assert f'<th scope="row">{row.name}</th><td>{row.outputs:,}</td>' in dom
    assert "owned')&lt;/script&gt;" in dom
    assert "<script" not in dom
    loud = tmp_path / "loud.html"
    loud.write_text("<script>console.error('heard')</script>")
    control = subprocess.run([*command, "--dump-dom", loud.as_uri()], capture_output=True, text=True, timeout=240)
    assert "CONSOLE" in control.stderr, "the browser's console is not heard, so the check above says nothing"
    shot = tmp_path / "page.png"
    subprocess.run(
        [*command, f"--screenshot={shot}", "--window-size=1280,1600", file.as_uri()], capture_output=True, timeout=240
    )
    assert shot.stat().st_size > 40_000


def _contrast(a: str, b: str) -> float:
    """The contrast ratio of two colours (WCAG 2.2)."""

    def luminance(colour: str) -> float:
        full = colour if len(colour) == 7 else "#" + "".join(2 * c for c in colour[1:])
        parts = [int(full[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


def test_colours_can_be_told_apart_in_light_and_dark() -> None:
    """Text has a contrast of 4.5 to what it stands on, bars have 3, in both colour schemes."""
    from importlib.resources import files

    style = files("headroom_core.evaluate").joinpath("page.css").read_text(encoding="utf-8")
    themes = [dict(re.findall(r"--(\w+):(#\w+)", block)) for block in re.findall(r":root\{(.*?)\}", style)]
    assert len(themes) == 2
    texts = [("ink", "bg"), ("ink", "card"), ("soft", "bg"), ("soft", "card"), ("soft", "code"), ("good", "card"), ("bad", "badbg"),
             ("warn", "warnbg"), ("good", "goodbg"), ("ink", "goes"), ("ink", "mark"), ("bad", "card")]  # fmt: skip
    for colours in themes:
        for text, ground in texts:
            assert _contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
        for bar in ("before", "after", "cached", "written", "uncached", "output"):
            assert _contrast(colours[bar], colours["card"]) >= 3, bar
