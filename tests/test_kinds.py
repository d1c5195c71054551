"""Detection: each public format is recognised, unsure texts go to the gentlest kind, and the cost is bounded."""

from __future__ import annotations

import csv
import io
import json
import textwrap
import traceback
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headroom_core import compress
from headroom_core.kinds import Detected, detect
from headroom_core.transforms._search.grouped import group
from tests.language.test_tables import LAYOUTS
from tests.language.test_wrapped import PROSE as HARBOUR
from tests.timing import cpu_seconds

CODE = '''"""Reads things."""
import os
from pathlib import Path


class Reader:
    """Reads a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> str:
        # Only once
        with open(self.path) as file:
            return file.read()


def main() -> None:
    for name in os.listdir("."):
        print(Reader(Path(name)).read())
'''
GO = 'package main\n\nimport "fmt"\n\n// Add adds.\nfunc Add(a, b int) int {\n\treturn a + b\n}\n\nfunc main() {\n\tif Add(1, 2) == 3 {\n\t\tfmt.Println("ok")\n\t}\n}\n'
PROSE = (
    "The expedition left the harbour in early spring. Nobody expected that it would take three years before the last "
    "of them came home again.\n\nTheir letters, which were read aloud in the square, told of ice and of long silence.\n"
)
GREP = "\n".join(f"src/pkg/mod_{i}.py:{i * 7 + 3}:    def handler_{i}(self, request):" for i in range(20))
CONTEXT = "\n--\n".join(
    f"src/a{i}.go-{9}-\tx := {i}\nsrc/a{i}.go:{10}:\treturn x\nsrc/a{i}.go-{11}-}}" for i in range(9)
)
DOCS = "\n".join(f"docs/guide_{i}.md:{i}:The client waits up to {i} seconds before it retries" for i in range(20))
PLAIN = "\n".join(f"lib/module_{i // 4}.py:    raise ValueError('bad {i}')" for i in range(20))
HEADED = "\n\n".join(f"src/m{i}.rs\n12:    let x = {i};\n40:    x + 1" for i in range(8))
DIFF = "diff --git a/x.py b/x.py\nindex 83db48f..bf269f4 100644\n--- a/x.py\n+++ b/x.py\n@@ -1,4 +1,4 @@ def f():\n a = 1\n-b = 2\n+b = 3\n c = 4\n"
SHOW = "commit 94a044b1\nAuthor: A <a@example.org>\nDate:   Fri Nov 20\n\n    Change b\n\n" + DIFF
COMBINED = (
    "diff --cc x.py\nindex 1,2..3\n--- a/x.py\n+++ b/x.py\n@@@ -1,3 -1,3 +1,3 @@@\n  a = 1\n- b = 2\n -b = 4\n++b = 3\n"
)
LOG = "\n".join(f"2026-05-04 12:06:{i:02d},001 INFO db.pool - connection {i} opened" for i in range(40))
SYSLOG = "\n".join(
    f"Jun 14 15:16:{i:02d} combo sshd[{19939 + i}]: authentication failure; user=root" for i in range(20)
)
PYTEST = "$ pytest -q\n============ test session starts ============\ncollected 3 items\n\n" + "\n".join(
    f"tests/test_{i}.py::test_{i} PASSED [ {i}%]" for i in range(30)
)
GITHUB = "\n".join(f"2026-05-04T12:06:{i:02d}.1234567Z ##[group]Run step {i}" for i in range(20))
NPM = (
    "\n".join(f"npm WARN deprecated package-{i}@1.{i}.0: use another one" for i in range(20))
    + "\nnpm ERR! code ELIFECYCLE\nnpm ERR! errno 1"
)
YAML = "version: 2\nservices:\n  web:\n    image: nginx:1.25\n    ports:\n      - 80:80\n    environment:\n      - DEBUG=1\n# the end\n"
TOML = '[project]\nname = "x"\nversion = "1.0"\n\n[tool.ruff]\nline-length = 120\nselect = ["E", "F"]\n'
INI = "[server]\nhost = localhost\nport = 8080\n; comment\n[client]\nretries = 3\ntimeout = 20\n"
ENV = "\n".join(f"APP_KEY_{i}=value{i}" for i in range(12))
HTML = "<!DOCTYPE html>\n<html><head><title>T</title></head><body><p>Hi</p></body></html>"
XML = '<?xml version="1.0"?>\n<rows><row id="1"/><row id="2"/></rows>'
ROWS = [["id", "name", "city"], *[[str(i), f"user, {i}", "Lyon"] for i in range(20)]]
MARKDOWN = "| id | name |\n|----|------|\n" + "\n".join(f"| {i} | n{i} |" for i in range(10))
PSQL = " id | name \n----+------\n" + "\n".join(f"  {i} | n{i}" for i in range(10)) + "\n(10 rows)\n"
PS = "USER       PID %CPU %MEM COMMAND\n" + "\n".join(f"root     {i:5d}  0.0  0.1 /sbin/proc{i}" for i in range(12))
LS = ".:\nREADME.md\nsrc\ntests\n\n./src:\na.py\nb.py\n\n./tests:\ntest_a.py\ntest_b.py\n"
TREE = ".\n├── README.md\n├── src\n│   ├── a.py\n│   └── b.py\n└── tests\n    └── test_a.py\n"
FIND = "\n".join(f"./src/pkg{i}/module_{i}.py" for i in range(20))
LONG = "total 48\n" + "\n".join(f"-rw-r--r-- 1 root root {i * 100} Nov 20 19:04 file{i}.py" for i in range(10))
JAVA = "java.lang.IllegalStateException: closed\n" + "\n".join(
    f"\tat org.example.Thing{i}.call(Thing.java:{i})" for i in range(12)
)


