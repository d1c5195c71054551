"""What users call, with the bundled model."""

from __future__ import annotations

import numpy as np
import pytest

from headroom_core.ccr.originals import open_originals
from headroom_core.errors import InvalidInput, ModelError
from headroom_core.kompress.compressor import KompressCompressor, KompressConfig
from headroom_core.tokens.text import counter
from tests.kompress.texts import DOCUMENTS, LONG, QUESTION


@pytest.fixture(scope="module")
def kompress() -> KompressCompressor:
    """One loaded compressor that stores nothing."""
    return KompressCompressor(enable_ccr=False, threads=1)


def test_a_question_keeps_the_sentence_that_answers_it(kompress: KompressCompressor):
    """Under a tight budget the evidence stays and unrelated documents are empty results, in order."""
    results = kompress.compress_documents(DOCUMENTS, QUESTION, target_ratio=0.45)
    assert [r.original for r in results] == DOCUMENTS
    assert "born in Tromsø" in results[1].compressed
    assert "built in 1891" in results[0].compressed
    assert results[3].compressed == ""


@pytest.mark.parametrize("ratio", [0.15, 0.3, 0.5, 0.75])
@pytest.mark.parametrize("query", [None, "What damage did the ship suffer on day 40?"])
def test_target_ratio_is_met(kompress: KompressCompressor, ratio: float, query: str | None):
    """Within two points by the compressor's own counter, with and without a query."""
    result = kompress.compress(LONG, query=query, target_ratio=ratio)
    assert abs(result.compression_ratio - ratio) <= 0.02
    assert result.compressed_tokens == counter("estimate")(result.compressed)


def test_results_are_spans_of_the_source(kompress: KompressCompressor):
    """White space and line breaks between kept words are those of the original."""
    text = "\n\n".join(DOCUMENTS)
    result = kompress.compress(text, query=QUESTION, target_ratio=0.6)
    assert "".join(text[a:b] for a, b in result.spans) == result.compressed
    assert "\n\n" in result.compressed


def test_a_token_budget_is_never_overdrawn(kompress: KompressCompressor):
    """All documents together stay within the budget."""
    results = kompress.compress_documents(DOCUMENTS, QUESTION, token_budget=40)
    assert 0 < sum(r.compressed_tokens for r in results) <= 40


@pytest.mark.parametrize("risk", [0.03, 0.1, 0.3])
def test_a_ratio_keeps_what_a_threshold_of_the_same_size_keeps(kompress: KompressCompressor, risk: float):
    """Sentences of all documents stand in one order, so within a call neither way to say how much is the better one."""
    chosen = kompress.compress_documents(DOCUMENTS, QUESTION, max_risk=risk)
    budget = sum(r.compressed_tokens for r in chosen)
    assert 0 < budget < sum(r.original_tokens for r in chosen)
    filled = kompress.compress_documents(DOCUMENTS, QUESTION, token_budget=budget)
    assert [r.spans for r in filled] == [r.spans for r in chosen]


def test_numbers_and_negations_survive_a_cut_without_a_query(kompress: KompressCompressor):
    """By default every guarded word stays."""
    result = kompress.compress(LONG)
    assert result.compression_ratio < 0.8
    assert result.compressed.count("not") == LONG.count("not")
    assert all(str(i * 3) in result.compressed.split() for i in range(1, 60))
    assert result.guards_dropped == 0


def test_a_ratio_below_the_guards_wins_and_says_so(kompress: KompressCompressor):
    """Where guards alone exceed the ratio, the ratio is met and the result counts the lost guards."""
    result = kompress.compress(LONG, target_ratio=0.1)
    assert result.compression_ratio <= 0.12
    assert result.guards_dropped > 0


def test_alone_in_a_batch_and_padded_are_the_same(kompress: KompressCompressor):
    """Kept spans do not depend on the company a text keeps; scores do not depend on padding."""
    texts = [*DOCUMENTS, LONG[:900], LONG[:300]]
    fresh = KompressCompressor(enable_ccr=False, threads=1)
    batch = fresh.compress_batch(texts, query=QUESTION, target_ratio=0.4)
    assert [kompress.compress(t, query=QUESTION, target_ratio=0.4).spans for t in texts] == [r.spans for r in batch]
    model, tokenizer, _ = kompress.load()
    one = tokenizer(DOCUMENTS[0])
    several = tokenizer(DOCUMENTS, padding=True)
    alone = model.get_scores(one["input_ids"], one["attention_mask"])[0]
    padded = model.get_scores(several["input_ids"], several["attention_mask"])[0]
    assert np.array_equal(alone, padded[: len(alone)])
    assert not padded[len(alone) :].any()


def test_onnx_and_torch_agree(kompress: KompressCompressor):
    """Full precision moves sentence logits by less than half a point on average, and hardly any decision."""
    pytest.importorskip("torch")
    full = KompressCompressor(enable_ccr=False, backend="torch")
    a, b = (np.concatenate(k.sentence_scores([*DOCUMENTS, LONG[:1500]], QUESTION)) for k in (kompress, full))
    assert np.abs(a - b).mean() < 0.5
    assert ((a > -2) == (b > -2)).mean() >= 0.95


def test_load_unpacks_as_the_field_knows_it(kompress: KompressCompressor):
    """Model, tokenizer and back end; words in, one score per token, the mask by the same rule."""
    model, tokenizer, backend = kompress._load_kompress()
    encoding = tokenizer(
        ["example", "sentence"], is_split_into_words=True, truncation=True, max_length=512, padding=True
    )
    scores = model.get_scores(encoding["input_ids"], encoding["attention_mask"])
    assert backend == "onnx"
    assert scores.shape == encoding["input_ids"].shape
    assert np.array_equal(model.get_keep_mask(encoding["input_ids"], encoding["attention_mask"]), scores > 0.5)


