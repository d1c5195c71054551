"""Facts, what later turns used, bills with prompt caches, and the worst cases first."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headroom_core.errors import InvalidInput
from headroom_core.evaluate import Conversation, Prices, Report, evaluate
from headroom_core.evaluate.cost import Bill, bill
from headroom_core.evaluate.facts import CATEGORIES, Facts, kept, values

from . import make_samples


def _evaluate(messages: list[Any], **options: Any) -> Report:
    return evaluate([Conversation("one", "openai", tuple(messages))], **options)


@pytest.fixture(scope="module")
def report() -> Report:
    return _evaluate(make_samples.openai(1))


# ---------------------------------------------------------------- facts
@pytest.mark.parametrize(
    ("text", "value", "there"),
    [
        ("total 1,249.00 due", "1249", True),
        ("total 1249.0 due", "$1,249.00".lstrip("$"), True),
        ("3,117,40", "117", True),
        ("TRK89615772 went", "89615772", False),
        ("host 10.4.7.31:8443 down", "10.4.7.31:8443", True),
        ("host 10.4.7.310 down", "10.4.7.31", False),
        ("order ord-40371,", "ORD-40371", True),
        ("Amelia   Ahmed", "amelia ahmed", True),
        ("12 rows", "120", False),
    ],
)
def test_a_value_stands_between_boundaries(text: str, value: str, there: bool) -> None:
    """Numbers by value, all else as whole tokens without regard to case and spacing."""
    assert Facts(text).holds(value) is there


def test_facts_of_a_text() -> None:
    """Each category finds its own and leaves the others alone."""
    facts = Facts(
        "Maren Tolliver paid 1,249.00 for ORD-7 on 2026-05-03\n\nerror: gateway 7 refused the call; all else well"
    )
    assert list(facts.names.values()) == ["Maren Tolliver"]
    assert list(facts.numbers) == ["1249"]
    assert set(facts.identifiers.values()) == {"ORD-7", "2026-05-03"}
    assert list(facts.errors.values()) == ["error: gateway 7 refused the call"]


@settings(max_examples=50)
@given(st.text())
def test_a_text_keeps_all_of_itself(text: str) -> None:
    """Nothing counts as gone from a text that did not change."""
    facts = Facts(text)
    for category in CATEGORIES:
        assert not kept(facts, facts, category)[1]


def test_errors_are_compared_without_their_digits() -> None:
    """400 timeouts with running numbers are one error, kept where one of them stands."""
    before = Facts("\n".join(f"request {i} failed: timeout after {i} ms" for i in range(400)))
    assert kept(before, Facts("400x request 7 failed: timeout after 7 ms"), "errors")[1] == []
    assert len(kept(before, Facts("all fine"), "errors")[1]) == 1


def test_values_of_an_answer_and_of_arguments() -> None:
    """Arguments count as wholes, answers by their facts; plain words and single digits do not count."""
    found = list(values("It went to Maren Tolliver as ORD-7, item 3.", ["a whole phrase", "x"]))
    assert found == ["a whole phrase", "ORD-7", "Maren Tolliver"]


# ---------------------------------------------------------------- what later turns used
def test_a_value_that_went_is_called_back(report: Report) -> None:
    """The follow-up's order and tracking number left with the plain rows: they come first, and come back."""
    worst = report.worst[0]
    assert worst.tool == "query_orders"
    row = make_samples.orders(1)[make_samples.CLEAN]
    assert [use.value for use in worst.missing] == [row["order_id"], row["tracking"]]
    assert not worst.lost
    assert report.retrievals == 1
    assert report.total.visible == report.total.used - 2


def test_without_a_store_it_is_lost() -> None:
    """Lossy compression offers no way back: the same values count as lost, and no retrieval is billed."""
    lossy = _evaluate(make_samples.openai(1), strength="lossy")
    assert len(lossy.worst[0].lost) == 2
    assert lossy.retrievals == 0


def test_lossless_loses_nothing() -> None:
    """A lossless run keeps every fact of every category, and every used value is visible."""
    lossless = _evaluate(make_samples.openai(1), strength="lossless")
    assert lossless.total.changed
    assert all(kept == of for kept, of in lossless.total.facts.values())
    assert lossless.total.visible == lossless.total.used > 0