def _csv(delimiter: str) -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter).writerows(ROWS)
    return out.getvalue()


def _python_trace() -> str:
    try:
        json.loads("{")
    except ValueError:
        return traceback.format_exc()
    raise AssertionError


GROUPED = (
    group("\n".join(f"src/pkg/mod_{i // 4}.py:{i * 7 + 3}:    def handler_{i}(self, request):" for i in range(40)))
    or ""
)
WEB = "\n\n".join(
    f"{i}. Page number {i}\n   URL: https://site{i}.example/p/{i}\n   It tells of gardens and rivers in {i} lines."
    for i in range(1, 9)
)
TITLED = "\n---\n".join(
    f"Title: Page {i}\nURL: https://site{i}.example/{i}\nContent: Gardens and rivers, number {i}, and more."
    for i in range(1, 9)
)
TRAVIS = (
    "travis_fold:start:system_info\nBuild system information\nBuild language: generic\nBuild group: stable\n"
    + DIFF
    + TREE * 5
)

CASES = [
    ("json", json.dumps([{"a": i} for i in range(20)], indent=2)),
    ("json", json.dumps({"a": [1, 2, 3]})),
    ("json", "\n".join(json.dumps({"ts": i, "level": "info"}) for i in range(20))),
    ("json", json.dumps([{"name": f"n{i}", "v": i} for i in range(90)], indent=2)[:1500]),
    ("json", "Here it is:\n" + json.dumps([{"name": f"n{i}", "v": i} for i in range(90)], indent=2)),
    ("search", GREP), ("search", CONTEXT), ("search", DOCS), ("search", PLAIN), ("search", HEADED),
    ("search", GREP.replace("/", "\\")), ("search", GREP.replace("src/", "C:\\src\\")), ("search", GROUPED), ("search", WEB), ("search", TITLED), ("log", TRAVIS),
    ("diff", DIFF), ("diff", SHOW), ("diff", COMBINED), ("diff", DIFF.replace("diff --git a/x.py b/x.py\n", "")),
    ("log", LOG), ("log", SYSLOG), ("log", PYTEST), ("log", GITHUB), ("log", NPM), ("log", LOG + "\n" + JAVA + "\n" + LOG),
    ("code", CODE), ("code", GO), ("config", YAML), ("config", TOML), ("config", INI), ("config", ENV),
    ("html", HTML), ("html", XML), ("table", _csv(",")), ("table", _csv("\t")), ("table", _csv(";")), ("table", MARKDOWN),
    ("table", PSQL), ("table", PS), ("tree", LS), ("tree", TREE), ("tree", FIND), ("tree", LONG),
    ("trace", JAVA), ("trace", _python_trace()), ("prose", PROSE),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "text"), CASES, ids=[f"{kind}{index}" for index, (kind, _) in enumerate(CASES)])
def test_each_format_is_recognised(kind: str, text: str) -> None:
    """A text in a public format gets its kind with confidence of at least a half, with CRLF line ends as well."""
    for variant in (text, text.replace("\n", "\r\n")):
        found = detect(variant)
        assert found.kind == kind, found
        assert found.confidence >= 0.5, found


