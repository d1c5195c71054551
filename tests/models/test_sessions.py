"""Sessions of ONNX Runtime: damaged and missing files are told, and two networks share their working memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from headroom_core.errors import ModelError
from headroom_core.models.registry import BUNDLED
from headroom_core.models.sessions import session


def test_a_damaged_graph_is_told(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """What ONNX Runtime raises comes out as one error that names the file, and nothing is printed besides."""
    whole = (BUNDLED / "kompress" / "phrases.onnx").read_bytes()
    for name, data in (("text.onnx", b"not a graph"), ("half.onnx", whole[: len(whole) // 2])):
        file = tmp_path / name
        file.write_bytes(data)
        with pytest.raises(ModelError, match=name):
            session(file)
    assert capfd.readouterr() == ("", "")


def test_a_missing_graph_is_told(tmp_path: Path) -> None:
    """The remedy is named."""
    with pytest.raises(ModelError, match="install the package again"):
        session(tmp_path / "none.onnx")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_two_networks_share_their_memory() -> None:
    """A question runs through both stages; the second stage then takes little besides what the first left."""
    code = """
from pathlib import Path
from headroom_core.kompress.compressor import KompressCompressor
def resident():
    return int(Path("/proc/self/status").read_text().partition("RssAnon:")[2].split()[0]) / 1024
compressor = KompressCompressor(enable_ccr=False, threads=1)
text = "The harbour of Lenvik was built in 1891 by the engineer Ada Moen, and it has two long piers. " * 18
compressor.load()
begin = resident()
compressor.compress(text)
first = resident()
compressor.compress(text, query="Who built the harbour?")
print(first - begin, resident() - first)
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    first, second = map(float, done.stdout.split())
    assert second < 0.85 * first  # 0.6 together, 1.2 apart
