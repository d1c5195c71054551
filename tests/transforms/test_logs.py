"""Logs: the failure stays with its block, needles stay, the rest is counted, lines keep their numbers."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headroom_core.evals import data
from headroom_core.transforms.logs import Log
from headroom_core.types import Context, Part, Rewrite, Text

QUESTION = "Why did the build fail?"


def tokens(text: str) -> int:
    """A count that grows with words and signs."""
    return len(re.findall(r"\w{1,6}|[^\w\s]", text))


def excerpt(text: str, query: str | None = None, ratio: float | None = None) -> Rewrite | None:
    """The transform as the pipeline calls it."""
    part = Part((0, 0), "log", Text(text), max(1, tokens(text)))
    return Log()(part, Context(count=tokens, query=query, target_ratio=ratio))


def kept(text: str, query: str | None = None, ratio: float | None = None) -> str:
    """The shown text; the log must have been shortened."""
    made = excerpt(text, query, ratio)
    assert made is not None
    assert made.left_out
    return made.text


def service_log(seed: int, lines: int = 2000) -> list[str]:
    """A stream of events with levels and a dozen templates."""
    r = random.Random(seed)
    out = []
    for i in range(lines):
        stamp = f"2026-03-01 0{i // 600}:{i // 10 % 60:02d}:{i % 60:02d},{r.randint(0, 999):03d}"
        level = r.choice(["INFO ", "DEBUG", "INFO "])
        module = r.choice(["http", "db.pool", "cache"])
        event = r.choice(["request id=%d done in 3ms", "lease %d renewed", "page %d served"]) % r.randint(1, 10**6)
        out.append(f"{stamp} {level} {module} - {event}")
    return out


def build_log(failure: list[str], steps: int = 40) -> str:
    """A run of commands of which the last but one fails."""
    out = ["Using worker 7"]
    for k in range(steps):
        out += [
            f"$ step-{k} --all",
            f"Fetching package-{k} 1.{k}.0",
            f"Unpacking package-{k}",
            f"Compiling module_{k}.c",
        ]
        out += [f"ok {n} - case {n} of step {k}" for n in range(20)]
        out += ["", f'The command "step-{k} --all" exited with 0.']
    out += ["$ run-tests", *[f"test_case_{k} passed" for k in range(60)], *failure, ""]
    out += ['The command "run-tests" exited with 1.', "", "store build cache", "change detected", "uploading archive"]
    return "\n".join([*out, *[f"cache entry {k} stored" for k in range(80)], "", "Done. Your build exited with 1."])


FAILURES = {
    "pytest": [
        "=================================== FAILURES ===================================",
        "_______________________________ test_total_price _______________________________",
        "    def test_total_price():",
        ">       assert total([1, 2]) == 4",
        "E       assert 3 == 4",
        "E        +  where 3 = total([1, 2])",
        "tests/test_cart.py:12: AssertionError",
        "=========================== 1 failed, 60 passed in 1.2s ===========================",
    ],
    "maven": [
        "[ERROR] Tests run: 3, Failures: 1, Errors: 0, Skipped: 0, Time elapsed: 0.1 s <<< FAILURE! - in shop.CartTest",
        "[ERROR] total(shop.CartTest)  Time elapsed: 0.01 s  <<< FAILURE!",
        "java.lang.AssertionError: expected:<4> but was:<3>",
        "\tat shop.CartTest.total(CartTest.java:17)",
        "[ERROR] BUILD FAILURE",
    ],
    "go": [
        "--- FAIL: TestTotal (0.00s)",
        "    cart_test.go:14: expected 4, got 3",
        "FAIL",
        "FAIL\texample.org/shop\t0.012s",
    ],
    "cargo": [
        "error[E0425]: cannot find value `totl` in this scope",
        "  --> src/cart.rs:7:13",
        "   |",
        "7  |     let x = totl + 1;",
        "   |             ^^^^ help: a local variable with a similar name exists: `total`",
        "error: could not compile `shop` due to previous error",
    ],
    "mocha": [
        "  1 failing",
        "  1) cart total adds prices:",
        "     AssertionError: expected 3 to equal 4",
        "      at Context.<anonymous> (test/cart.js:9:20)",
    ],
    "gcc": [
        "src/cart.c:12:5: error: implicit declaration of function 'totl'",
        "make: *** [Makefile:8: cart.o] Error 1",
    ],
    "phpunit": [
        "There was 1 failure:",
        "1) CartTest::testTotal",
        "Failed asserting that 3 matches expected 4.",
        "/srv/shop/tests/CartTest.php:21",
        "FAILURES!",
        "Tests: 61, Assertions: 90, Failures: 1.",
    ],
}


@pytest.mark.parametrize("tool", sorted(FAILURES))
def test_the_failure_stays_with_its_block(tool: str) -> None:
    """Whatever the tool: every line of the failing report is in the excerpt, the run's end too, most else is not."""
    text = build_log(FAILURES[tool])
    out = kept(text, QUESTION)
    assert [line for line in FAILURES[tool] if line not in out.split("\n")] == []
    assert 'The command "run-tests" exited with 1.' in out
    assert tokens(out) < 0.2 * tokens(text)