@pytest.mark.parametrize("text", ["", " \n\t\n", "ok", "42", "Done.", "\x00\x01\x02", "\ud800"])
def test_unsure_is_prose_with_little_confidence(text: str) -> None:
    """What has no shape is prose, and not with certainty."""
    found = detect(text)
    assert found.kind in ("prose", "log")
    assert found.confidence < 0.9


@given(
    st.text(max_size=300)
    | st.lists(
        st.sampled_from(["{", "[1,", "a.py:1:x", "<a>", "--", "|a|b|", "@@ -1 +1 @@", "\r", "x: y"]), max_size=20
    ).map("\n".join)
)
def test_any_text_has_a_kind(text: str) -> None:
    """Detection never fails, and its confidence is a probability."""
    found = detect(text)
    assert 0.0 <= found.confidence <= 1.0
    assert detect(text) == found


@pytest.mark.parametrize(
    "text",
    ["a" * 20_000_000, "a/" * 1_000_000, "a.b:" * 500_000, "[" * 1_000_000, "{" * 1_000_000 + "}", " " * 1_000_000 + "x",
     "<" * 500_000, "1:" * 500_000, "- " * 500_000, ("x " * 120 + "\n") * 20_000, '{"' * 300_000, "\n" * 3_000_000, "=" * 999_999],
)  # fmt: skip
def test_the_cost_is_bounded(text: str) -> None:
    """Huge and repetitive texts take a fraction of a second: samples are bounded and patterns linear."""
    assert cpu_seconds(lambda: detect(text)) < 1.0


def test_bytes_read_as_text_are_opaque() -> None:
    """Binary data is no prose: nothing may take words out of it."""
    assert detect(bytes(range(256)).decode("latin-1") * 40).kind == "opaque"
    assert detect("Ein Satz mit Umlauten: äöü, und noch einer.\n" * 30).kind == "prose"


def test_a_line_of_carriage_returns_is_no_line() -> None:
    """A sampled line may be nothing but carriage returns up to where it is cut."""
    assert detect("\r" * 300 + "0").kind


def test_a_diff_whose_last_line_closes_a_bracket_is_a_diff() -> None:
    """Brackets in the first and last lines of a diff make no JSON."""
    added = "".join(f'+row_{i} = table["key"][{i}]: "value"\n' for i in range(60))
    text = f"diff --git a/x.py b/x.py\nnew file mode 100644\n--- /dev/null\n+++ b/x.py\n@@ -0,0 +1,61 @@\n+[\n{added}+]"
    assert detect(text).kind == "diff"


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("code", "#!/bin/sh\n# Licensed under the terms that stand in COPYING.\n" + "# A line of a long licence text.\n" * 30),
        ("code", '" Vim syntax file\n" Language: Gedcom\nif exists("b:current_syntax")\n  finish\nendif\nsyntax case match\n' * 3),
        ("code", "!function(e,t){return e&&t}(this,function(){var a=1;return function(e){if(!e)throw new Error('x')}});" * 9),
        ("table", "Date,Open,High,Low\n" + "".join(f"{d}-Sep-03,29.76,29.97,28.{d}\n" for d in range(10, 30))),
        ("table", "# from a page\nDay,IBM,MSFT,XRX\n" + "".join(f"1990-01-{d},10.97,0.24,\n" for d in range(10, 30))),
        ("table", "Package    Version   Place\n---------- --------- ------\n" + "".join(f"aio{i:<8}2.7.{i:<6}/opt/x\n" for i in range(20))),
        ("prose", "# The client\n\nTo use it with the service:\n\n```python\n" + "client = make(1)\nclient.call(x=2)\n" * 20 + "```\n\nThat is all.\n"),
        ("code", "static const char expected[] = {\n  1,\n};\n" + 'void check(void)\n{\n  cJSON *object = cJSON_Parse("{}");\n  call(object["a"]);\n}\n' * 9),
        ("log", "[1] corpus 23293\n[1] model 23112720\n" + "".join(f"[{i}] step {{'at10': 0.{i}, 'at20': 0.5}} done\n" for i in range(30))),
    ],
    ids=["shebang", "vim", "minified", "csv with dates", "csv with a remark", "ruled columns", "fences", "brackets in code", "numbered log"],
)  # fmt: skip
def test_what_looks_like_something_else(kind: str, text: str) -> None:
    """Comments, dates, fences and brackets do not hide what a text is."""
    assert detect(text).kind == kind


