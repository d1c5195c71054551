"""Makes ``tokens/o200k.npz``: the bit table of o200k's vocabulary, and the costs inside pieces that are no tokens.

Run: ``python -m headroom_core.training.token_counter`` (needs tiktoken with o200k at hand). The costs are counted, not
searched: for each pair of bytes the share of its places, inside pieces of three tokens or more, that a border parts.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from headroom_core.errors import InvalidInput
from headroom_core.evals.tokens import texts
from headroom_core.tokens import estimate as own
from headroom_core.tokens.text import encoding

_PRIOR = 3.0  # places of the overall share that each pair starts with


def vocabulary_bits(vocabulary: list[bytes]) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    """A bit for the hash of every token, packed with the lowest bit first."""
    bits = np.zeros(1 << own.BITS, np.uint8)
    for token in vocabulary:
        bits[own.piece_hash(token)] = 1
    return np.packbits(bits, bitorder="little")


def main() -> None:
    """Write the tables."""
    model = encoding("o200k_base")
    vocabulary = model.token_byte_values()
    if len(vocabulary) < 199_000:
        raise InvalidInput(
            f"o200k has {len(vocabulary)} tokens here; 199,998 are expected: check the file of the encoding"
        )
    target = Path(own.__file__).with_name("o200k.npz")
    known = vocabulary_bits(vocabulary)
    np.savez_compressed(target, known=known, border=np.zeros(65536, np.uint8))
    own._tables.cache_clear()
    parted, places = np.zeros(65536), np.zeros(65536)
    for _, _, text in texts():
        data = text.encode("utf-8", "surrogatepass")[: own.BLOCK]
        data = data.decode("utf-8", "ignore").encode()
        sizes = [len(model.decode_single_token_bytes(token)) for token in model.encode_ordinary(data.decode())]
        border = np.zeros(len(data) + 1, np.uint8)
        border[np.cumsum(sizes)] = 1
        cut = own.pieces(data)
        chosen = np.flatnonzero(~cut.known & (cut.ends - cut.starts > 1) & (cut.raw[cut.starts] - np.uint8(48) >= 10))
        owner, inside = own.insides(cut, chosen)
        inside = inside[~own.halves(cut, chosen, owner, inside)[owner]]
        pairs = cut.raw[inside - 1].astype(np.int64) * 256 + cut.raw[inside]
        weight = min(1.0, (4000 / len(data)) ** 0.5)
        places += weight * np.bincount(pairs, minlength=65536)
        parted += weight * np.bincount(pairs, border[inside], minlength=65536)
    share = parted.sum() / places.sum()
    costs = (parted + _PRIOR * share) / (places + _PRIOR)
    np.savez_compressed(target, known=known, border=np.round(255 * costs).astype(np.uint8))
    own._tables.cache_clear()
    print(f"{target.name}: {target.stat().st_size:,} bytes, {int(places.sum()):,} places inside unknown pieces")


if __name__ == "__main__":
    main()
