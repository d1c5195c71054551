"""The one file that reads the environment, and the state folder with the key in it.

HEADROOM_DISABLE     ``1``: every message goes out as it came (kill switch)
HEADROOM_HOME        state folder; default: the platform's place for application state
HEADROOM_STORE       url of the originals store; default: SQLite in the state folder
HEADROOM_NAMESPACE   default namespace; default: one per user account and application
HEADROOM_KEY         the secret behind references, marks and encryption; default: generated once in the state folder
HEADROOM_OLD_KEYS    secrets that were rotated out, separated by commas: what they issued still resolves

Every function reads its value anew, so a test or a program may change the environment at any time.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import sys
from functools import lru_cache
from pathlib import Path

from headroom_core.errors import InvalidInput, StoreError

_OFF = frozenset({"", "0", "false", "no", "off"})
_SHORTEST_SECRET = 32
_LOGIN = re.compile(r"(?<=//)[^/]*@")


def disabled() -> bool:
    """Is the kill switch on?"""
    return os.environ.get("HEADROOM_DISABLE", "").strip().lower() not in _OFF


def store_url() -> str | None:
    """The url of the originals store, or None for SQLite in the state folder."""
    return os.environ.get("HEADROOM_STORE") or None


def store_place() -> str:
    """Where originals lie, fit to be shown: the url without its login, or the state folder."""
    url = store_url()
    return _LOGIN.sub("", url) if url else str(home())


def home() -> Path:
    """The state folder. It is made, mode 0700, by whoever first writes into it."""
    chosen = os.environ.get("HEADROOM_HOME")
    if chosen:
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "headroom"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "headroom"
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "headroom"


def namespace() -> str:
    """The namespace of callers that name none: one per user account and application.

    The application is the started program's path, so two programs of one user do not read each other's originals.
    It is the same after a restart and in worker processes.
    """
    chosen = os.environ.get("HEADROOM_NAMESPACE")
    return chosen or _namespace_of(sys.argv[0] if sys.argv and sys.argv[0] else "interactive", os.getcwd())


@lru_cache(maxsize=8)
def _namespace_of(started: str, folder: str) -> str:
    program = Path(started)
    path = os.path.join(folder, program)
    stem = program.parent.name if program.stem == "__main__" else program.stem
    return f"{_account()}.{stem}.{hashlib.sha256(os.path.normpath(path).encode('utf-8', 'surrogateescape')).hexdigest()[:8]}"


def store_and_keys() -> tuple[str | None, ...]:
    """What decides which store is the default one and with which keys, without reading a file: for comparing."""
    named = (os.environ.get(name) for name in ("HEADROOM_STORE", "HEADROOM_KEY", "HEADROOM_OLD_KEYS"))
    return (str(home()), *named)


def keys() -> tuple[bytes, ...]:
    """The secrets, 32 bytes each: the one in use first, then those rotated out.

    Raises ``InvalidInput`` for a secret that is too short, ``StoreError`` where the key file cannot be made or read.
    """
    chosen = os.environ.get("HEADROOM_KEY")
    current = _secret(chosen, "HEADROOM_KEY") if chosen else _kept_key(home() / "key")
    old = [text.strip() for text in os.environ.get("HEADROOM_OLD_KEYS", "").split(",")]
    return (current, *(_secret(text, "HEADROOM_OLD_KEYS") for text in old if text))


def make_private_folder(folder: Path) -> None:
    """Make a folder that only this user account may enter; one that exists stays as it is.

    Raises ``StoreError`` with the remedy.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise StoreError(
            f"Cannot make the folder {folder} ({reason}). Set HEADROOM_HOME to a folder that you own."
        ) from error


def _account() -> str:
    getuid = getattr(os, "getuid", None)
    return f"uid{getuid()}" if getuid else os.environ.get("USERNAME", "user")


def _secret(text: str, name: str) -> bytes:
    """Hash a secret into a key: the text of the key file, set as HEADROOM_KEY, gives the same key."""
    if len(text) < _SHORTEST_SECRET:
        raise InvalidInput(
            f"{name} holds a secret of {len(text)} characters; it needs at least {_SHORTEST_SECRET}. "
            "Make one with: openssl rand -hex 32"
        )
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()


def _kept_key(file: Path) -> bytes:
    """Read the key file; make it where it is missing, as the first process of this account does."""
    make_private_folder(file.parent)
    try:
        if not file.exists():
            _write_key(file)
        return _read_key(file)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise StoreError(f"Cannot make the key file {file} ({reason}). Set HEADROOM_KEY or HEADROOM_HOME.") from error


def _write_key(file: Path) -> None:
    """Write a fresh secret. Hard-linking a finished file is atomic: of several processes one wins, all read its key."""
    draft = file.with_name(f"{file.name}.{os.getpid()}.{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as opened:
            opened.write(secrets.token_hex(32) + "\n")
            opened.flush()
            os.fsync(opened.fileno())
        try:
            os.link(draft, file)
        except FileExistsError:
            return  # another process was first
    finally:
        draft.unlink()


def _read_key(file: Path) -> bytes:
    """Raises ``StoreError`` where it is not a key."""
    try:
        text = file.read_text(encoding="ascii").strip()
        if os.name == "posix":
            status = file.stat()
            if status.st_uid not in (0, os.geteuid()):
                raise StoreError(
                    f"The key file {file} belongs to another account, which may know the key. Set HEADROOM_HOME to a "
                    "folder that you own."
                )
            if status.st_mode & 0o077:
                file.chmod(0o600)
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(
            f"Cannot read the key file {file} ({type(error).__name__}). Check its owner and mode (0600)."
        ) from error
    if len(text) < _SHORTEST_SECRET:
        raise StoreError(
            f"The key file {file} is damaged: {len(text)} characters, at least {_SHORTEST_SECRET} expected. "
            "Restore it from a backup; deleting it makes a new key, and earlier originals become unreadable."
        )
    return _secret(text, str(file))
