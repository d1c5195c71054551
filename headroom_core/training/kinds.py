"""Fits the weights by which ``kinds`` tells logs, code, configuration and prose apart.

Run: ``python -m headroom_core.training.kinds``. Multinomial logistic regression with an L2 penalty by Newton-free
gradient steps (numpy), on the texts of ``evals.kinds`` and cuts of them, sources weighted alike; no random number but a seed.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headroom_core import kinds
from headroom_core.evals.kinds import labelled
from headroom_core.kinds.marks import Votes
from headroom_core.kinds.samples import sample

KINDS = ("log", "code", "config", "prose")
_PENALTY = 1e-4
_STEPS = 1500
Floats = NDArray[np.float64]


def examples(seed: int = 3) -> Iterator[tuple[str, str, list[float]]]:
    """(kind, source, features) of whole texts and of random cuts of 8 to 150 lines."""
    r = random.Random(seed)
    for kind, source, text in labelled():
        if kind not in KINDS:
            continue
        lines = text.split("\n")
        pieces = [text]
        for _ in range(3 if len(lines) > 20 else 0):
            size = r.choice([8, 15, 30, 60, 150])
            start = r.randrange(max(1, len(lines) - size))
            pieces.append("\n".join(lines[start : start + size]))
        for index, piece in enumerate(pieces):
            seen = sample(piece)
            if seen:
                yield kind, source + ("_cut" if index else ""), kinds.features(Votes(seen))


def fit(x: Floats, y: NDArray[np.int64], weight: Floats) -> Floats:
    """Weights (kinds, features) by Adam on the weighted log loss."""
    w = np.zeros((len(KINDS), x.shape[1]))
    m, v = np.zeros_like(w), np.zeros_like(w)
    target = np.eye(len(KINDS))[y]
    for step in range(1, _STEPS + 1):
        z = x @ w.T
        p = np.exp(z - z.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        gradient = ((p - target) * weight[:, None]).T @ x + _PENALTY * w
        m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
        w -= 0.05 * (m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.999**step)) + 1e-9)
    return w


def main() -> None:
    """Fit, print the accuracy on held-out texts (every fourth), then write ``kinds/weights.py`` fitted on all."""
    rows = list(examples())
    x = np.array([f for *_, f in rows])
    y = np.array([KINDS.index(kind) for kind, *_ in rows])
    sources = Counter((kind, source) for kind, source, _ in rows)
    per_kind = Counter(kind for kind, _ in sources)
    weight = np.array([1 / (sources[k, s] ** 0.7 * per_kind[k]) for k, s, _ in rows])
    weight /= weight.sum()
    held = np.arange(len(rows)) % 4 == 0
    w = fit(x[~held], y[~held], weight[~held] / weight[~held].sum())
    z = x[held] @ w.T
    right = z.argmax(1) == y[held]
    print("held out:", *(f"{kind} {right[y[held] == i].mean():.3f}" for i, kind in enumerate(KINDS)))
    w = fit(x, y, weight)
    body = "".join(
        f'    "{kind}": (\n        {", ".join(f"{v:.2f}" for v in row)},\n    ),\n'
        for kind, row in zip(KINDS, w, strict=True)
    )
    head = '"""Weights of the logistic model in ``kinds``: a constant, the shares, their square roots. Written by ``training.kinds``."""\n\nfrom headroom_core.types import Kind\n\n'
    Path(kinds.__file__).with_name("weights.py").write_text(
        head + "# fmt: off\nWEIGHTS: dict[Kind, tuple[float, ...]] = {\n" + body + "}\n"
    )


if __name__ == "__main__":
    main()
