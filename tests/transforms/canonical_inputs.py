"""Fixed inputs of every kind, made here: what the transforms make of them lies in ``canonical/``, for people to read."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator

Case = tuple[str, str, str | None]
"""(name, text, question)"""

_WORDS = "amber birch cedar delta ember fjord grove harbor inlet juniper kelp lagoon".split()


def json_cases() -> Iterator[Case]:
    """Rows, rows in rows, maps, lines, odd rows, documents in cells."""
    r = random.Random(31)
    rows = [
        {
            "id": 4100 + i, "owner": f"{r.choice(_WORDS)}.{i}", "state": "done", "took": round(r.uniform(1, 9), 2),
            "at": f"2026-03-{1 + i % 28:02d}T08:{i % 60:02d}:00Z", "where": {"city": r.choice(["Graz", "Lyon"]), "dock": i % 7},
        }
        for i in range(90)
    ]  # fmt: skip
    rows[41] |= {"state": "failed", "took": 431.7}
    rows[66] = {"id": 4166, "error": "lease expired", "retry": None}
    yield "rows", json.dumps(rows, indent=2), None
    yield "rows asked", json.dumps(rows), "Who owns 4123?"
    yield "rows asked for a number", json.dumps(rows), "Which one took longer than 100?"
    yield "rows asked for a sum", json.dumps(rows), "How many are in Graz?"
    yield "lines", "\n".join(json.dumps(row) for row in rows[:60]), "What failed?"
    yield "map", json.dumps({row["owner"]: row for row in rows[:50]}), "What is the state of juniper?"
    nested = {
        "page": 1,
        "next": None,
        "items": rows[:40],
        "totals": {"count": 40, "by": {w: i for i, w in enumerate(_WORDS)}},
    }
    yield "rows in a document", "The service answered:\n" + json.dumps(nested, indent=1), "Which dock is 4107 at?"
    log = (
        "\n".join(f"08:{i % 60:02d}:00 INFO step {i} of {r.randint(100, 999)} done" for i in range(80))
        + "\n08:59:59 ERROR no space left"
    )
    yield (
        "a log in a cell",
        json.dumps([{"job": "build", "log": log}, {"job": "test", "log": "fine"}]),
        "Why did the build fail?",
    )
    links = [
        {
            "n": i,
            "self": f"https://api.example/v2/items/{i}",
            "html": f"https://example/items/{i}",
            "tags": ["a", "b"][: i % 3],
        }
        for i in range(40)
    ]
    yield "addresses and lists", json.dumps(links, indent=1), None
    wide = {f"key_{i}": {"value": i * 7 % 13, "unit": "kg"} for i in range(120)}
    yield "settings", json.dumps(wide, indent=2), "What is key_77?"
    codes = [{"code": f"AB-{i:04d}", "flag": i % 2 == 0, "note": "x" * (400 if i == 9 else 3)} for i in range(60)]
    codes[30]["code"] = "zz 30"
    yield "odd codes", json.dumps(codes), None
    many = [{"n": i, "part": r.choice(_WORDS), "weight": r.randint(1, 999)} for i in range(2600)]
    yield "very many rows", json.dumps(many), None
    yield "very many rows asked", json.dumps(many), "Which parts are kelp?"
    yield (
        "rows named twice and once",
        json.dumps([{"a": r.choice(_WORDS), "b": r.choice(_WORDS), "n": i} for i in range(200)]),
        "kelp and harbor",
    )
    deep = [
        {"a": {"b": {"c": {"d": {"e": {"f": {"g": i}}}}}}, "list": [i, i + 1], "kind": "x" if i != 20 else "Y7"}
        for i in range(50)
    ]
    yield "deep rows", json.dumps(deep), None
    yield (
        "a large map in a row",
        json.dumps([{"id": 1, "by": {f"k{i}": i * i for i in range(400)}}, {"id": 2, "by": {}}]),
        "What is k77?",
    )
    yield (
        "many numbers and tags",
        json.dumps(
            [
                {
                    "id": i,
                    "at": [i % 3, 7],
                    "tags": ["a", "b"][: i % 2 + 1],
                    "ms": r.randint(40, 60) if i != 30 else 9000,
                    "note": "" if i else None,
                }
                for i in range(120)
            ]
        ),
        "Which was slowest?",
    )
    yield (
        "two lists",
        json.dumps(
            {
                "open": [{"n": i, "who": r.choice(_WORDS)} for i in range(60)],
                "closed": [{"n": i, "why": r.choice(_WORDS)} for i in range(60)],
            },
            indent=1,
        ),
        None,
    )


def log_cases() -> Iterator[Case]:
    """Services, builds, tests, repeated blocks, traces."""
    r = random.Random(32)
    service = [
        f"2026-05-04 12:{i // 60:02d}:{i % 60:02d},{r.randint(0, 999):03d} {'WARN ' if i % 97 == 13 else 'INFO '} {r.choice(_WORDS)} - request {r.randint(10**5, 10**6)} took {r.randint(2, 90)} ms"
        for i in range(400)
    ]
    service[211:211] = [
        "2026-05-04 12:03:31,500 ERROR harbor - could not commit order 88123",
        "Traceback (most recent call last):",
        '  File "/srv/app/orders.py", line 88, in save',
        "    self.pool.acquire(timeout=5)",
        '  File "/srv/app/pool.py", line 17, in acquire',
        "    raise PoolEmpty(self.size)",
        "app.pool.PoolEmpty: 32 of 32 connections are taken",
    ]
    text = "\n".join(service)
    yield "service", text, None
    yield "service asked", text, "Why was order 88123 not committed?"
    yield "service asked for a warning", text, "Which requests gave a warning?"
    build = [
        "##[group]Install",
        *[f"Downloading {r.choice(_WORDS)}-{i}.tar.gz ({r.randint(10, 900)} kB)" for i in range(60)],
        "##[endgroup]",
        "##[group]Compile",
    ]
    build += [f"[{i:3d}/140] CC src/{r.choice(_WORDS)}_{i}.c" for i in range(1, 90)]
    build += [
        "src/kelp_90.c:41:9: error: use of undeclared identifier 'lagoon'",
        "   41 |   lagoon(3);",
        "      |   ^",
        "1 error generated.",
        "make: *** [src/kelp_90.o] Error 1",
        "##[error]Process completed with exit code 2.",
    ]
    yield "build", "\n".join(build), "Why did the build fail?"
    tests = [f"tests/test_{r.choice(_WORDS)}.py::test_{i} PASSED [{i * 100 // 180:3d}%]" for i in range(180)]
    tests += [
        "=================================== FAILURES ===================================",
        "______________________________ test_tide_turns _________________________________",
        "    def test_tide_turns():", ">       assert tide(6) == 'ebb'", "E       AssertionError: assert 'flood' == 'ebb'",
        "tests/test_tide.py:12: AssertionError",
        "=========================== short test summary info ============================",
        "FAILED tests/test_tide.py::test_tide_turns - AssertionError: assert 'flood' == 'ebb'",
        "======================== 1 failed, 180 passed in 12.50s ========================",
    ]  # fmt: skip
    yield "tests", "\n".join(tests), None
    java = [f"12:00:{i % 60:02d} DEBUG [pool-{i % 4}] c.e.Cache - hit {i}" for i in range(150)]
    java[70:70] = [
        "12:01:10 ERROR [pool-2] c.e.Orders - failed",
        "java.lang.IllegalStateException: closed",
        *[f"\tat com.example.{w.title()}.run({w.title()}.java:{i})" for i, w in enumerate(_WORDS)],
        "Caused by: java.io.IOException: broken pipe",
        "\tat java.base/java.net.Socket.write(Socket.java:77)",
        "\t... 12 more",
    ]
    yield "java", "\r\n".join(java), "What caused the failure?"
    progress = [f"{i % 100:3d}% [{'=' * (i // 20):<6}] {i}/120 downloading" for i in range(120)]
    gradle = [
        "> Task :app:compile",
        *progress,
        "> Task :app:test",
        *[f"com.example.{w.title()}Test > holds PASSED" for w in _WORDS * 6],
        "com.example.TideTest > turns FAILED",
        "    org.opentest4j.AssertionFailedError: expected: <ebb> but was: <flood>",
        "        at com.example.TideTest.turns(TideTest.java:12)",
        "",
        "132 tests completed, 1 failed",
        "",
        "FAILURE: Build failed with an exception.",
        "* What went wrong:",
        "Execution failed for task ':app:test'.",
    ]
    yield "gradle", "\n".join(gradle), "Which test failed?"
    kinds = [
        f"12:{i // 60:02d}:{i % 60:02d} {['INFO', 'INFO', 'DEBUG', 'WARN'][i % 4]} {_WORDS[i % 9]} says number {i} of {['tides', 'boats', 'lamps'][i % 3]}"
        for i in range(900)
    ]
    yield "many kinds", "\n".join(kinds), "How many lamps has ember?"
    yield (
        "two failures",
        "\n".join(
            [
                *service[:150],
                *service[205:222],
                *service[150:200],
                "2026-05-04 12:05:00,000 FATAL grove - disk full",
                *service[230:300],
            ]
        ),
        None,
    )
    yield "coloured", "\n".join(f"\x1b[3{i % 7}m{i:4d} step {i} ok\x1b[0m" for i in range(150)), None


def search_cases() -> Iterator[Case]:
    """With numbers, with headings, with context, without numbers, and a web search."""
    r = random.Random(33)
    hits = [
        f"src/{r.choice(_WORDS)}/{w}.py:{n}:    {r.choice(_WORDS)} = load_{r.choice(_WORDS)}(retries={n % 5})"
        for w in _WORDS
        for n in sorted(r.sample(range(1, 400), 9))
    ]
    hits[50] = "src/tools/RetryPolicy.py:17:    raise RetryLimit(f'gave up after {self.limit} attempts')"
    text = "\n".join(hits)
    yield "hits", text, None
    yield "hits asked", text, "Where do we give up after too many attempts?"
    yield "hits asked by a name", text, "Who calls load_kelp?"
    yield "hits in camel case", text, "retry policy limit"
    heading = [
        line
        for w in _WORDS
        for line in (
            f"src/area/{w}.py",
            *[f"{n}:    value_{n} = {r.choice(_WORDS)}({n})" for n in range(10, 80, 7)],
            "",
        )
    ]
    yield "under headings", "\n".join(heading), "Where is value_45?"
    context = [
        line
        for w in _WORDS
        for n in (20, 60)
        for line in (
            f"lib/{w}.go-{n - 1}-	// about {w}",
            f"lib/{w}.go:{n}:	return {w}Value({n})",
            f"lib/{w}.go-{n + 1}-}}",
            "--",
        )
    ]
    yield "with context", "\n".join(context), "What does cedar return?"
    yield (
        "without numbers",
        "\n".join(
            f"docs/{w}/page_{i}.md: see the {r.choice(_WORDS)} of {w} for part {i}" for w in _WORDS for i in range(8)
        ),
        "Which page is about part 5 of fjord?",
    )
    web = "\n\n".join(
        f"{i}. {w.title()} of the north\n   https://example.org/{w}/{i}\n   The {w} is {r.choice(_WORDS)} in winter and {r.choice(_WORDS)} in summer."
        for i, w in enumerate(_WORDS * 2, 1)
    )
    yield "web", web, "How is the fjord in winter?"


def diff_cases() -> Iterator[Case]:
    """Many files, renames, new and deleted and generated files, binary files, moved lines."""
    r = random.Random(34)
    lines: list[str] = []
    for k, w in enumerate(_WORDS):
        lines += [
            f"diff --git a/src/{w}.py b/src/{w}.py",
            f"index {r.getrandbits(28):07x}..{r.getrandbits(28):07x} 100644",
            f"--- a/src/{w}.py",
            f"+++ b/src/{w}.py",
        ]
        for h in range(3):
            start = 10 + 40 * h
            lines += [
                f"@@ -{start},9 +{start},10 @@ def {w}_{h}(job):",
                *[f"     step_{h}_{c} = prepare(job, {c})" for c in range(4)],
            ]
            lines += [
                f"-    limit = {r.randint(1, 40)}",
                f"+    limit = {r.randint(41, 90)}",
                f"+    trace('{w}.{h}')",
                *[f"     last_{h}_{c} = finish(job, {c})" for c in range(4)],
            ]
        if k == 4:
            lines += [
                "diff --git a/old/name.py b/new/name.py",
                "similarity index 98%",
                "rename from old/name.py",
                "rename to new/name.py",
            ]
    deleted = [
        "diff --git a/gone.py b/gone.py",
        "deleted file mode 100644",
        "index 1234567..0000000",
        "--- a/gone.py",
        "+++ /dev/null",
        "@@ -1,30 +0,0 @@",
        *[f"-line {i} of a file that goes" for i in range(30)],
    ]
    new = [
        "diff --git a/made.py b/made.py",
        "new file mode 100644",
        "index 0000000..7654321",
        "--- /dev/null",
        "+++ b/made.py",
        "@@ -0,0 +1,20 @@",
        *[f"+made_{i} = {i}" for i in range(20)],
    ]
    lock = [
        "diff --git a/poetry.lock b/poetry.lock",
        "index 1111111..2222222 100644",
        "--- a/poetry.lock",
        "+++ b/poetry.lock",
        "@@ -10,40 +10,40 @@",
        *[f'-hash = "{r.getrandbits(64):016x}"' for _ in range(40)],
        *[f'+hash = "{r.getrandbits(64):016x}"' for _ in range(40)],
    ]
    binary = [
        "diff --git a/logo.png b/logo.png",
        "index 3333333..4444444 100644",
        "Binary files a/logo.png and b/logo.png differ",
    ]
    yield "files", "\n".join(lines), None
    yield "files asked", "\n".join(lines), "What changed in fjord_2?"
    yield "all sorts", "\n".join([*lines[:60], *deleted, *new, *lock, *binary]) + "\n", None
    yield "a deleted file asked", "\n".join([*lines[:60], *deleted, *new, *lock]) + "\n", "What was in gone.py?"
    log = [
        line
        for i in range(6)
        for line in (
            f"commit {r.getrandbits(160):040x}",
            "Author: Ada <ada@example.org>",
            f"Date:   Mon May {i + 1} 10:00:00 2026 +0200",
            "",
            f"    Change {i}",
            "",
            *lines[i * 46 : i * 46 + 30],
            "",
        )
    ]
    bare = [line for line in [*deleted, *new] if not line.startswith(("---", "+++"))]
    yield "without file lines", "\n".join([*lines[:46], *bare]) + "\n", None
    yield "log with patches", "\n".join(log), None


def table_cases() -> Iterator[Case]:
    """Commas, tabs, psql, Markdown, boxes, columns."""
    r = random.Random(35)
    head = ["id", "name", "state", "size", "ratio"]
    rows = [
        [f"{4000 + i}", f"{r.choice(_WORDS)}-{i}", "ready", f"{r.randint(100, 900)}", f"{r.random():.3f}"]
        for i in range(70)
    ]
    rows[31][2:4] = ["evicted", "7340032"]
    grid = [head, *rows]
    widths = [max(map(len, column)) for column in zip(*grid, strict=True)]
    padded = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in grid]
    yield "commas", "\n".join(",".join(row) for row in grid) + "\n", None
    yield "commas asked", "\n".join(",".join(row) for row in grid) + "\n", f"What is the ratio of {rows[50][1]}?"
    yield "commas asked for a sum", "\n".join(",".join(row) for row in grid) + "\n", "How many are ready in total?"
    yield "tabs", "\n".join("\t".join(row) for row in grid), "Which one is evicted?"
    rule = "+".join("-" * (width + 2) for width in widths)
    yield (
        "psql",
        "\n".join(
            [" " + " | ".join(padded[0]) + " ", rule, *[" " + " | ".join(row) + " " for row in padded[1:]], "(70 rows)"]
        ),
        "What is 4012?",
    )
    yield (
        "markdown",
        "\n".join(["| " + " | ".join(head) + " |", "|" + "---|" * 5, *["| " + " | ".join(row) + " |" for row in rows]]),
        None,
    )
    box = "+" + "+".join("-" * (width + 2) for width in widths) + "+"
    yield (
        "box",
        "\n".join(
            [box, "| " + " | ".join(padded[0]) + " |", box, *["| " + " | ".join(row) + " |" for row in padded[1:]], box]
        ),
        None,
    )
    yield "columns", "\n".join("   ".join(row).rstrip() for row in padded), f"Which state has {rows[9][1]}?"
    unnamed = [["id", "", "size"], *[[f"{i}", r.choice(_WORDS), f"{r.randint(1, 99)}"] for i in range(60)]]
    yield "a column without a name", "\n".join(",".join(row) for row in unnamed), "Which is 17?"
    yield (
        "quoted cells",
        "\n".join(["id,said,n", *[f'{i},"{r.choice(_WORDS)}, and ""{r.choice(_WORDS)}""",{i * 3}' for i in range(60)]]),
        "What did 21 say?",
    )
    yield (
        "right-aligned numbers",
        "\n".join(
            [
                f"{'name':<12}{'count':>8}{'share':>9}",
                *[f"{r.choice(_WORDS):<12}{r.randint(1, 99999):>8}{r.random():>9.4f}" for _ in range(60)],
            ]
        ),
        "How many has kelp?",
    )


