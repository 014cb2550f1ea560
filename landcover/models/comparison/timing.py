"""How fast networks are, measured so that other work of the machine hits all of them alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TypeVar

import numpy as np

from landcover.models.network import Network
from landcover.models.preprocessing.specification import Pixels

K = TypeVar("K")

# How long each network is measured at least, and how often.
_SECONDS, _ROUNDS = 1.0, 5
# Threads of OpenMP go on spinning for 0.2 seconds after they had something to do (KMP_BLOCKTIME of
# Intel's library, which CNTK uses), and would take cores from the network whose turn is next.
_REST = 0.25
# A turn is at least so long; after the rest, and where runs are shorter, the first does not count.
_TURN = 0.1


def interleaved(
    networks: Mapping[K, Network],
    tiles: Pixels,
    seconds: float = _SECONDS,
    rounds: int = _ROUNDS,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[K, float]:
    """Seconds that each network takes for a batch: the median over rounds in which each has a turn.

    Before each turn all rest, until no thread of the network before is busy any more.

    Args:
        networks: ready to run; a first round, which warms them up, is not counted.
        tiles: the batch.
        seconds: rounds go on until each network had this long on average.
        rounds: at least so many.
        clock: what is measured by; ``time.process_time`` counts what the process computed, not
            what it waited for other processes, and is of use for networks with one thread.
    """
    times: dict[K, list[float]] = {key: [] for key in networks}
    for network in networks.values():
        network.run(tiles)
    start, done = time.perf_counter(), 0
    while networks and (done < rounds or time.perf_counter() - start < seconds * len(networks)):
        for key, network in networks.items():
            time.sleep(_REST)
            times[key] += _turn(network, tiles, clock)
        done += 1
    return {key: float(np.median(each)) for key, each in times.items()}


def _turn(network: Network, tiles: Pixels, clock: Callable[[], float]) -> list[float]:
    """Seconds of each run of a turn."""
    times: list[float] = []
    ends = time.perf_counter() + _TURN
    while not times or time.perf_counter() < ends:
        before = clock()
        network.run(tiles)
        times.append(clock() - before)
    return times[1:] or times


def block_noise(count: int, bands: int, size: tuple[int, int]) -> Pixels:
    """Images of noise, the same ones every time: blocks of 1, 4, 16 pixels and so on in turn.

    Args:
        count: how many.
        bands: of each.
        size: rows and columns.

    Returns:
        uint8 with dims (n, band, y, x).
    """
    random = np.random.default_rng(2017)
    rows, columns = size
    images = np.empty((count, bands, rows, columns), np.uint8)
    for at in range(count):
        edge = (1, 4, 16)[at % 3]
        blocks = random.integers(0, 256, (bands, -(-rows // edge), -(-columns // edge)), np.uint8)
        images[at] = blocks.repeat(edge, 1).repeat(edge, 2)[:, :rows, :columns]
    return images
