"""A simulated cluster: tasks, one driver, many workers, one storage account.

A discrete-event simulation that is fed with what was measured on one machine. It answers where the
driver or the storage would stop a larger cluster from being faster, which one machine cannot show.
"""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Cluster:
    """What a simulated run depends on.

    Args:
        workers: how many there are.
        tile_seconds: what a worker takes for a tile.
        task_tiles: tiles a task.
        spread: standard deviation of the seconds of a task, as a share of their mean.
        driver_seconds: of the driver and its scheduler for a task, one task after the other.
        storage_seconds: of the storage for a tile, one tile after the other: the larger of bytes
            over bandwidth and requests over the rate of requests.
        start_seconds: until a worker has its model.
        ahead: tasks under way a worker, so that one waits while another is worked on.
        most: tasks under way at once, whatever the number of workers.
    """

    workers: int
    tile_seconds: float
    task_tiles: int
    spread: float
    driver_seconds: float
    storage_seconds: float
    start_seconds: float = 0.0
    ahead: float = 2.0
    most: int = 1_000_000


@dataclass(frozen=True)
class Outcome:
    """What came out.

    Args:
        seconds: of the whole run.
        driver_busy: share of that in which the driver worked, in [0, 1].
        storage_busy: likewise, of the storage.
    """

    seconds: float
    driver_busy: float
    storage_busy: float


def simulate(cluster: Cluster, tiles: int, seed: int = 0) -> Outcome:
    """Simulate a run of so many tiles.

    A worker that ends a task tells the driver, which then sends the next one; meanwhile the worker
    takes the task that waits, if one does. A task ends when it is computed and its tiles have come
    from the storage, which serves tasks in the order in which they begin; reading and computing
    overlap.
    """
    return _Simulation(cluster, tiles, seed).run()


class _Simulation:
    def __init__(self, cluster: Cluster, tiles: int, seed: int) -> None:
        self._cluster = cluster
        self._left = -(-tiles // cluster.task_tiles)
        scale = np.random.default_rng(seed).normal(1, cluster.spread, self._left).clip(0.2)
        self._works = deque((scale * cluster.tile_seconds * cluster.task_tiles).tolist())
        self._driver_free = self._storage_free = 0.0
        self._driver_busy = self._storage_busy = 0.0
        self._ready: deque[float] = deque()  # when each waiting task reaches the workers
        self._ends: list[tuple[float, int]] = []

    def run(self) -> Outcome:
        cluster = self._cluster
        under_way = min(cluster.most, round(cluster.workers * cluster.ahead))
        for _ in range(min(under_way, self._left)):
            self._send(0.0)
        idle = deque((cluster.start_seconds, worker) for worker in range(cluster.workers))
        last = 0.0
        while True:
            while idle and self._ready:
                since, worker = idle.popleft()
                self._begin(max(since, self._ready.popleft()), worker)
            if not self._ends:
                driver, storage = self._driver_busy / last, self._storage_busy / last
                return Outcome(last, min(1.0, driver), min(1.0, storage))
            last, worker = heapq.heappop(self._ends)
            idle.append((last, worker))
            self._send(last)

    def _send(self, now: float) -> None:
        """Let the driver note a result and send the next task, if there is one."""
        self._driver_free = max(self._driver_free, now) + self._cluster.driver_seconds
        self._driver_busy += self._cluster.driver_seconds
        if self._left:
            self._left -= 1
            self._ready.append(self._driver_free)

    def _begin(self, now: float, worker: int) -> None:
        taken = self._cluster.storage_seconds * self._cluster.task_tiles
        self._storage_free = max(self._storage_free, now) + taken
        self._storage_busy += taken
        end = max(now + self._works.popleft(), self._storage_free)
        heapq.heappush(self._ends, (end, worker))