def page_cases() -> Iterator[Case]:
    """Chrome around a main part, headings, lists, tables, raw text, broken nesting."""
    r = random.Random(36)
    menu = "".join(f'<li class="nav-item"><a href="/{w}">{w}</a></li>' for w in _WORDS)
    facts = "".join(
        f"<h2>{w.title()}</h2><p>The {w} station was built in {1850 + i} and has {r.randint(2, 99)} platforms &amp; a <b>clock</b>.</p>"
        for i, w in enumerate(_WORDS)
    )
    lists = "<ul>" + "".join(f"<li>{w}<ul><li>deep {w}</li></ul></li>" for w in _WORDS) + "</ul><ol><li>one<li>two</ol>"
    table = (
        "<table><thead><tr><th>name</th><th>size</th></tr></thead>"
        + "".join(f"<tr><td>{w}</td><td>{r.randint(1, 99)}</td></tr>" for w in _WORDS)
        + "</table>"
    )
    raw = "<pre>  keep\n    this</pre><script>var a = '<p>no</p>';</script><style>p{color:red}</style><textarea>typed <b></textarea>"
    page = f"<!doctype html><html><head><title>Stations</title></head><body><nav><ul>{menu}</ul></nav><main>{facts}{lists}{table}{raw}</main><footer>{menu}</footer></body></html>"
    yield "page", page, None
    yield "page asked", page, "How many platforms has fjord?"
    yield (
        "broken",
        f"<div><p>one<p>two<div>three</p></span>{facts}<br/><img src=x alt='a map'><a href='/q?a=1&b=2'>link</a>"
        + lists * 3,
        None,
    )


