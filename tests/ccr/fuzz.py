"""Coverage-guided fuzzing of detection, every transform, markers and retrieval with atheris.

python -m tests.ccr.fuzz -runs=100000 -max_len=4000
"""

from __future__ import annotations

import importlib
import sys
import tempfile
from pathlib import Path

import atheris

KINDS = ("json", "log", "search", "diff", "code", "table", "html", "config", "tree", "trace", "prose")

with atheris.instrument_imports(include=["headroom_core"]):
    from headroom_core.ccr.marks import is_own, read_mark
    from headroom_core.ccr.memory import MemoryBlobs
    from headroom_core.ccr.originals import Originals
    from headroom_core.ccr.retrieve import answer
    from headroom_core.kinds import detect
    from headroom_core.pipeline import Compressor
    from headroom_core.transforms import transform_for
    from headroom_core.types import Message, Text

    for _name in ("passages", "selections", "slices_code", "slices_json"):
        importlib.import_module(f"headroom_core.ccr.{_name}")

    STORE = Originals(MemoryBlobs(max_bytes=None), key=b"k" * 32)
    MADE: list[Compressor] = []
    for _kind in KINDS:
        try:
            transform_for(_kind)  # type: ignore[arg-type]
        except ModuleNotFoundError:
            continue
        _options = {"originals": STORE, "retrievable": True, "namespace": "ns", "strict": True, "min_tokens": 0}
        MADE.append(Compressor(kind=_kind, **_options))  # type: ignore[arg-type]
        MADE[-1]([Message("tool", (Text("warm up: loads what is loaded late\n" * 50),))])

SEEDS = {
    "json": '[{"id":1,"a":"x","b":[1,2]},{"id":2,"a":null}]' * 4,
    "log": "2026-05-04 12:00:01 INFO a=1 handled\n2026-05-04 12:00:02 ERROR failed\n  at x (y.js:1:2)\n" * 8,
    "search": "src/a.py:3:    x = y\nsrc/a.py-4-z\n--\nsrc/b.py:9:call(x)\n" * 8,
    "diff": "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1,3 +1,3 @@\n a\n-b\n+c\n d\n" * 4,
    "code": "import os\n\nclass A:\n    def f(self, x):\n        return os.path.join(x, 'y')\n" * 5,
    "table": "| a | b |\n|---|---|\n| 1 | 2 |\n" + "| 3 | 4 |\n" * 20,
    "html": "<html><body><nav>x</nav><p>text <a href='u'>l</a></p><table><tr><td>1</td></tr></table></body></html>" * 3,
    "config": "[a]\nkey = 1\n# note\n[b]\nlist = [1, 2]\n" * 8,
    "tree": "root\n├── a\n│   ├── b.py\n│   └── c.py\n└── d\n" * 5,
    "trace": 'Traceback (most recent call last):\n  File "a.py", line 3, in f\n    g()\nValueError: x\n' * 5,
    "prose": "The order failed because the gateway timed out. It was tried again. " * 10,
}


def one(data: bytes) -> None:
    """Nothing raises, nothing grows, every original comes back."""
    if len(data) < 2:
        return
    compressor = MADE[data[0] % len(MADE)]
    query = ("failed", "a.py x", None)[data[1] % 3]
    text = data[2:].decode("utf-8", "surrogateescape")
    detect(text)
    assert read_mark(text) is None or not is_own(text, STORE, "ns")
    outcome = compressor([Message("tool", (Text(text),))], query=query)
    assert outcome.compressed_tokens <= outcome.original_tokens
    for change in outcome.changes:
        if change.ref is not None:
            assert STORE.get(change.ref, namespace="ns").decode("utf-8", "surrogatepass") == text
            answer({"ref": change.ref, "query": query or "x"}, originals=STORE, namespace="ns")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        for number, seed in enumerate(SEEDS.values()):
            (Path(folder) / str(number)).write_bytes(bytes([number, 0]) + seed.encode())
        atheris.Setup([*sys.argv, folder], one)
        atheris.Fuzz()