@pytest.mark.parametrize("form", ["{n}:{line}", "{n:>6}\t{line}", "{n:>4}| {line}", "{n:>6}→{line}", "{n}: {line}"])
@pytest.mark.parametrize(
    "around", ["{view}", "[File: a.py (300 lines)]\n(40 more lines above)\n{view}\n(90 more lines below)"]
)
def test_a_program_with_line_numbers_is_code(form: str, around: str) -> None:
    """What file-reading tools print is code, whatever stands between number and line; numbered prose is not."""

    def view(text: str) -> str:
        return around.format(
            view="\n".join(form.format(n=41 + i, line=line) for i, line in enumerate(text.split("\n")))
        )

    assert detect(view(Path(__file__).read_text(encoding="utf-8"))).kind == "code"
    assert detect(view("\n".join(["It rained, and nobody spoke of the harbour."] * 30))).kind != "code"


def test_what_opens_as_a_git_diff_and_goes_on_as_one_is_a_diff() -> None:
    """Its lines may speak of tests, of logs or of CI; a log that begins with a diff is no diff for that."""
    context = "".join(f"     step_{i} = prepare(job, step={i})\n" for i in range(40))
    change = (
        f"diff --git a/run.txt b/run.txt\nindex 1..2 100644\n--- a/run.txt\n+++ b/run.txt\n@@ -1,83 +1,83 @@\n{context}"
    )
    told = "-old\n+new\n" + context + "   12 passing\n   BUILD SUCCESS\n"
    assert detect(change + told) == Detected("diff", 0.99)
    log = "".join(f"2026-06-11 02:49:{i % 60:02d} INFO worker-{i} took its part\n" for i in range(400))
    assert detect(change + told + log).kind == "log"


@pytest.mark.parametrize(
    "text",
    [
        "".join(f"INSERT INTO boats (id, name) VALUES ({i}, 'boat {i}');\n" for i in range(60)),
        "-- the tariff\nCREATE OR REPLACE FUNCTION fee(k text) RETURNS int AS $$\nBEGIN\n"
        + "".join(f"  IF k = 'k{i}' THEN RETURN {i}; END IF;\n" for i in range(30))
        + "END;\n$$ LANGUAGE plpgsql;\n",
        "SELECT b.id, count(*)\nFROM boats b\nJOIN fees f ON f.boat = b.id\nGROUP BY b.id\nHAVING count(*) > 3;\n" * 9,
    ],
)
def test_statements_of_databases_are_code(text: str) -> None:
    """Neither a log nor prose: nothing of them is lost."""
    assert detect(text).kind == "code"
    assert compress(text, query="What of k17?").text == text


def test_wrapped_prose_and_prose_around_a_table_are_prose():
    """Lines of a PDF look like those of a log by their length, and so do rows; sentences tell."""
    wrapped = textwrap.fill(HARBOUR, 70)
    assert detect(f"The harbour\n{wrapped}\n\nThe lamp\n{wrapped}").kind == "prose"
    for layout, lines in LAYOUTS.items():
        found = detect(f"The harbour\n\n{HARBOUR}\n\n" + "\n".join(lines) + f"\n\n{HARBOUR}")
        assert found.kind == "prose", layout


@pytest.mark.parametrize(
    ("kind", "lines"),
    [
        (
            "log",
            [
                f"npm WARN deprecated a{i}@3.{i}: this module is no longer kept and will not be mended"
                for i in range(12)
            ],
        ),
        ("log", [f"INFO [main] The consumer-{i} has joined the group and is now the leader of it" for i in range(30)]),
        ("log", [f"step {i}: the agent has clicked on the button and is waiting for the answer" for i in range(30)]),
        (
            "log",
            [
                f"src/a{i}.c:{i}:5: warning: the result of this call is not used as it should have been"
                for i in range(20)
            ],
        ),
        (
            "table",
            ["id;product;review", *(f"{i};Kettle {i};It is the best of those that I have had" for i in range(40))],
        ),
    ],
)
def test_messages_made_of_sentences_are_no_prose(kind: str, lines: list[str]):
    """Lines that begin alike are records, however well they are written."""
    assert detect("\n".join(lines)).kind == kind
