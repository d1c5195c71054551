"""Checkpoints of the published layout: a tiny random one, written here."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from headroom_core.errors import InvalidInput, ModelError
from headroom_core.kompress.compressor import KompressCompressor
from headroom_core.models.registry import BUNDLED
from tests.kompress.texts import DOCUMENTS, LONG, QUESTION

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``model.safetensors``, ``config.json`` and a tokenizer."""
    from safetensors.torch import save_file
    from transformers import ModernBertConfig, ModernBertModel

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("tiny")
    config = ModernBertConfig(
        vocab_size=30522,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        pad_token_id=0,
        bos_token_id=101,
        eos_token_id=102,
        cls_token_id=101,
        sep_token_id=102,
    )
    config.save_pretrained(str(folder))
    state = {f"encoder.{k}": v for k, v in ModernBertModel(config).state_dict().items()}
    heads = {
        "token_head": torch.nn.Linear(32, 2),
        "span_conv.0": torch.nn.Conv1d(32, 256, 5, padding=2),
        "span_conv.2": torch.nn.Conv1d(256, 1, 3, padding=1),
    }
    for name, module in heads.items():
        state |= {f"{name}.{k}": v for k, v in module.state_dict().items()}
    save_file({k: v.contiguous() for k, v in state.items()}, str(folder / "model.safetensors"))
    (folder / "tokenizer.json").write_bytes((BUNDLED / "kompress" / "tokenizer.json").read_bytes())
    return folder


def test_a_folder_of_the_published_layout_loads_and_compresses(checkpoint: Path):
    """The same calls work; budgets hold; scores do not depend on padding."""
    compressor = KompressCompressor(model=checkpoint, enable_ccr=False)
    result = compressor.compress(LONG[:1200], target_ratio=0.5)
    assert abs(result.compression_ratio - 0.5) <= 0.05
    asked = compressor.compress_documents(DOCUMENTS, QUESTION, target_ratio=0.4)
    assert sum(r.compressed_tokens for r in asked) > 0
    model, tokenizer, backend = compressor.load()
    assert backend == "torch"
    several = tokenizer(DOCUMENTS, padding=True)
    one = tokenizer(DOCUMENTS[2])
    alone = model.get_scores(one["input_ids"], one["attention_mask"])[0]
    padded = model.get_scores(several["input_ids"], several["attention_mask"])[2]
    assert np.array_equal(alone, padded[: len(alone)])


def test_such_a_model_promises_nothing(checkpoint: Path):
    """Without calibration ``max_risk`` is refused."""
    with pytest.raises(InvalidInput, match="calibrated"):
        KompressCompressor(model=checkpoint, enable_ccr=False).compress(LONG[:900], query="ice?", max_risk=0.1)


def test_a_folder_without_weights_or_heads_is_named(checkpoint: Path, tmp_path: Path):
    """Missing files and missing heads give a ``ModelError`` that says which."""
    for name in ("config.json", "tokenizer.json"):
        (tmp_path / name).write_bytes((checkpoint / name).read_bytes())
    with pytest.raises(ModelError, match="holds no"):
        KompressCompressor(model=tmp_path, enable_ccr=False).load()
    from safetensors.torch import load_file, save_file

    state = {
        k: v for k, v in load_file(str(checkpoint / "model.safetensors")).items() if not k.startswith("token_head")
    }
    save_file(state, str(tmp_path / "model.safetensors"))
    with pytest.raises(ModelError, match="token head"):
        KompressCompressor(model=tmp_path, enable_ccr=False).load()
    assert json.loads((tmp_path / "config.json").read_text())["hidden_size"] == 32