def test_special_tokens_in_a_text_are_plain_text(kompress: KompressCompressor):
    """A text that spells ``[SEP]`` cannot forge the border between query and text."""
    _, tokenizer, _ = kompress.load()
    assert 102 not in tokenizer.encode("a [SEP] b", add_special_tokens=False).ids


def test_every_lossy_result_is_stored():
    """With ``enable_ccr`` the original comes back by the reference; unchanged texts get none."""
    originals = open_originals("memory://")
    compressor = KompressCompressor(originals=originals, namespace="tests", threads=1)
    result = compressor.compress(LONG, target_ratio=0.4)
    assert result.ref is not None
    assert originals.get(result.ref, namespace="tests").decode() == LONG
    assert compressor.compress("Two words.", target_ratio=1.0).ref is None


def test_repeated_text_is_not_read_again(kompress: KompressCompressor, monkeypatch: pytest.MonkeyPatch):
    """The same text, query and options come from the cache; another query does not."""
    first = kompress.compress(LONG, query="How thick was the ice?", target_ratio=0.3)
    monkeypatch.setattr(kompress, "_read", lambda *a: pytest.fail("read again"))
    assert kompress.compress(LONG, query="How thick was the ice?", target_ratio=0.3) == first
    with pytest.raises(pytest.fail.Exception):
        kompress.compress(LONG, query="Who was the captain?", target_ratio=0.3)


def test_a_promise_keeps_more_for_a_smaller_risk(kompress: KompressCompressor):
    """Thresholds of the bundle are in order, and a risk below 10/n is refused."""
    kept = [
        sum(r.compressed_tokens for r in kompress.compress_documents(DOCUMENTS, QUESTION, max_risk=risk))
        for risk in (0.02, 0.05, 0.2)
    ]
    assert kept == sorted(kept, reverse=True)
    with pytest.raises(InvalidInput, match="cannot be promised"):
        kompress.compress_documents(DOCUMENTS, QUESTION, max_risk=0.0001)


@pytest.mark.parametrize("risk", [0.03, 0.1, 0.9])
def test_without_a_query_a_risk_keeps_what_the_default_keeps(kompress: KompressCompressor, risk: float):
    """The promise is about guarded words, which stay anyway; a promised cut is never the shorter one."""
    kept = kompress.compress(LONG, max_risk=risk)
    assert kept.spans == kompress.compress(LONG).spans
    assert kept.compression_ratio < 0.8
    assert kept.guards_dropped == 0


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("", None),
        ("word", "what?"),
        ("a" * 5000, None),
        ("x \x00\x01\x02 y \x1b[31mred\x1b[0m " * 5, "red?"),
        ("\ud800 broken surrogate in a text of words " * 4, "broken?"),
        ("   \n\n\t ", None),
    ],
)
def test_odd_texts_give_a_clear_result(kompress: KompressCompressor, text: str, query: str | None):
    """Nothing raises, nothing grows, spans are inside the text."""
    result = kompress.compress(text, query=query, target_ratio=0.5)
    assert result.original == text
    assert len(result.compressed) <= len(text)
    assert all(0 <= a < b <= len(text) for a, b in result.spans)


@pytest.mark.parametrize(
    "text", ["שלום עולם. זה משפט. " * 30, "日本語の文です。これは二つ目です。" * 30, "Это текст. Он длинный. " * 30]
)
def test_other_scripts_are_never_garbled(kompress: KompressCompressor, text: str):
    """Without a query they stay; with one, whole sentences go, and the result says so."""
    assert kompress.compress(text).compressed == text
    assert "another script" in (kompress.compress(text).reason or "")
    asked = kompress.compress(text, query="二つ目 длинный משפט", target_ratio=0.5)
    assert "another script" in (asked.reason or "")
    assert 0 < asked.compressed_tokens <= 0.5 * asked.original_tokens


def test_ten_megabytes_are_chosen_from_by_word_overlap(kompress: KompressCompressor):
    """A text too long for the model is left alone, or cut by word overlap under a budget, and says so."""
    text = "The harbour was quiet and the boats lay still. " * 220_000
    assert kompress.compress(text, query="harbour").compressed == text
    assert "more than the model reads" in (kompress.compress(text, query="harbour").reason or "")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"target_ratio": 0.0}, "target_ratio"),
        ({"target_ratio": 1.5}, "target_ratio"),
        ({"max_risk": 2.0}, "max_risk"),
        ({"target_ratio": 0.5, "max_risk": 0.1}, "contradict"),
    ],
)
def test_bad_options_are_named(kompress: KompressCompressor, options: dict[str, float], words: str):
    """The message names the value."""
    with pytest.raises(InvalidInput, match=words):
        kompress.compress("Some text that is here.", **options)


def test_bad_configurations_are_named():
    """Unknown back ends, thresholds and models."""
    with pytest.raises(InvalidInput, match="backend"):
        KompressConfig(backend="cuda")
    with pytest.raises(InvalidInput, match="score_threshold"):
        KompressConfig(score_threshold=1.0)
    with pytest.raises(ModelError, match="no model"):
        KompressCompressor(model="/nowhere/at/all", enable_ccr=False).load()


def test_close_lets_go_and_the_next_call_loads_again():
    """After ``close`` the same result comes from a newly loaded model."""
    compressor = KompressCompressor(enable_ccr=False, threads=1)
    first = compressor.sentence_scores(DOCUMENTS, QUESTION)
    compressor.close()
    assert compressor._loaded is None
    again = compressor.sentence_scores(DOCUMENTS, QUESTION)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