def test_errors_in_a_stream_of_events_stay_and_the_rest_is_counted() -> None:
    """Three lines of trouble in 2,000 stay; the last line names the most frequent templates with counts and times."""
    lines = service_log(1)
    lines[400] = "2026-03-01 00:40:01,001 ERROR db.pool - connection to 10.0.0.9:5432 refused (attempt 3/3)"
    lines[1100] = "2026-03-01 01:50:01,001 CRITICAL disk - volume sdq7 is read-only"
    lines[1700] = "2026-03-01 02:50:01,001 WARN http - certificate expires in 3 days"
    made = excerpt("\n".join(lines), "What happened during the night?")
    assert made is not None
    assert made.left_out
    for row in (400, 1100, 1700):
        assert lines[row] in made.text.split("\n")
    assert tokens(made.text) < 0.02 * tokens("\n".join(lines))
    assert re.search(r"\d{1,3}(,\d{3})*× \"[^\"]*…[^\"]*\" \d\d:\d\d:\d\d–\d\d:\d\d:\d\d", made.left_out)
    assert not set("[]\n") & set(made.left_out)


def test_one_error_repeated_is_shown_once_or_twice_and_counted() -> None:
    """500 equal-template errors do not fill the excerpt."""
    lines = service_log(2)
    for k in range(500):
        lines[3 * k + 100] = f"2026-03-01 01:00:00,000 ERROR db.pool - connection {k} refused"
    made = excerpt("\n".join(lines), None)
    assert made is not None
    assert 1 <= made.text.count("refused") <= 3
    assert "refused" in (made.left_out or "")


def test_a_trace_after_an_error_line_stays_with_it() -> None:
    """Lines without a level that follow an error belong to it."""
    lines = service_log(3)
    trace = ["java.io.IOException: Broken pipe", *[f"\tat shop.Net.send{k}(Net.java:{k})" for k in range(8)]]
    lines[900:900] = ["2026-03-01 01:00:00,000 ERROR http - request failed", *trace]
    out = kept("\n".join(lines), "What went wrong?")
    assert all(line in out for line in trace)


def test_a_question_brings_the_lines_that_it_names() -> None:
    """An id in the question finds its line, although nothing in it looks like trouble."""
    lines = service_log(4)
    lines[777] = "2026-03-01 01:17:00,000 INFO  http - session zx81k closed after 12 requests"
    assert "zx81k" in kept("\n".join(lines), "What happened to session zx81k?")
    assert "zx81k" in kept(
        build_log(FAILURES["gcc"]).replace("Compiling module_7.c", "zx81k here"), "Where is zx81k used?"
    )


def test_equal_lines_are_shown_once() -> None:
    """A step that is tried three times with the same report does not take the room three times."""
    attempt = [*FAILURES["cargo"], "retrying ..."]
    out = kept(build_log(attempt * 3), QUESTION)
    assert out.count("cannot find value `totl`") == 1


@pytest.mark.parametrize("ratio", [0.03, 0.1, 0.3])
def test_a_target_ratio_is_met(ratio: float) -> None:
    """The excerpt with its last line stays within the asked share, and uses most of it."""
    text = build_log(FAILURES["pytest"], steps=120)
    made = excerpt(text, QUESTION, ratio)
    assert made is not None
    share = tokens(f"{made.text}\n[left out: {made.left_out}]") / tokens(text)
    assert 0.7 * ratio < share <= ratio + 0.01