def test_what_the_user_said_is_no_use_of_an_output() -> None:
    """A value that stood in a user's message before does not count as taken from a tool output."""
    messages = make_samples.openai(1)
    row = make_samples.orders(1)[make_samples.CLEAN]
    messages[7] = {"role": "user", "content": f"Is {row['tracking']} of {row['order_id']} under way?"}
    assert not _evaluate(messages).worst[0].missing


def test_answers_of_documents() -> None:
    """An accepted answer and the evidence that stand in the documents must stand in what is left of them."""
    documents = evaluate(make_samples.FOLDER / "documents.jsonl")
    assert documents.total.used == 6
    assert documents.total.visible == 6
    gone = Conversation(
        "q",
        "documents",
        ({"role": "user", "content": "x"}, {"role": "tool", "content": "Nothing here."}),
        answers=("Paris",),
    )
    assert evaluate([gone]).total.used == 0


# ---------------------------------------------------------------- bills
def _segments(*names: str) -> list[tuple[str, int]]:
    return [(name, 1000) for name in names]


def test_a_growing_conversation_is_cached() -> None:
    """Each call reads what the call before sent and writes the rest."""
    made = bill([(_segments("a"), 10), (_segments("a", "b"), 10), (_segments("a", "b", "c"), 10)], minimum=1000)
    assert (made.calls, made.cached, made.written, made.uncached, made.output) == (3, 3000, 3000, 0, 30)


def test_a_changed_prefix_is_written_again() -> None:
    """Where an early message changes, everything after it is new to the cache."""
    made = bill([(_segments("a", "b"), 0), (_segments("x", "b", "c"), 0)], minimum=1000)
    assert (made.cached, made.written) == (0, 5000)


def test_short_prompts_are_not_cached() -> None:
    """Below the provider's minimum a prompt is plain input; so compression can fall out of the cache."""
    made = bill([(_segments("a"), 0), (_segments("a", "b"), 0)], minimum=2000)
    assert (made.cached, made.written, made.uncached) == (0, 2000, 1000)


def test_prices_apply_to_each_kind_apart() -> None:
    """Money is tokens times their own price; a negative price is refused."""
    made = Bill(1, cached=1_000_000, written=1_000_000, uncached=1_000_000, output=1_000_000)
    assert made.cost(Prices(1, 0.1, 1.25, 5)) == pytest.approx(7.35)
    with pytest.raises(InvalidInput, match="cached"):
        Prices(1, -1, 1, 1)


def test_the_recorded_side_is_billed_as_it_was(report: Report) -> None:
    """Without us: prompts grow by each message, nothing is inserted, and no prefix breaks on either side."""
    (one,) = report.measured
    assert one.prefix_breaks == 0
    sent = [without for without, _ in one.turns]
    assert sent == sorted(sent)
    assert one.without.sent == sum(sent)
    assert one.with_us.calls == one.without.calls + one.retrievals


def test_the_tool_definition_and_the_retrieval_stay_in_the_bill(report: Report) -> None:
    """Reversible runs carry the retrieve tool in every call, lossy ones do not; what was called back stays."""
    (one,) = report.measured
    (lossy,) = _evaluate(make_samples.openai(1), strength="lossy").measured
    tool = one.turns[0][1] - lossy.turns[0][1]
    assert tool > 100
    assert one.turns[3][1] - lossy.turns[3][1] > tool + 40


def test_a_broken_prefix_is_seen() -> None:
    """A transform that is no function of the text breaks the prefix, and the report says so."""
    from headroom_core.types import Rewrite

    class Fickle:
        name = "fickle"
        calls = 0

        def __call__(self, part: Any, context: Any, /) -> Rewrite:
            Fickle.calls += 1
            return Rewrite.of(f"try {Fickle.calls}", "the rest")

    from headroom_core.evaluate.measure import measure
    from headroom_core.pipeline import Compressor

    class NoMemory(Compressor):
        @property
        def cache(self) -> Any:
            from headroom_core.cache import BoundedCache

            return BoundedCache(0)

    talk = Conversation("one", "openai", tuple(make_samples.openai(1)))
    compressor = NoMemory(originals=None, strength="lossy", transforms={"json": Fickle(), "log": Fickle()})
    assert measure(talk, compressor, None, 1024).prefix_breaks == 2


