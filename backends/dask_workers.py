"""Which workers of a Dask cluster a map may use: those that are there, are fit, and are not too many."""

# distributed declares its types, but few of them.
# mypy: allow-untyped-calls

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple, cast

import dask
from dask.utils import parse_timedelta
from distributed import Client
from distributed.comm.addressing import get_address_host

from landcover.errors import BackendUnavailable

logger = logging.getLogger(__name__)

# What helps where a cluster is gone.
AGAIN = "once one answers there, the same command goes on with the run"

# Tasks under way: two a worker, and some more from which a small cluster may grow.
_A_WORKER, _MORE = 2, 8

# Seconds between two looks at which workers have joined or left.
LOOK = 1.0

# Seconds in which a worker that died is replaced, where nobody knows whether it will be.
_SOON = 10.0

# Seconds until a scheduler that does not answer is given up.
_PATIENCE = 60

# How long a cluster may be without workers where Dask's own setting does not say it.
_UNTIL_THE_FIRST = "10 minutes"


class Room(NamedTuple):
    """Room for more items.

    Args:
        items: for how many.
        to: the workers that may have them; None for those that Dask picks.
        search: whether that may be a worker that the map has not used yet, and must not be too many.
    """

    items: int
    to: Sequence[str] | None = None
    search: bool = False


class Workers:
    """The workers that one map may use.

    Args:
        client: a client of the cluster.
        limit: the most of them; None for all.
        patience: seconds without any of use; None: as Dask's own setting says.
        kept: how many a cluster keeps, which starts those again that die; 0 where nobody knows.

    Raises:
        BackendUnavailable: the scheduler is gone.
    """

    def __init__(
        self, client: Client, limit: int | None, patience: float | None = None, kept: int = 0
    ) -> None:
        self._client, self._limit, self._kept = client, limit, kept
        self._patience = _without_workers() if patience is None else patience
        self._used: dict[str, None] = {}  # in the order of their first result
        self._unfit: dict[str, str] = {}  # and what they lack
        self._alive = addresses(client)
        self._looked = self._changed = self._there = time.monotonic()
        if not self._alive:
            logger.warning("%s has no workers yet: waiting for one", where(client))

    def look(self) -> bool:
        """See who has joined or left, unless that was done just now.

        Raises:
            BackendUnavailable: the scheduler is gone, or has had no worker of use for too long.
        """
        now = time.monotonic()
        if now - self._looked < LOOK:
            return False
        before, self._alive = self._alive, addresses(self._client)
        last, self._looked = self._looked, now
        if before != self._alive:
            self._changed = now
        if self.fit() or now - last > _SOON:  # what the caller did meanwhile is no waiting
            self._there = now
        elif now - self._there > self._patience:
            lack = f"; {'; '.join(self._unfit.values())}" if self._unfit else ""
            raise BackendUnavailable(
                where(self._client),
                f"no worker that can do the work came within {now - self._there:.0f} s{lack}: start "
                "workers, or wait longer by backend.patience",
            )
        return True

    def fit(self) -> list[str]:
        """Those that are there and do not fail what others can do."""
        return [worker for worker in self._alive if worker not in self._unfit]

    def there(self, workers: Iterable[str]) -> bool:
        """Whether any of some workers is there, or no worker at all."""
        return not self._alive or not set(self._alive).isdisjoint(workers)

    def change(self) -> bool:
        """Whether others may soon be there: workers have joined or left lately, or will be started again."""
        returning = len(self._alive) < self._kept
        return time.monotonic() - self._changed < (self._patience if returning else _SOON)

    def room(self, under_way: int, searching: int) -> Room:
        """How many items more may be sent, and to which workers.

        Args:
            under_way: how many items are.
            searching: how many of them may be with a worker that the map has not used yet.
        """
        fit = self.fit()
        if self._unfit and not fit:
            return Room(0)
        some = fit if self._unfit else None
        if self._limit is None:
            most = _A_WORKER * len(fit) + _MORE
            room = max(0, most - under_way)
            return Room(room if room > most // 4 or room == most else 0, some)
        # Dask picks workers that have little to do, and the map keeps those. No more items than
        # workers are under way, wherever they are: Dask moves what waits, whatever was asked for.
        chosen = [worker for worker in self._used if worker in fit][: self._limit]
        free = self._limit - len(chosen) - searching
        left = max(0, self._limit - under_way)
        return Room(min(free, left), some, search=True) if free > 0 else Room(left, chosen)

    def others(self, refused: Collection[str]) -> Room:
        """Room for an item that some have refused: on other hosts, if there are any."""
        hosts = {get_address_host(worker) for worker in refused}
        left = [worker for worker in self.fit() if worker not in refused]
        left = [worker for worker in left if get_address_host(worker) not in hosts] or left
        used = [worker for worker in self._used if worker in left]
        used = [] if self._limit is None else used[: self._limit]
        return Room(min(1, len(left)), used or left, search=not used)

    def did(self, worker: str, refused: dict[str, str]) -> None:
        """Note that a worker has done an item which others had refused, for these reasons."""
        self._used.setdefault(worker)
        if worker not in self._alive:  # it joined after the last look, and counts from now on
            self._alive = sorted([*self._alive, worker])
        for unfit, reason in refused.items():
            if unfit not in self._unfit:
                logger.warning(
                    "worker %s gets no more items, as others can do them: %s", unfit, reason
                )
                self._unfit[unfit] = reason


def addresses(client: Client) -> list[str]:
    """The addresses of a cluster's workers, in a steady order.

    Raises:
        BackendUnavailable: the scheduler is gone.
    """
    try:
        ask = cast(Any, client.scheduler).ncores  # None when the client is closed
        return sorted(client.sync(ask, callback_timeout=_PATIENCE))
    except (OSError, RuntimeError, AttributeError) as error:
        raise BackendUnavailable(
            where(client), f"the scheduler does not answer ({error}): {AGAIN}"
        ) from error


def where(client: Client) -> str:
    """The address of a client's scheduler."""
    return str(client.scheduler.address) if client.scheduler else "dask"


def _without_workers() -> float:
    setting = dask.config.get("distributed.scheduler.no-workers-timeout", None)
    return float(parse_timedelta(setting or _UNTIL_THE_FIRST))