def test_colours_and_control_characters_go() -> None:
    """Kept lines are free of escape sequences."""
    lines = build_log(["\x1b[31merror: cannot open display\x1b[0m\x07", "\x1b]0;title\x07make: *** [all] Error 2"])
    out = kept(lines, QUESTION)
    assert "error: cannot open display" in out.split("\n")
    assert not re.search(r"[\x00-\x08\x0b-\x1f]", out)


def test_progress_bars_go() -> None:
    """The steps of a progress bar, by carriage return or line by line, are not shown."""
    bar = "\r".join(f"downloading {k}%" for k in range(101))
    lines = [f"Receiving objects: {k}% ({k}/100)" for k in range(101)]
    out = kept(build_log([bar, *lines, "fatal: early EOF", "error: index-pack failed"]), QUESTION)
    assert "fatal: early EOF" in out.split("\n")
    assert out.count("%") < 8


def numbered(text: str, shown: str) -> list[tuple[int, str]]:
    """The (line number, line) pairs that an excerpt stands for, read from its gap notes alone."""
    out, at = [], 1
    for line in shown.split("\n"):
        if ranged := re.fullmatch(r"… lines (\d+)-(\d+)", line):
            assert int(ranged.group(1)) == at
            at = int(ranged.group(2)) + 1
        elif counted := re.fullmatch(r"… (\d+) lines?", line):
            at += int(counted.group(1))
        else:
            out.append((at, line))
            at += 1
    assert at == text.count("\n") + 2
    return out


@pytest.mark.parametrize("tool", sorted(FAILURES))
def test_line_numbers_can_be_told_from_the_excerpt(tool: str) -> None:
    """Shown lines plus gap notes account for every line of the original."""
    text = build_log(FAILURES[tool])
    lines = text.split("\n")
    for number, line in numbered(text, kept(text, QUESTION)):
        assert lines[number - 1].strip() == line.strip()


def test_lossless_strength_leaves_logs_alone() -> None:
    """There is no lossless form, so None."""
    part = Part((0, 0), "log", Text(build_log(FAILURES["go"])), 1000)
    assert Log()(part, Context(count=tokens, strength="lossless")) is None


@pytest.mark.parametrize("seed", range(12))
def test_every_lone_error_of_a_service_stays(seed: int) -> None:
    """Three errors of three kinds, wherever they stand and whatever their length: all three are shown."""
    lines, r = service_log(seed), random.Random(seed)
    said = ("billing: the ledger {} refused us", "router: checksum of {} is wrong", "disk {} stopped, quota exceeded")
    errors = [f"2026-03-01 04:00:00 ERROR {s.format('x' * r.randrange(3, 60))}" for s in said]
    for error in errors:
        lines.insert(r.randrange(len(lines)), error)
    shown = kept("\n".join(lines), "What went wrong during the night?").split("\n")
    assert all(error in shown for error in errors)


def test_the_same_log_gives_the_same_bytes() -> None:
    """Pure: two calls agree."""
    text = build_log(FAILURES["maven"])
    assert excerpt(text, QUESTION) == excerpt(text, QUESTION)


