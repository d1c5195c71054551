"""Canonical numbers of the log ranker: what it sees of a fixed log, and what it says about it.

The network was trained on these features; a feature that drifts makes it guess. When features are changed on purpose and
the ranker is trained again, ``python -m tests.transforms.test_logs_canonical`` prints the new numbers.
"""

from __future__ import annotations

import numpy as np
import pytest

from headroom_core.transforms._logs import features, lines, ranker

LOG = """\
travis_fold:start:install
$ npm ci
added 1402 packages in 31s
##[group]Run tests
[command]/usr/bin/pytest -q
2026-05-04 12:00:01,250 INFO  pool.worker-3 - request id=8812 handled in 31 ms
2026-05-04 12:00:02,250 INFO  pool.worker-4 - request id=8813 handled in 33 ms
2026-05-04 12:00:02,251 WARN  pool.worker-4 - queue is 97% full

  12% [=>                    ] 120/1000
  45% [=========>            ] 450/1000
ERROR: could not connect to db-7.internal:5432 (timeout after 30s)
Traceback (most recent call last):
  File "/srv/app/orders.py", line 88, in save
    self.pool.acquire(timeout=5)
ConnectionRefusedError: [Errno 111] Connection refused
same line
same line
same line
FAILED tests/test_orders.py::test_save - ConnectionRefusedError
3 failed, 211 passed in 12.50s
##[error]Process completed with exit code 1.
The command "pytest -q" exited with 1.
travis_time:end:0a1b2c
"""


def _columns(matrix: np.ndarray) -> list[float]:
    """One number per column, to which every row adds by its place."""
    weights = 1.0 + np.arange(len(matrix)) % 7
    return [round(float(value), 4) for value in (matrix.astype(np.float64) * weights[:, None]).sum(0)]


SHAPE: list[float] = [
    61.0432,
    5.0,
    70.0406,
    14.5597,
    4.9434,
    29.0093,
    0.0,
    16.0,
    23.0,
    20.0,
    15.8739,
    77.0,
    19.8702,
    2.0,
    44.0,
    28.1352,
    43.2746,
    14.5561,
    13.0,
    1.0,
    13.0,
    64.0,
    28.0,
    5.0,
    12.5,
    12.0,
    4.5,
    0.0,
    18.4321,
    0.0,
    0.0,
    32.3716,
    17.0,
    0.0,
    10.0,
    39.1604,
    46.5712,
    13.0,
    27.0386,
    12.9035,
    22.5,
    7.5,
    6.0,
    14.6399,
    18.7862,
    4.1463,
    0.0,
    0.0,
    7.0,
]
STRUCTURE: list[float] = [
    84.0,
    12.0,
    11.0,
    0.0,
    29.4037,
    67.0,
    35.1479,
    41.4406,
    5.0,
    13.0,
    61.0,
    0.0,
    84.0,
    33.7982,
    11.9606,
    84.0,
    84.0,
    11.0,
    67.0,
    26.5178,
    49.3206,
    61.7363,
    61.0,
    39.0778,
    7.0,
    35.0,
    6.0,
    30.3044,
]
LEVELS: list[int] = [0, 0, 0, 0, 0, 1, 1, 2, 0, 0, 3, 0, 0, 0, 3, 0, 3, 0, 3, 0, 0]
BEST: list[int] = [10, 12, 11, 13, 14, 15]
SHARES: list[float] = [0.17127, 0.16433, 0.15586, 0.11384, 0.1085, 0.08704]


@pytest.fixture(scope="module")
def seen() -> features.Features:
    """The features of the log."""
    return features.read(lines.read(LOG))


def test_every_feature_is_what_the_ranker_was_trained_on(seen: features.Features) -> None:
    """Each column of both blocks, row by row."""
    assert _columns(seen.shape) == pytest.approx(SHAPE, abs=2e-3)
    assert _columns(seen.structure) == pytest.approx(STRUCTURE, abs=2e-3)


FIRST = """\
99% tests passed, 1 tests failed out of 180
OK (skipped=3)
error: build failed after 12 seconds
$ make check
PASS: all good
Process completed with exit code 0
"""
FIRST_SHAPE: list[float] = [13.033, 0.0, 12.6276, 2.0346, 2.5833, 4.1937, 0.0, 4.0, 1.0, 3.0, 3.639, 21.0, 4.852, 0.0, 11.6667, 2.8383, 6.8107, 3.639, 3.0, 0.0, 0.0, 14.0, 3.5, 0.0, 3.5, 0.0, 8.0, 0.0, 5.4636, 0.0, 0.0, 4.8375, 9.0, 7.0, 6.0, 15.1479, 17.1179, 0.0, 4.6142, 2.9819, 0.0, 0.0, 0.0, 2.9112, 2.9112, 0.0, 0.0, 7.0, 0.0]  # fmt: skip
FIRST_LEVELS: list[int] = [0, 0, 3, 0, 0, 0]


def test_the_first_line_is_read_like_any_other() -> None:
    """Its words, its levels and its percentages count too."""
    found = features.read(lines.read(FIRST))
    assert _columns(found.shape) == pytest.approx(FIRST_SHAPE, abs=2e-3)
    assert found.level.tolist() == FIRST_LEVELS


def test_levels_counts_and_folds(seen: features.Features) -> None:
    """Errors are 3, warnings 2, lower levels 1; equal lines are one node; fold marks carry nothing."""
    assert seen.level.tolist() == LEVELS
    node = {LOG.split("\n")[at]: i for i, at in enumerate(seen.line.tolist())}
    assert seen.last[node["same line"]] - seen.line[node["same line"]] == 2
    assert seen.fold[node["travis_fold:start:install"]]
    assert not seen.fold[node["3 failed, 211 passed in 12.50s"]]
    one, two = (
        node[
            f"2026-05-04 12:00:0{second},250 INFO  pool.worker-{second + 2} - request id=88{second + 11} handled in 3{2 * second - 1} ms"
        ]
        for second in (1, 2)
    )
    assert seen.template[one] == seen.template[two]
    assert seen.exact[one] != seen.exact[two]


def test_the_ranker_says_what_it_said(seen: features.Features) -> None:
    """The shares of the best lines, and which they are: the failure and its summary."""
    share = ranker.bundled().share(seen)
    assert share.sum() == pytest.approx(1.0)
    best = np.argsort(-share, kind="stable")[: len(BEST)]
    assert best.tolist() == BEST
    assert share[best].tolist() == pytest.approx(SHARES, rel=1e-3)


def main() -> None:
    """Print the numbers as they are now."""
    found = features.read(lines.read(LOG))
    share = ranker.bundled().share(found)
    best = np.argsort(-share, kind="stable")[:6]
    print("SHAPE =", _columns(found.shape))
    print("STRUCTURE =", _columns(found.structure))
    print("LEVELS =", found.level.tolist())
    print("BEST =", best.tolist())
    print("SHARES =", [round(float(value), 5) for value in share[best]])


if __name__ == "__main__":
    main()
