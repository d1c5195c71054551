"""The key and the state folder: generated once, private, the same for all processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from headroom_core import settings
from headroom_core.errors import InvalidInput, StoreError


def test_the_key_is_made_once_and_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """File mode 0600 in a folder of mode 0700; the next call reads the same key; no draft is left over."""
    monkeypatch.setenv("HEADROOM_HOME", str(tmp_path / "state"))
    first = settings.keys()
    assert settings.keys() == first
    assert len(first[0]) == 32
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "state" / "key").stat().st_mode & 0o777 == 0o600
    assert [file.name for file in (tmp_path / "state").iterdir()] == ["key"]


def test_processes_that_start_together_agree(tmp_path: Path) -> None:
    """Twelve processes that all find no key end with one."""
    program = "from headroom_core import settings; print(settings.keys()[0].hex())"
    started = [
        subprocess.Popen(
            [sys.executable, "-c", program],
            env={"HEADROOM_HOME": str(tmp_path / "state"), "PATH": "/usr/bin"},
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(12)
    ]
    printed = {process.communicate(timeout=60)[0].strip() for process in started}
    assert len(printed) == 1
    assert len(printed.pop()) == 64


def test_a_key_file_that_others_may_read_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wider mode is put right."""
    monkeypatch.setenv("HEADROOM_HOME", str(tmp_path))
    settings.keys()
    (tmp_path / "key").chmod(0o644)
    settings.keys()
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600


def test_a_damaged_key_file_is_never_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new key would make every original unreadable without a word; so it is said instead."""
    monkeypatch.setenv("HEADROOM_HOME", str(tmp_path))
    for content in (b"", b"short", b"\xff" * 64):
        (tmp_path / "key").write_bytes(content)
        with pytest.raises(StoreError, match="key file"):
            settings.keys()
        assert (tmp_path / "key").read_bytes() == content


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="accounts are those of POSIX here")
def test_a_key_file_of_another_account_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who plants a key in a folder that all may write knows the key; the system's own account may provide one."""
    monkeypatch.setenv("HEADROOM_HOME", str(tmp_path))
    settings.keys()
    owner = (tmp_path / "key").stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    if owner == 0:
        settings.keys()
        os.chown(tmp_path / "key", 12345, -1)
    with pytest.raises(StoreError, match="another account"):
        settings.keys()


def test_secrets_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The text of the key file, set as HEADROOM_KEY elsewhere, is the same key; old ones follow; short ones are refused."""
    monkeypatch.setenv("HEADROOM_HOME", str(tmp_path))
    kept = settings.keys()[0]
    monkeypatch.setenv("HEADROOM_KEY", (tmp_path / "key").read_text().strip())
    monkeypatch.setenv("HEADROOM_OLD_KEYS", f"{'o' * 40}, {'p' * 40}")
    assert settings.keys()[0] == kept
    assert len(settings.keys()) == 3
    monkeypatch.setenv("HEADROOM_KEY", "too short")
    with pytest.raises(InvalidInput, match="9 characters"):
        settings.keys()


def test_two_programs_of_one_user_do_not_share(monkeypatch: pytest.MonkeyPatch) -> None:
    """The default namespace holds the program's path; HEADROOM_NAMESPACE replaces it."""
    monkeypatch.setattr(sys, "argv", ["/srv/shop/main.py"])
    shop = settings.namespace()
    monkeypatch.setattr(sys, "argv", ["/srv/bank/main.py"])
    assert settings.namespace() != shop
    monkeypatch.setattr(sys, "argv", [])
    assert settings.namespace()
    monkeypatch.setenv("HEADROOM_NAMESPACE", "tenant 7")
    assert settings.namespace() == "tenant 7"


@pytest.mark.parametrize(("value", "off"), [("1", True), ("true", True), ("0", False), ("", False), ("False", False)])
def test_the_kill_switch(value: str, off: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """HEADROOM_DISABLE=1 turns everything off, 0 does not."""
    monkeypatch.setenv("HEADROOM_DISABLE", value)
    assert settings.disabled() is off


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file where the folder should be gives a sentence with the remedy."""
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("HEADROOM_HOME", str(tmp_path / "file" / "state"))
    with pytest.raises(StoreError, match=r"HEADROOM_HOME|HEADROOM_KEY"):
        settings.keys()


@pytest.mark.parametrize(
    ("platform", "variables", "place"),
    [
        ("win32", {"LOCALAPPDATA": "/data/local"}, "/data/local/headroom"),
        ("darwin", {"HOME": "/Users/ada"}, "/Users/ada/Library/Application Support/headroom"),
        ("linux", {"XDG_STATE_HOME": "/state"}, "/state/headroom"),
        ("linux", {"HOME": "/home/ada", "XDG_STATE_HOME": ""}, "/home/ada/.local/state/headroom"),
        ("linux", {"HEADROOM_HOME": "~/mine", "HOME": "/home/ada"}, "/home/ada/mine"),
    ],
)
def test_each_platform_has_its_place_for_state(
    platform: str, variables: dict[str, str], place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The state folder follows the platform's rules, and a chosen one wins."""
    monkeypatch.delenv("HEADROOM_HOME")
    monkeypatch.setattr(sys, "platform", platform)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert settings.home() == Path(place)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read every file")
def test_a_key_file_that_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says which file and which settings help."""
    settings.keys()
    (settings.home() / "key").chmod(0)
    with pytest.raises(StoreError, match="HEADROOM_KEY or HEADROOM_HOME"):
        settings.keys()


def test_a_key_file_that_is_a_folder_is_named() -> None:
    """The same for a folder in its place."""
    (settings.home() / "key").mkdir(parents=True)
    with pytest.raises(StoreError, match="Check its owner and mode"):
        settings.keys()
