"""One run, one table, one picture; and the README says the same as a fresh run, noise aside."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from headroom_core.cli.commands import commands
from headroom_core.evals import readme
from headroom_core.evals.bench import measured
from headroom_core.evals.bench_inputs import cases
from headroom_core.evals.bench_picture import picture
from headroom_core.evals.bench_rows import Row, skipped, table

ROWS = [
    Row("inputs", "json", "ours", 0.012, 1.0, 5.0),
    Row("inputs", "json", "ours lossless", 0.39, 1.0, 9.0),
    Row("inputs", "json", "BM25 10 % of lines", 0.1, 0.0, 8.0),
    Row("inputs", "json", "headroom-ai default", 0.41, 1.0, 50.0),
    Row("questions", "five documents", "LangChain <filter> & more", 0.5, 0.6, 120.0),
    Row("encoders", "512 tokens", "ours, with a question", ms=20.0),
    Row("wrapper", "40 messages", "ours, seen before", ms=1.5),
    skipped("images", "router", "no data"),
]


@pytest.fixture
def exact_counter() -> None:
    """The measures count by o200k; without its file there is nothing to measure."""
    from headroom_core.errors import HeadroomError
    from headroom_core.tokens.text import counter

    try:
        counter("o200k")
    except HeadroomError as error:
        pytest.skip(str(error))


def test_planted_facts_stand_in_their_texts() -> None:
    """Every case holds each of its facts, asks a question, is long, and is the same for the same seed."""
    for seed in (1, 2):
        for kind, (text, question, facts) in cases(seed).items():
            assert facts, kind
            assert all(fact in text for fact in facts), kind
            assert question.endswith("?")
            assert len(text) > 4_000, kind
    assert cases(3) == cases(3)
    assert cases(3)["json"] != cases(4)["json"]


def test_one_table() -> None:
    """All rows in one table; what was skipped says why."""
    lines = table(ROWS).split("\n")
    assert len(lines) == len(ROWS) + 2
    assert "| inputs | json | ours | 1.2% | 100% | 5 |  |" in lines
    assert lines[-1].endswith("skipped: no data |")


def test_one_picture() -> None:
    """The picture is well-formed SVG that loads nothing, with a point or a bar for each measured row."""
    made = picture(ROWS)
    root = ElementTree.fromstring(made)
    titles = [node.text or "" for node in root.iter("{http://www.w3.org/2000/svg}title")]
    assert "ours: 1.2% of tokens, 100%" in titles
    assert "LangChain <filter> & more: 50.0% of tokens, 60%" in titles
    assert sum(title.endswith(" ms") for title in titles) == 2
    assert "href" not in made
    assert "url(" not in made
    ElementTree.fromstring(picture([]))


def test_the_readme_table_reads_back() -> None:
    """What is written between the marks is read as the same shares and facts; the winner is bold."""
    made = f"x\n<!-- table: bench -->\n{readme.table(ROWS)}\n<!-- end -->\ny"
    assert readme.read(made) == {
        "json": {"ours": (0.012, 1.0), "ours lossless": (0.39, 1.0), "headroom-ai default": (0.41, 1.0), "BM25 10 % of lines": (0.1, 0.0)}
    }  # fmt: skip
    assert "| **1.2% · 100% · 5 ms** |" in made
    assert readme.read("no table") == {}
    assert readme.read("<!-- table: bench -->\n| kind | method |\n<!-- end -->") == {}


def test_differences_in_kind_are_told_and_noise_is_not() -> None:
    """Another winner, lost facts and another order of magnitude count; a few per cent do not."""
    told = {"json": {"ours": (0.012, 1.0), "BM25": (0.1, 1.0)}}
    assert readme.differences(told, {"json": {"ours": (0.02, 1.0), "BM25": (0.09, 0.9)}}) == []
    assert any(
        "wins" in said for said in readme.differences(told, {"json": {"ours": (0.03, 1.0), "BM25": (0.01, 1.0)}})
    )
    assert any(
        "of facts" in said for said in readme.differences(told, {"json": {"ours": (0.012, 0.5), "BM25": (0.1, 0.1)}})
    )
    assert any("of tokens" in said for said in readme.differences(told, {"json": {"ours": (0.05, 1.0)}}))
    assert any("is not in" in said for said in readme.differences(told, {"log": {"ours": (0.05, 1.0)}}))


def test_the_readme_says_what_a_fresh_run_says(exact_counter: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run of one seed, without the peer, differs from the README's table in noise alone."""
    told = readme.read(readme.README.read_text(encoding="utf-8"))
    if not told:
        pytest.skip("README.md HAS NO BENCHMARK TABLE YET: run python -m headroom_core.evals readme")
    monkeypatch.delenv("HEADROOM_PEER_PYTHON", raising=False)
    fresh = [row for row in measured(["inputs"], quick=True, seeds=1) if row.section == "inputs"]
    said = readme.differences(told, readme.read(f"<!-- table: bench -->\n{readme.table(fresh)}\n<!-- end -->"))
    assert not said, "\n".join([*said, "Run python -m headroom_core.evals readme, or find out what broke."])


def test_the_readme_is_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The writer replaces what stands between the marks, old name or new, and draws the picture."""
    (tmp_path / "README.md").write_text("a\n<!-- table: inputs -->\nold\n<!-- end -->\nb\n")
    monkeypatch.setattr(readme, "README", tmp_path / "README.md")
    monkeypatch.setattr(readme, "PICTURE", tmp_path / "bench.svg")
    monkeypatch.setattr(readme, "run", lambda options: ROWS)
    readme.main([])
    made = (tmp_path / "README.md").read_text()
    assert made.startswith("a\n<!-- table: bench -->\n| tool output | ours |")
    assert made.endswith("<!-- end -->\nb\n")
    assert readme.read(made)["json"]["ours"] == (0.012, 1.0)
    ElementTree.fromstring((tmp_path / "bench.svg").read_text())


def test_bench_on_the_command_line(tmp_path: Path) -> None:
    """One section, as JSON on standard output and as a table beside a picture; a wrong name is a wrong call."""
    done = CliRunner().invoke(commands, ["bench", "--quick", "--only", "store", "--json"])
    assert done.exit_code == 0, done.output
    rows = json.loads(done.stdout)
    assert {row["method"] for row in rows} >= {"memory: put", "SQLite: retrieve by question"}
    assert all(row["ms"] > 0 for row in rows)
    done = CliRunner().invoke(commands, ["bench", "--quick", "--only", "store", "--picture", str(tmp_path / "p.svg")])
    assert done.stdout.startswith("| section |")
    ElementTree.fromstring((tmp_path / "p.svg").read_text())
    assert CliRunner().invoke(commands, ["bench", "--only", "nonsense"]).exit_code == 2


def test_missing_things_are_skipped_and_said_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without the evaluation data there are no questions, and the row tells how to get them."""
    monkeypatch.setenv("HEADROOM_DATA", str(tmp_path))
    (row,) = measured(["questions"], quick=True)
    assert row.note.startswith("skipped: set HEADROOM_DATA")
