"""Tool outputs made here, with planted facts: nothing to download, the same on every machine of a Python version.

``cases(seed)`` gives by kind (text, question, facts that must stay visible). Code and prose come from the standard
library of the running Python, so their sizes differ a little between versions.
"""

from __future__ import annotations

import importlib
import inspect
import json
import random
from collections.abc import Iterator

from . import tables

Case = tuple[str, str, list[str]]
"""(text, question, facts that must stay visible)"""

_PROSE_WORDS = 2_600
_PROSE_MODULES = (
    "asyncio.events", "collections", "csv", "datetime", "decimal", "difflib", "email", "fractions", "functools",
    "heapq", "html.parser", "http.cookies", "logging", "mailbox", "optparse", "pickle", "random", "shelve", "socket",
    "statistics", "string", "subprocess", "tarfile", "threading", "unittest", "zipfile",
)  # fmt: skip


def cases(seed: int) -> dict[str, Case]:
    """One case of each kind."""
    r = random.Random(seed)
    made = {"json": shipments(r), "log": worker_log(r), "search": hits(r), "diff": change(r)}
    made |= {"trace": build(r), "code": source(seed), "prose": prose(r)}
    found = dict(tables.cases(seed))
    return made | {name: found[name] for name in ("csv", "html", "yaml") if name in found}


def shipments(r: random.Random) -> Case:
    """A list of shipments, one of them lost."""
    rows = [
        {
            "shipment": f"SHP-{52000 + 3 * i}", "client": f"client_{r.randint(1, 80)}", "state": "delivered",
            "weight_kg": round(r.uniform(0.2, 31), 2), "depot": r.choice(["Graz", "Lyon", "Turku", "Porto"]),
            "handed_over": f"2026-06-{1 + i % 28:02d}T{r.randint(5, 21):02d}:{r.randint(0, 59):02d}:00Z",
            "attempts": 1, "comment": None,
        }
        for i in range(220)
    ]  # fmt: skip
    rows[151] |= {"state": "lost", "weight_kg": 318.4, "attempts": 6, "comment": "seal broken at customs gate 9"}
    facts = ["SHP-52453", "318.4", "seal broken at customs gate 9"]
    return json.dumps(rows, indent=2), "Which shipment was lost, and what happened to it?", facts


def worker_log(r: random.Random) -> Case:
    """A night of a service, three lines of which tell of trouble."""
    parts = ["ingest", "router", "billing", "mailer", "cache"]
    lines = [
        f"2026-06-11 0{i // 600}:{i // 10 % 60:02d}:{6 * (i % 10):02d}.{r.randint(0, 999):03d} {r.choice(['INFO ', 'INFO ', 'DEBUG'])} "
        f"{r.choice(parts)}: batch {r.randint(10**6, 10**7)} done, {r.randint(1, 400)} items in {r.randint(2, 80)} ms"
        for i in range(1900)
    ]
    lines[388] = "2026-06-11 00:38:48.114 ERROR billing: ledger 172.19.8.40:6432 refused the connection, try 3 of 3"
    lines[1107] = "2026-06-11 01:50:42.870 ERROR router: checksum mismatch for tenant=77120"
    lines[1699] = "2026-06-11 02:49:54.002 FATAL cache: shard 12 stopped: disk quota exceeded (used 512 GiB)"
    facts = ["172.19.8.40:6432 refused", "tenant=77120", "disk quota exceeded"]
    return "\n".join(lines), "What went wrong during the night?", facts


def hits(r: random.Random) -> Case:
    """Search results over a code base, one of which is the answer."""
    files = [f"lib/area{a}/part_{p}.py" for a in range(7) for p in range(7)]
    lines = [
        f"{file}:{number}:        total = ledger.balance(account={r.randint(1, 900)}, cents={r.choice(['True', 'False'])})"
        for file in files
        for number in sorted(r.sample(range(1, 800), r.randint(3, 9)))
    ]
    lines.insert(173, "lib/area3/compat.py:58:        # FIXME: ledger.balance rounds half cents away here")
    return "\n".join(lines), "Where does ledger.balance round half cents away?", ["compat.py", "rounds half cents away"]


