"""Tiles that are not read, since their readers died of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from landcover.contracts import Failure, Read, Strip, Tile

_REASON = "the worker that had it died each time, and went on with all others of its task"


def spared_read(tiles: Sequence[Tile]) -> Read:
    """A read that brings tiles as failures without touching them; another host may fare better."""
    return Read(partial(_failed, tiles), lambda: tiles)


def _failed(tiles: Sequence[Tile]) -> Strip:
    failures = [Failure(tile, f"{tile.source}: {_REASON}", retryable=True) for tile in tiles]
    return Strip([], np.empty((0, 0, 0, 0), np.uint8), failures=failures)