def config_cases() -> Iterator[Case]:
    """YAML, INI, TOML, environment, properties."""
    yaml = "version: 2\nservices:\n" + "".join(
        f"  {w}:\n    # How {w} runs.\n    image: registry.example/{w}:{i}\n    limits:\n      memory: {100 + i}Mi\n      cpu: {i}\n    args: [a, b]\n"
        for i, w in enumerate(_WORDS * 2)
    )
    yield "yaml", yaml, None
    yield "yaml asked", yaml, "What is the memory limit of kelp?"
    ini = "".join(
        f"[{w}]\n; about {w}\nhost = {w}.example\nport = {7000 + i}\ntimeout = {i}\n\n"
        for i, w in enumerate(_WORDS * 2)
    )
    yield "ini asked", ini, "Which port has harbor?"
    toml = "".join(
        f'[tool.{w}]\n# about {w}\nline-length = {80 + i}\nselect = [\n  "A",\n  "B",\n]\n\n'
        for i, w in enumerate(_WORDS * 2)
    )
    yield "toml asked", toml, "What is the line-length of ember?"
    yield (
        "environment",
        "".join(
            f"# {w}\n{w.upper()}_URL=https://{w}.example:{8000 + i}/\n{w.upper()}_RETRIES={i}\n"
            for i, w in enumerate(_WORDS * 3)
        ),
        "What is LAGOON_URL?",
    )


