"""Lines that only wrap a sentence, and those that end one."""

from __future__ import annotations

import hashlib
import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headroom_core.language.sentences import sentences

PROSE = (
    "The harbour of Lenvik was built in 1891 by the engineer Ada Moen, who had come from Tromsø two years before. "
    "It has two piers; the longer one reaches 212 metres into the sound and carries a lamp of green glass. "
    "In winter the boats of the village lie behind it, since the wind from the north breaks on the stones of the mole. "
    "Dr. Lund, the last keeper of the lamp, wrote down every ship that passed between 1902 and 1931."
)


def _texts(text: str) -> list[str]:
    return [" ".join(text[s:e].split()) for s, e in sentences(text)]


@pytest.mark.parametrize("width", [45, 60, 72, 80, 110])
@pytest.mark.parametrize("end", ["\n", "\r\n", " \n  "])
def test_wrapped_prose_has_the_sentences_of_the_whole_lines(width: int, end: str):
    """Mails, terminals and PDF readers cut lines; the sentences are the same."""
    assert _texts(textwrap.fill(PROSE, width).replace("\n", end)) == _texts(PROSE)


def test_quoted_mails_go_on_behind_their_marks():
    """The marks of a quotation stand between the words, as white space does."""
    quoted = "\n".join(f"> {line}" for line in textwrap.wrap(PROSE, 70))
    assert [t.replace("> ", "") for t in _texts(quoted)] == _texts(PROSE)


def test_a_reply_below_a_quotation_is_no_part_of_it():
    """Where the marks end, another speaks."""
    quoted = "\n".join(f"> {line}" for line in textwrap.wrap(PROSE.removesuffix("."), 70))
    assert _texts(f"{quoted}\ni think that we should not do so")[-1] == "i think that we should not do so"


def test_paragraphs_and_headings_of_wrapped_prose_stay_apart():
    """A heading is no full line, and an empty line ends a sentence unless a small letter follows, as between two pages."""
    wrapped = textwrap.fill(PROSE, 70)
    assert _texts(f"The harbour\n{wrapped}\n\nThe lamp\n{wrapped}") == [
        "The harbour",
        *_texts(PROSE),
        "The lamp",
        *_texts(PROSE),
    ]
    first, second, *rest = wrapped.split("\n")
    assert second[0].islower()
    assert _texts("\n".join([first, "", second, *rest])) == _texts(PROSE)


def test_scraps_of_justified_lines_go_on():
    """Some PDF readers put each word of a stretched line on a line of its own, with the blank that followed it."""
    lines = textwrap.fill(PROSE, 70).split("\n")
    lines[2] = " \n".join(lines[2].split())
    assert _texts("\n".join(lines)) == _texts(PROSE)


@pytest.mark.parametrize(
    "line",
    [
        "- a bar of soap",
        "2. the second of two",
        "(b) the other one",
        "Moen: we sail at dawn",
        "speed: 12",
        "# Lamps",
        "| a | b |",
    ],
)
def test_items_turns_settings_and_rows_begin_a_unit(line: str):
    """What opens a line of its own does so below a full line of wrapped prose, too."""
    wrapped = textwrap.fill(PROSE, 70)
    full = "the keeper of the lamp of Lenvik wrote about all of the ships of the sound"
    assert line in _texts(f"{wrapped}\n{full}\n{line}")


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(
            f"2024-03-0{i} 12:00:0{i} INFO worker {i} has taken the job from the queue of the day" for i in range(1, 9)
        ),
        "\n".join(
            f"error: the file number {i * 7919} could not be opened by the worker{' at all' * (i % 4)}"
            for i in range(9)
        ),
        "apples from the garden of the house\nplums that were dried in the sun over all of the summer\nnuts of the south and figs\n"
        * 3,
        "\n".join(f"worker {i:03} has finished the job of the day and waits for {'abcdefgh'[i]}" for i in range(8)),
        "\n".join(f"{hashlib.sha256(bytes([i])).hexdigest()}  lib{i}.tar.gz" for i in range(12)),
        "\n".join(f"src/components/{name}/styles_of_the_page.tsx" for name in ("login", "admin", "home", "cart")),
        "Shall I compare thee to a summer's day?\nThou art more lovely and more temperate:\nRough winds do shake the darling buds of May,\n"
        "And summer's lease hath all too short a date;\nSometime too hot the eye of heaven shines,\nAnd often is his gold complexion dimm'd",
    ],
)
def test_lines_that_are_units_stay_units(text: str):
    """Logs, lists and verse are not wrapped prose."""
    assert len(sentences(text)) >= len(text.strip().split("\n"))


@given(st.text(alphabet="ab.A \n\t|-:1", max_size=600))
def test_units_cover_everything_but_white_space(text: str):
    """Spans rise, do not overlap, and what lies between them is white space."""
    at = 0
    for start, end in sentences(text):
        assert at <= start < end
        assert not text[at:start].strip()
        assert text[start:end].strip() == text[start:end]
        at = end
    assert not text[at:].strip()