PIECES = st.sampled_from(
    [
        "ERROR x failed",
        "ok 1",
        "",
        "  at a.b(C.java:1)",
        "\r",
        "\r\n",
        "\x1b[31mred\x1b[0m",
        "�",
        "é" * 300,
        "\x00\x01",
        "exited with 1",
        "$ make",
        "100%",
        "… lines 1-9",
        "[left out: x]",
        "travis_fold:end:x",
        "A" * 3000,
        "1) t",
        "]",
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(PIECES, max_size=120), st.sampled_from([None, QUESTION, "ERROR x"]), st.sampled_from([None, 0.05, 0.5]))
def test_any_text_is_read_without_harm(pieces: list[str], query: str | None, ratio: float | None) -> None:
    """No error on any mix; what comes out is text with a one-line note."""
    made = excerpt("\n".join(pieces), query, ratio)
    if made is not None:
        assert made.left_out
        assert not set("[]\n\r") & set(made.left_out)
        made.text.encode("utf-8", "surrogatepass")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n" * 5000,
        "x" * 2000000,
        "error at a.py:1 " * 60000,
        "\x1b[" * 150000,
        "exited with " * 60000,
        "\x1b]0;" * 100000,
        "\r".join(map(str, range(30000))),
        "1%\n" * 60000,
        "ERROR x\n" * 60000,
    ],
    ids=["empty", "blank", "one line", "one line of words", "escapes", "exits", "titles", "returns", "bars", "errors"],
)
def test_hostile_texts_end_in_bounded_time(text: str) -> None:
    """Long, repetitive or broken texts: no error, and a result that is not longer."""
    made = excerpt(text, QUESTION)
    if made is not None:
        assert len(made.text) <= len(text)


def test_a_very_long_log_keeps_its_needles_and_exact_counts() -> None:
    """Beyond the size that is read closely, failures, asked lines and counts are still right."""
    lines = service_log(5, 40_000)
    lines[12_345] = "2026-03-01 01:00:00,000 ERROR db.pool - connection to 10.0.0.9 refused"
    lines[23_456] = "2026-03-01 01:00:00,000 INFO  http - session zx81k closed"
    made = excerpt("\n".join(lines), "What happened to session zx81k?")
    assert made is not None
    assert lines[12_345] in made.text.split("\n")
    assert lines[23_456] in made.text.split("\n")
    shown = len([line for line in made.text.split("\n") if not line.startswith("…")])
    assert (made.left_out or "").startswith(f"{40_000 - shown:,} of 40,000 lines")


@pytest.mark.skipif(not data.have("logs", "ci_dev.jsonl.gz"), reason="needs the labelled CI logs")
def test_labelled_failures_of_ci_logs_stay_visible() -> None:
    """A sample of the labelled logs: most of the labelled lines at a few percent of the text."""
    shares, recalls = [], []
    for k, row in enumerate(data.rows("logs", "ci_dev.jsonl.gz")):
        if k % 8:
            continue
        body = row["log"].split("\n")
        out = kept(row["log"], QUESTION)
        gold = {" ".join(body[i - 1].split()) for i in row["chunk_lines"]} - {""}
        seen = {" ".join(line.split()) for line in out.split("\n")}
        recalls.append(len(gold & seen) / len(gold))
        shares.append(tokens(out) / tokens(row["log"]))
    assert sum(recalls) / len(recalls) > 0.85
    assert sorted(shares)[len(shares) // 2] < 0.05


def test_a_small_service_log_shows_its_whole_trace() -> None:
    """Two in a hundred tokens of a small log hold no stack trace: the exception's own line may not fall out."""
    lines = [f"2026-05-04 12:00:{i % 60:02d} INFO pool - request {i * 7919} took {i % 40} ms" for i in range(200)]
    lines[90:90] = [
        "2026-05-04 12:01:31 ERROR orders - could not commit order 88123",
        "Traceback (most recent call last):",
        '  File "/srv/app/orders.py", line 88, in save',
        "    self.pool.acquire(timeout=5)",
        '  File "/srv/app/pool.py", line 17, in acquire',
        "    raise PoolEmpty(self.size)",
        "app.pool.PoolEmpty: 32 of 32 connections are taken",
    ]
    shown = kept("\n".join(lines))
    assert "could not commit order 88123\nTraceback" in shown
    assert "    raise PoolEmpty(self.size)\napp.pool.PoolEmpty: 32 of 32 connections are taken" in shown
    assert tokens(shown) < 300


def test_a_question_about_warnings_brings_all_of_them() -> None:
    """They are written WARN, not as the question says it."""
    lines = [f"2026-05-04 12:00:{i % 60:02d} INFO  pool - request {i * 7919} took {i % 40} ms" for i in range(400)]
    for at in (13, 110, 207, 304):
        lines[at] = lines[at].replace("INFO ", "WARN ")
    shown = kept("\n".join(lines), "Which requests gave a warning?")
    assert [line for line in lines if "WARN" in line] == [line for line in shown.split("\n") if "WARN" in line]