def tree_cases() -> Iterator[Case]:
    """Drawn trees, find, ls."""
    r = random.Random(37)
    paths = sorted(
        {f"app/{r.choice(_WORDS)}/{r.choice(_WORDS)}_{i}.{r.choice(['py', 'md', 'json'])}" for i in range(160)}
    )
    yield "find", "\n".join(paths), None
    yield "find asked", "\n".join(paths), "Where is the file about kelp and fjord?"
    drawn, seen = ["app"], ""
    for path in paths:
        _, folder, name = path.split("/")
        if folder != seen:
            drawn.append(f"├── {folder}")
            seen = folder
        drawn.append(f"│   ├── {name}")
    yield "drawn", "\n".join(drawn), None
    yield "drawn asked", "\n".join(drawn), "Which Markdown files are in cedar?"
    long = ["total 912"] + [
        f"-rw-r--r-- 1 ada staff {r.randint(100, 99999):6d} May {1 + i % 28:2d} 10:{i % 60:02d} {r.choice(_WORDS)}_{i}.txt"
        for i in range(90)
    ]
    yield "ls", "\n".join(long), "Which file is the largest?"
    yield "ls by folder", "\n\n".join(f"./{w}:\n" + "\n".join(f"{w}_{i}.rs" for i in range(12)) for w in _WORDS), None
    deep = ["root"]
    for depth in range(30):
        deep += [
            "│   " * depth + "├── " + f"level_{depth}",
            *["│   " * (depth + 1) + "├── " + f"{w}_{depth}.txt" for w in _WORDS[:4]],
        ]
    yield "deep", "\n".join(deep), "Where is kelp_3.txt?"
    yield "deep asked", "\n".join(deep), "Where is delta_27?"


