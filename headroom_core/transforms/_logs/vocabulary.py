"""Words of build tools, test runners and loggers, as rows: what a failure, a pass or a level looks like.

A pair is two neighbouring words as ``tokens`` cuts them: letters, digits (``N`` stands for a number from 2 on) or signs.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from headroom_core.transforms._logs.tokens import bigram_hash, word_hash

ERROR = "ERROR FATAL CRITICAL SEVERE PANIC EMERG ALERT CRIT Error error fatal panic critical"
WARN = "WARN WARNING Warning warning warn"
INFO = "INFO DEBUG TRACE NOTICE VERBOSE info debug notice FINE CONFIG Info Debug"

STRONG = """
    error errors fail fails failed failing failure failures fatal exception exceptions panic panicked abort aborted
    aborting traceback crash crashed segfault fault assertion assert unhandled uncaught broken err offenses offense
    violation violations
"""
WEAK = """
    cannot could couldn unable undefined unresolved missing invalid expected unexpected denied refused timeout timed
    not found exists unknown unsupported unrecognized undeclared illegal conflict conflicts mismatch differs wrong
    required incompatible killed terminated rejected forbidden unauthorized expired exceeded overflow corrupt
    deprecated warning warnings should must redefinition conflicting ambiguous unsatisfied unmet
"""
GOOD = """
    ok passed pass passing success successful successfully succeeded done completed finished installed downloaded
    downloading installing compiling fetching get resolving skipped skip
"""

# A line that begins so opens the report of a failure.
FAIL_HEADS = """
    [-] [x] [X] ✖ ✗ ✘ × ❌ ✕ ● FAIL FAILED FAILURE FAILURES Failure Failures ERROR ERRORS FATAL Fatal fatal Error error
    Errors Traceback panic Exception Unhandled Uncaught Assertion Caused Unable Cannot Failed failed E F
