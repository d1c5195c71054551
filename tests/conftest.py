"""Shared by all tests: a state folder of their own, and how many examples a property gets."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

os.environ.setdefault("OMP_NUM_THREADS", "1")  # tests run side by side; small tensors gain nothing from more
settings.register_profile(
    "default",
    max_examples=100,
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=list(HealthCheck),
)
settings.load_profile("default")


@pytest.fixture(autouse=True)
def _own_state_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test gets its own state folder and no kill switch."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HEADROOM_HOME", str(home))
    for name in ("HEADROOM_DISABLE", "HEADROOM_STORE", "HEADROOM_NAMESPACE", "HEADROOM_KEY", "HEADROOM_OLD_KEYS"):
        monkeypatch.delenv(name, raising=False)
    return home