def trace_cases() -> Iterator[Case]:
    """Python with a cause, Java, Node, Go."""
    frames = "\n".join(
        f'  File "/usr/lib/python3/site-packages/lib{i}/core.py", line {i}, in step_{i}\n    return inner_{i}(x)'
        for i in range(30)
    )
    own = '  File "/srv/app/orders.py", line 88, in save\n    self.pool.acquire()'
    python = f"Traceback (most recent call last):\n{own}\n{frames}\nKeyError: 'kelp'\n\nDuring handling of the above exception, another exception occurred:\n\nTraceback (most recent call last):\n{frames}\n{own}\napp.errors.NotSaved: order 17"
    yield "python", python, None
    yield "python asked", python, "What happened in step_21?"
    java = (
        "java.lang.IllegalStateException: closed\n"
        + "\n".join(f"\tat org.lib.Part{i}.run(Part{i}.java:{i})" for i in range(40))
        + "\n\tat com.example.Orders.save(Orders.java:12)\nCaused by: java.io.IOException: pipe\n"
        + "\n".join(f"\tat java.base/java.net.N{i}.write(N{i}.java:{i})" for i in range(20))
        + "\n\t... 41 more"
    )
    yield "java", java, None
    node = (
        "TypeError: Cannot read properties of undefined (reading 'id')\n"
        + "\n".join(f"    at step{i} (/srv/node_modules/lib{i}/index.js:{i}:7)" for i in range(40))
        + "\n    at save (/srv/app/orders.js:12:3)"
    )
    yield "node", node, None
    go = (
        "panic: runtime error: index out of range [7] with length 3\n\ngoroutine 1 [running]:\n"
        + "\n".join(f"lib/part{i}.Run(0x{i:x})\n\t/go/pkg/mod/lib/part{i}.go:{i} +0x1d" for i in range(30))
        + "\nmain.save(...)\n\t/srv/app/main.go:12"
    )
    yield "go", go, None


