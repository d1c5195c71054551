"""Search results, detection and the token estimate against the data files; skipped where these are absent."""

from __future__ import annotations

from collections import defaultdict
from statistics import mean, median

import pytest

from headroom_core.evals import data
from headroom_core.kinds import detect
from headroom_core.tokens.text import counter, estimate
from headroom_core.transforms.search import Search
from headroom_core.types import Context, Part, Text

pytestmark = pytest.mark.skipif(not data.have("README.md"), reason="the data files are not at hand")


@pytest.fixture
def measures(monkeypatch: pytest.MonkeyPatch) -> None:
    """The folders of measures and inputs, importable."""
    for folder in ("measures", "peers"):
        monkeypatch.syspath_prepend(str(data.root() / folder))


def _shown(text: str, query: str) -> str:
    rewrite = Search()(Part((0, 0), "search", Text(text), estimate(text)), Context(estimate, query=query))
    return text if rewrite is None else f"{rewrite.text}\n[left out: {rewrite.left_out}]"


@pytest.mark.usefixtures("measures")
@pytest.mark.parametrize("seed", range(5))
def test_needles_stay_in_few_tokens(seed: int) -> None:
    """The planted hit stays visible, found as a search result, in at most 900 tokens; grouping alone needs 4,800."""
    import inputs  # type: ignore[import-not-found]
    import metrics  # type: ignore[import-not-found]

    made = inputs.make_inputs(seed)
    for kind in ("search", "search_real", "search_md"):
        text, query, needles = made[kind]
        assert detect(text).kind == "search"
        out = _shown(text, query)
        assert metrics.needle_recall(needles, out) == 1.0
        assert estimate(out) <= 900


@pytest.mark.full
@pytest.mark.usefixtures("measures")
def test_asked_hits_of_real_greps_stay() -> None:
    """Over greps of code files and installed packages the asked hit keeps path and line at a median of at most 10 %."""
    import metrics

    from headroom_core.evals.search import cases

    recalls, shares = [], []
    for case in cases(seed=11):
        out = _shown(case.text, case.query)
        recalls.append(metrics.location_recall([{"path": case.path, "line": case.line, "text": case.hit}], out))
        shares.append(estimate(out) / estimate(case.text))
    assert mean(recalls) >= 0.985
    assert median(shares) <= 0.10


@pytest.mark.full
def test_detection_is_right_for_98_of_100() -> None:
    """Over all labelled texts, and as the mean over the kinds."""
    from headroom_core.evals.kinds import labelled

    right: dict[str, list[bool]] = defaultdict(list)
    for kind, _, text in labelled():
        right[kind].append(detect(text).kind == kind)
    assert sum(map(sum, right.values())) / sum(map(len, right.values())) >= 0.98
    assert mean(mean(found) for found in right.values()) >= 0.97


@pytest.mark.full
def test_the_estimate_is_within_8_of_100() -> None:
    """p95 of the error against o200k on texts over 200 tokens, for each kind in Latin script."""
    from headroom_core.evals.tokens import texts

    exact = counter("o200k")
    errors: dict[str, list[float]] = defaultdict(list)
    for kind, _, text in texts():
        if kind != "foreign" and (real := exact(text)) >= 200:
            errors[kind].append(abs(estimate(text) / real - 1))
    for kind, found in errors.items():
        assert sorted(found)[int(0.95 * len(found))] <= 0.08, kind