"""
FAIL_HEAD_PAIRS = (
    ("---", "FAIL"), ("not", "ok"), ("1", ")"), ("N", ")"), ("npm", "ERR"), ("[", "ERROR"), ("[", "error"), ("[", "FAIL"),
    ("##[", "error"), ("**", "("), ("***", "["), ("***", "Error"), ("thread", "'"), ("!", "LaTeX"), ("make", ":"),
    ("make", "["), ("rake", "aborted"), ("Test", "failed"), ("Tests", "failed"), ("syntax", "error"), ("[", "x"),
    ("Could", "not"), ("could", "not"), ("command", "not"), ("/", "bin"), ("bash", ":"), ("sh", ":"), ("+", "Full"),
    ("Build", "failed"), ("BUILD", "FAILED"), ("There", "was"), ("There", "were"), ("Process", "completed"),
)  # fmt: skip
GOOD_HEADS = "[+] ✓ ✔ √ ☑ ok OK PASS PASSED Passed passed ▸ ✅"
GOOD_HEAD_PAIRS = (
    ("---", "PASS"), ("===", "RUN"), ("---", "SKIP"), ("[", "OK"), ("[", "PASS"), ("===", "CONT"), ("===", "PAUSE"),
    ("Test", "passed"), ("[", "✓"),
)  # fmt: skip
# Anywhere in a line.
FAIL_PAIRS = (
    ("error", ":"), ("Error", ":"), ("ERROR", ":"), ("Exception", ":"), ("error", "["), ("fatal", ":"), ("FATAL", ":"),
    ("panicked", "at"), ("]", "Error"), ("Segmentation", "fault"), ("No", "such"), ("no", "such"), ("not", "found"),
    ("Permission", "denied"), ("permission", "denied"), ("Could", "not"), ("could", "not"), ("Cannot", "find"),
    ("cannot", "find"), ("undefined", "reference"), ("but", "got"), ("timed", "out"), ("Timed", "out"), ("ERR", "!"),
    ("syntax", "error"), ("Syntax", "Error"), ("build", "failed"), ("Build", "failed"), ("BUILD", "FAILED"),
    ("BUILD", "FAILURE"), ("not", "ok"), ("***", "["), ("is", "not"), ("does", "not"), ("did", "not"), ("can", "'"),
    ("exit", "code"), ("exit", "status"), ("exited", "with"), ("unable", "to"), ("Unable", "to"), ("failed", ":"),
    ("Failed", "to"), ("failed", "to"), ("Failed", "asserting"), ("Expected", ":"), ("expected", ":"), ("Actual", ":"),
    ("actual", ":"), ("was", "not"), ("not", "be"), ("core", "dumped"), ("Failure", ":"), ("FAIL", ":"), ("failures", ":"),
    ("error", "TS"), ("Severity", ":"), ("been", "terminated"), ("no", "output"), ("No", "output"), ("unexpected", "token"),
    ("Unexpected", "token"), ("Assertion", "Error"), ("assertion", "failed"), ("Assertion", "failed"),
    ("FAILED", "***"), ("***", "FAILED"), ("FAIL", "["), ("<<<", "FAILURE"), ("<<<", "ERROR"), ("test", "failed"),
)  # fmt: skip

U64 = NDArray[np.uint64]
I64 = NDArray[np.int64]

# Bits of what a word or a pair may be.
LEVEL_INFO, LEVEL_WARN, LEVEL_ERROR, IS_STRONG, IS_WEAK, IS_GOOD, FAIL_HEAD, GOOD_HEAD = (1 << k for k in range(8))
ZERO, SLASH, BEFORE_LINE, FRAME, FAIL_END, FAIL_PAIR, FAIL_CAPS, PERCENT = (1 << k for k in range(8, 16))
_SLOTS = 16


class Lookup:
    """Whole numbers by 64-bit hash: one gather per lookup. ``-1`` (or ``missing``) where a hash is not known."""

    def __init__(self, values: dict[int, int], missing: int = -1) -> None:
        keys = np.array(sorted(values), np.uint64)
        numbers = np.array([values[int(key)] for key in keys], np.int32)
        self._mask = np.uint64((1 << _SLOTS) - 1)
        self._shift = np.uint64(self._free_shift(keys))
        slots = ((keys >> self._shift) & self._mask).astype(np.int64)
        self._keys = np.zeros(1 << _SLOTS, np.uint64)
        self._numbers = np.full(1 << _SLOTS, missing, np.int32)
        self._keys[slots], self._numbers[slots] = keys, numbers
        self._missing = np.int32(missing)

    def _free_shift(self, keys: U64) -> int:
        """Bits of the hash that tell all keys apart."""
        for shift in range(64 - _SLOTS):
            if len(np.unique((keys >> np.uint64(shift)) & self._mask)) == len(keys):
                return shift
        raise ValueError(f"{len(keys)} hashes are too many for one table")

    def __call__(self, hashes: U64) -> NDArray[np.int32]:
        slots = ((hashes >> self._shift) & self._mask).astype(np.int64)
        return np.where(self._keys[slots] == hashes, self._numbers[slots], self._missing)


@lru_cache(maxsize=1)
def word_bits() -> Lookup:
    """What each known word may be, as bits; 0 for others."""
    rows: tuple[tuple[int, str], ...]
    rows = ((LEVEL_INFO, INFO), (LEVEL_WARN, WARN), (LEVEL_ERROR, ERROR), (FAIL_HEAD, FAIL_HEADS))
    rows += (
        (GOOD_HEAD, GOOD_HEADS),
        (ZERO, "0"),
        (PERCENT, "%"),
        (SLASH, "/"),
        (BEFORE_LINE, ": line"),
        (FRAME, "at File from"),
    )
    rows += ((FAIL_CAPS, "FAIL FAILED FAILURE FAILURES ERROR ERRORS FATAL ✖ ✗ ✘ ❌"),)
    rows += ((FAIL_END, "FAIL FAILED failed ERROR ✖ ✗ ✘ ❌"),)
    bits: dict[int, int] = {}
    for bit, names in rows:
        for name in names.split():
            bits[word_hash(name)] = bits.get(word_hash(name), 0) | bit
    for bit, names in ((IS_STRONG, STRONG), (IS_WEAK, WEAK), (IS_GOOD, GOOD)):
        for name in names.split():
            for form in sorted({name, name.capitalize(), name.upper()}):
                bits[word_hash(form)] = bits.get(word_hash(form), 0) | bit
    return Lookup(bits, 0)


@lru_cache(maxsize=1)
def pair_bits() -> Lookup:
    """What each known pair of words may be, as bits; 0 for others."""
    bits: dict[int, int] = {}
    for bit, rows in ((FAIL_HEAD, FAIL_HEAD_PAIRS), (GOOD_HEAD, GOOD_HEAD_PAIRS), (FAIL_PAIR, FAIL_PAIRS)):
        for row in rows:
            key = bigram_hash(*("2" if word == "N" else word for word in row))
            bits[key] = bits.get(key, 0) | bit
    return Lookup(bits, 0)