def code_cases() -> Iterator[Case]:
    """Python, TypeScript, Go."""
    python = '"""A module."""\n\nimport os\n\n' + "".join(
        f'class {w.title()}:\n    """About {w}. More of it."""\n\n    LIMIT = {i}\n\n    def load(self, path: str) -> int:\n        """Load {w}.\n\n        Long.\n        """\n'
        + "".join(f"        step_{c} = os.path.join(path, '{w}{c}')\n" for c in range(8))
        + "        return len(step_1)\n\n    def save(self):\n"
        + "".join(f"        self.part_{c} = {c}\n" for c in range(8))
        + "\n\n"
        for i, w in enumerate(_WORDS[:8])
    )
    yield "python", python, None
    yield "python asked", python, "How does Cedar.load build its steps?"
    script = "import { api } from './api';\n\n" + "".join(
        f"/** About {w}. */\nexport function {w}(job: Job, limit = {i}): number {{\n"
        + "".join(f"  const step{c} = api.get('{w}', {c});\n" for c in range(9))
        + "  return step1.size;\n}\n\n"
        for i, w in enumerate(_WORDS)
    )
    yield "typescript", script, "What does harbor return?"
    go = "package main\n\n" + "".join(
        f"// {w.title()} does {w}.\nfunc (s *Store) {w.title()}(n int) error {{\n"
        + "".join(f"\ts.put({c}, n)\n" for c in range(9))
        + "\treturn nil\n}\n\n"
        for w in _WORDS
    )
    yield "go", go, None
    comments = (
        "/*\n * A long licence text.\n"
        + "".join(f" * Line {i} of it, about nothing.\n" for i in range(20))
        + " */\n#include <stdio.h>\n\n"
    )
    names = (
        "static const char *NAMES[] = {\n" + "".join(f'    "{w}_{i}",\n' for i in range(4) for w in _WORDS) + "};\n\n"
    )
    c = (
        comments
        + names
        + "".join(
            f"/* What {w} does.\n * More of it. */\nint {w}(int n)\n{{\n"
            + "".join(f"    n += {c} * n;\n" for c in range(9))
            + "    return n;\n}\n\n"
            for w in _WORDS[:6]
        )
    )
    yield "c", c, "Which names begin with kelp?"
    table = (
        '"""Data."""\n\nSIZES = {\n'
        + "".join(f'    "{w}_{i}": {i},\n' for i in range(5) for w in _WORDS)
        + '}\n\n\ndef tiny(x):\n    """Say x.\n\n    And more about it.\n    """\n    return x\n\n\n'
    )
    nested = (
        "def outer(a):\n"
        + "".join(
            f"    def inner_{k}(b):\n" + "".join(f"        b += {c}\n" for c in range(7)) + "        return b\n\n"
            for k in range(3)
        )
        + "    return inner_1(a)\n"
    )
    yield "data and inner functions", table + nested, "What does inner_2 return?"
    inner = (
        "export function makeStore(url) {\n"
        + "".join(
            f"  function {w}Row(id) {{\n"
            + "".join(f"    const part{c} = url + '{w}' + id * {c};\n" for c in range(8))
            + "    return part1;\n  }}\n\n".replace("}}", "}")
            for w in _WORDS[:5]
        )
        + "  const save = (row) => {\n"
        + "".join(f"    row.push({c});\n" for c in range(9))
        + "    return row;\n  };\n  return { save };\n}\n"
    )
    yield "inner functions in javascript", inner, "What does cedarRow return?"
    java = (
        "package a.b;\n\npublic class Store {\n"
        + "".join(
            f"    /** Does {w}. */\n    @Override\n    public int {w}(int n) {{\n"
            + "".join(f"        n += {c};\n" for c in range(9))
            + "        return n;\n    }\n\n"
            for w in _WORDS[:6]
        )
        + "}\n"
    )
    yield "java", java, "What does delta return?"


def mixed_cases() -> Iterator[Case]:
    """Prose with fences, a log with JSON in it."""
    rows = json.dumps([{"id": i, "state": "ok"} for i in range(90)])
    log = "\n".join(f"12:00:{i % 60:02d} INFO step {i} done" for i in range(120))
    yield (
        "fences",
        f"Here is what I found.\n\n```json\n{rows}\n```\n\nAnd the log:\n\n```\n{log}\n```\n\nThat is all.",
        None,
    )
    yield "sections", f"# Result\n\n{rows}\n\n# Log\n\n{log}\n\n# End\n\nNothing else.", "Which step came last?"


AREAS = {
    "json": json_cases, "logs": log_cases, "search": search_cases, "diff": diff_cases, "table": table_cases,
    "html": page_cases, "config": config_cases, "tree": tree_cases, "trace": trace_cases, "code": code_cases,
    "mixed": mixed_cases,
}  # fmt: skip