# ---------------------------------------------------------------- the report
def test_json_without_contents_holds_no_content(report: Report) -> None:
    """``contents=False`` leaves no value and no text of the conversation in the JSON."""
    told = json.dumps(report.as_dict(contents=False))
    whole = json.dumps(report.as_dict())
    row = make_samples.orders(1)[make_samples.CLEAN]
    assert row["tracking"] in whole
    assert row["tracking"] not in told
    assert "completed" not in told


def test_rows_add_up(report: Report) -> None:
    """Kinds and tools are two cuts of the same outputs."""
    for rows in (report.by_kind, report.by_tool):
        assert sum(row.before for row in rows) == report.total.before
        assert sum(row.after for row in rows) == report.total.after
    assert report.total.ratio < 0.1
    told = report.as_dict()
    assert told["cost"]["saved_share"] == round(report.saved_money, 4)


def test_what_was_left_alone_has_its_reason() -> None:
    """An output that is too small goes into the table of reasons, with its tokens."""
    messages = [{"role": "user", "content": "x"}, {"role": "tool", "name": "ls", "content": "a.txt"}]
    (reason,) = _evaluate(messages).untouched
    assert "fewer than 200 tokens" in reason
    assert _evaluate(messages).worst == []


def test_the_preset_follows_the_format() -> None:
    """Anthropic's traffic is billed with its surcharge for writing, unless prices are given."""
    talks = [Conversation("a", "anthropic", ({"role": "user", "content": "x"},))]
    assert evaluate(talks).prices.write == 3.75
    assert evaluate(talks, prices=Prices(1, 1, 1, 1)).prices.input == 1


def test_pictures_are_counted_by_their_providers_formula() -> None:
    """A picture in a tool output is a piece of kind image; one of the user's counts in the prompt, not as base64."""
    import base64
    import io

    from PIL import Image

    data = io.BytesIO()
    Image.new("RGB", (400, 300), "white").save(data, "PNG")
    url = "data:image/png;base64," + base64.b64encode(data.getvalue()).decode()
    picture = {"type": "image_url", "image_url": {"url": url}}
    messages = [{"role": "user", "content": [picture]}, {"role": "tool", "name": "screenshot", "content": [picture]}]
    made = _evaluate(messages)
    assert [row.name for row in made.by_kind] == ["image"]
    assert made.by_tool[0].before == 255
    assert 500 < made.without.sent < 600


def test_what_is_not_understood_is_counted_as_its_json() -> None:
    """An unknown block costs the tokens of its JSON, on both sides."""
    odd = {"role": "user", "content": [{"type": "odd", "payload": "many words " * 50}]}
    plain = {"role": "user", "content": [{"type": "text", "text": ""}]}
    assert _evaluate([odd]).without.sent > _evaluate([plain]).without.sent + 90


def test_the_terminal_shows_everything(capsys: pytest.CaptureFixture[str]) -> None:
    """Lost values, reasons, live answers and the verdict; nothing hidden reaches the terminal as it is."""
    from rich.console import Console

    from headroom_core.evaluate import Graded
    from headroom_core.evaluate.terminal import show

    messages = make_samples.openai(1)
    messages.insert(1, {"role": "tool", "name": "evil\x1b[31m[bold]", "content": "small"})
    made = _evaluate(messages, strength="lossy")
    live = Graded("a", "b", "c", "d", "e", True, False, 2, 30, 4)
    show(Report(made.measured, made.prices, made.settings, (live,)), Console(width=100))
    told = capsys.readouterr().out
    assert "2 lost" in told
    assert "evil‹001B›[31m[bold]" in told
    assert "fewer than 200 tokens" in told
    assert "1/1" in told
    assert "and 2 are lost" in " ".join(told.split())
    show(_evaluate([{"role": "user", "content": "x"}]), Console(width=100))
    assert "Worst" not in capsys.readouterr().out
