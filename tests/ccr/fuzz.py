"""Coverage-guided fuzzing of one transform, and of detection, markers and retrieval with it, by atheris.

python -m tests.ccr.fuzz KIND -runs=10000 -max_len=4000
"""

from __future__ import annotations

import importlib
import sys
import tempfile
from pathlib import Path
from typing import Any

import atheris

with atheris.instrument_imports(include=["headroom_core"]):
    from headroom_core.ccr.marks import is_own, read_mark
    from headroom_core.ccr.memory import MemoryBlobs
    from headroom_core.ccr.originals import Originals
    from headroom_core.ccr.retrieve import answer
    from headroom_core.image.decision import Technique
    from headroom_core.image.plan import Planner
    from headroom_core.kinds import detect
    from headroom_core.pipeline import Compressor
    from headroom_core.transforms.picture import Picture
    from headroom_core.types import Bytes, Image, Message, Text

    for _name in ("passages", "selections", "slices_code", "slices_json"):
        importlib.import_module(f"headroom_core.ccr.{_name}")

    KIND = sys.argv.pop(1)
    STORE = Originals(MemoryBlobs(max_bytes=None), key=b"k" * 32)
    _options: dict[str, Any] = {
        "originals": STORE,
        "retrievable": True,
        "namespace": "ns",
        "strict": True,
        "min_tokens": 0,
    }
    if KIND not in ("mixed", "image"):
        _options["kind"] = KIND
    MADE = Compressor(**_options)
    MADE([Message("tool", (Text("warm up: loads what is loaded late\n" * 50),))])

from tests.image.pictures import PAGE, FakeRouter, picture_bytes, reader

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
SEEDS["mixed"] = "Read this:\n```json\n" + SEEDS["json"] * 3 + "\n```\nand this:\n```python\n" + SEEDS["code"] + "```\n"


def one_text(data: bytes) -> None:
    """Nothing raises, nothing grows, every original comes back."""
    query = ("failed", "a.py x", None)[data[0] % 3] if data else None
    text = data[1:].decode("utf-8", "surrogateescape")
    detect(text)
    assert read_mark(text) is None or not is_own(text, STORE, "ns")
    outcome = MADE([Message("tool", (Text(text),))], query=query)
    assert outcome.compressed_tokens <= outcome.original_tokens
    for change in outcome.changes:
        if change.ref is not None:
            assert STORE.get(change.ref, namespace="ns").decode("utf-8", "surrogatepass") == text
            answer({"ref": change.ref, "query": query or "x"}, originals=STORE, namespace="ns")


def one_picture(data: bytes) -> None:
    """The same for a picture; the first byte says what shall become of it."""
    technique = list(Technique)[data[0] % len(Technique)] if data else Technique.CROP
    picture = Picture(Planner(FakeRouter(technique, seen=PAGE), reader()))
    made = MADE.with_options(transforms={"image": picture}, roles=("user",))
    outcome = made([Message("user", (Text("What is the total?"), Image(Bytes(data[1:]), None)))])
    assert outcome.compressed_tokens <= outcome.original_tokens
    for change in outcome.changes:
        if change.ref is not None:
            assert STORE.get(change.ref, namespace="ns") == data[1:]
            answer({"ref": change.ref, "region": "bottom right"}, originals=STORE, namespace="ns")


def seeds() -> list[bytes]:
    """Where the search begins."""
    if KIND != "image":
        return [bytes([number]) + SEEDS[KIND].encode() for number in range(3)]
    forms = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
    return [bytes([n]) + picture_bytes(40, 30, form=form) for n, form in enumerate(forms)]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        for number, seed in enumerate(seeds()):
            (Path(folder) / str(number)).write_bytes(seed)
        atheris.Setup([*sys.argv, folder], one_picture if KIND == "image" else one_text)
        atheris.Fuzz()