def change(r: random.Random) -> Case:
    """A wide change, one added line of which opens a hole."""
    lines: list[str] = []
    for k in range(11):
        lines += [
            f"diff --git a/app/unit_{k}.py b/app/unit_{k}.py",
            f"index {r.getrandbits(28):07x}..{r.getrandbits(28):07x} 100644",
        ]
        lines += [f"--- a/app/unit_{k}.py", f"+++ b/app/unit_{k}.py"]
        for h in range(5):
            start = 12 + 45 * h
            lines.append(f"@@ -{start},13 +{start},14 @@ def handle_{k}_{h}(job):")
            lines += [f"     before_{k}_{h}_{c} = prepare(job, step={c})" for c in range(6)]
            lines += [f"-    limit = options.get('limit_{k}_{h}', {r.randint(1, 40)})"]
            lines += [
                f"+    limit = options.get('limit_{k}_{h}', {r.randint(41, 90)})",
                f"+    trace.note('limit of {k}.{h}')",
            ]
            lines += [f"     after_{k}_{h}_{c} = finish(job, step={c})" for c in range(6)]
    lines.insert(
        next(i for i, line in enumerate(lines) if "trace.note('limit of 5.2')" in line) + 1,
        "+    verify_certificates = False",
    )
    return "\n".join(lines), "Does the change switch off a security check?", ["verify_certificates = False"]


def build(r: random.Random) -> Case:
    """A test run that fails in one place."""
    modules = [f"tests/unit/test_{name}_{i}.py" for i in range(9) for name in ("store", "parser", "queue", "clock")]
    lines = [f"{name}::test_case_{r.randint(1, 400)} PASSED [{at % 100:3d}%]" for at, name in enumerate(modules * 12)]
    failure = [
        "=================================== FAILURES ===================================",
        "__________________________ test_half_open_interval _____________________________",
        "    def test_half_open_interval():", ">       assert spans(3, 9).last == 8", "E       assert 9 == 8",
        "E        +  where 9 = Spans(first=3, last=9).last", "", "tests/unit/test_spans.py:41: AssertionError",
        "=========================== short test summary info ============================",
        "FAILED tests/unit/test_spans.py::test_half_open_interval - assert 9 == 8",
        f"======================= 1 failed, {len(lines)} passed in 61.07s =======================",
    ]  # fmt: skip
    facts = ["test_half_open_interval", "assert 9 == 8", "test_spans.py:41"]
    return "\n".join([*lines, *failure]), "Which test fails, and why?", facts


def source(seed: int) -> Case:
    """A module of the standard library, asked for one method; a number on top makes it another text."""
    import configparser

    facts = ["def read_dict", "self.add_section(section)"]
    return f"# {seed}\n{inspect.getsource(configparser)}", "How does read_dict add sections?", facts


def prose(r: random.Random) -> Case:
    """Paragraphs of the standard library's documentation, shuffled, and one planted sentence."""
    found = list(dict.fromkeys(_paragraphs()))
    r.shuffle(found)
    kept: list[str] = []
    words = 0
    for paragraph in found:
        if words >= _PROSE_WORDS:
            break
        kept.append(paragraph)
        words += len(paragraph.split())
    kept.insert(
        len(kept) * 3 // 5, "Before the harbour froze, the pilot hid the spare key KV-2093 behind the barometer."
    )
    return "\n\n".join(kept), "Where did the pilot hide the spare key?", ["KV-2093", "behind the barometer"]


def _paragraphs() -> Iterator[str]:
    """Running text alone: no code, no tables, no lists."""
    for name in _PROSE_MODULES:
        module = importlib.import_module(name)
        for _, value in [("", module), *sorted(vars(module).items())]:
            told = getattr(value, "__doc__", None)
            for paragraph in (told if isinstance(told, str) else "").split("\n\n"):
                flat = " ".join(paragraph.split())
                if len(flat.split()) >= 25 and flat.endswith(".") and not set(flat) & set("<>=|{}()[]_*`:"):
                    yield flat
