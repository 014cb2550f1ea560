"""Numbers that look drawn at random, and are the same for the same thing wherever they are asked for.

No generator is shared: which tile is drawn depends on the seed and on its place, not on the order in
which workers come to it.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.uint64]

# The finalizer of SplitMix64 (Steele, Lea, Flood 2014, https://doi.org/10.1145/2660193.2660195).
_GOLDEN, _FIRST, _SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


def key_of(*things: object) -> int:
    """64 bits that differ where things do, which are told apart by their ``repr``."""
    return int.from_bytes(hashlib.blake2b(repr(things).encode(), digest_size=8).digest())


def numbers(key: int, rows: npt.NDArray[Any], cols: npt.NDArray[Any]) -> Numbers:
    """64 random bits for each pair of whole numbers.

    Args:
        key: another one gives other numbers.
        rows: first of each pair; any shape.
        cols: second of each, of the same shape.
    """
    with np.errstate(over="ignore"):
        first = _mixed(rows.astype(np.int64).view(np.uint64) + np.uint64(key))
        return _mixed(first + cols.astype(np.int64).view(np.uint64))


def shares(found: Numbers) -> npt.NDArray[np.float64]:
    """Numbers as shares in [0, 1)."""
    return (found >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _mixed(values: Numbers) -> Numbers:
    values = values + np.uint64(_GOLDEN)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(_FIRST)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(_SECOND)
    return values ^ (values >> np.uint64(31))
