"""The models that are open in this process: each opened once, and shared by all that ask for it.

Runs, and the arrays that are scored beside them, find the same network open, whichever asked first.
One that nobody uses any more stays open for the next run on the same cluster, as long as memory
allows and no longer than some minutes. Between two tasks of a run nobody uses its model either:
what was used a moment ago makes way only for a model that cannot be opened beside it.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from landcover.errors import ModelError
from landcover.machine import available_memory, usable_memory
from landcover.models.model import ScoringModel, open_model
from landcover.models.recipe import Recipe
from landcover.models.runtimes.memory import out_of_memory
from landcover.scoring.pipeline import Pipeline
from landcover.scoring.tuning import Tuning, measure

# Seconds that a model which nobody uses stays open: time enough to start the next run.
_KEPT_SECONDS = 300.0
# Until then it may be that its run is between two tasks: the next one would have to open it again.
_BETWEEN_TASKS = 10.0
# So many of them stay open, and none while less than this share of the memory is available.
_MOST_UNUSED, _LEAST_AVAILABLE = 4, 0.25
# Batches that are with the network at the same time. One is computed while another is on its way to
# the GPU and a third on its way back: in bfloat16 a ResNet-50 labels a third more by the third.
_RUNS, _RUNS_ON_GPUS = 2, 3
# Each run cuts batches of its own; only short memory sets a limit to all of them.
_NO_LIMIT = 2**31


class OpenModel:
    """A model that is open, with the threads that read for it and run it.

    Args:
        model: its ``batch`` is the most tiles that fit into memory at once.
        threads: CPU threads that it computes with.
        seconds: what opening it took.
    """

    def __init__(self, model: ScoringModel, threads: int, seconds: float) -> None:
        self.model, self.threads = model, threads
        runs = _RUNS_ON_GPUS if model.gpu else _RUNS
        self.pipeline = Pipeline(readers=max(2, threads), runs=runs)
        self._seconds = seconds
        self._tuning: Tuning | None = None
        self._lock = threading.Lock()

    @property
    def device(self) -> str:
        """What it runs on: "cpu", or the name and UUID of a GPU."""
        gpu = self.model.gpu
        return f"{gpu.name} {gpu.uuid}" if gpu else "cpu"

    def tuning(self) -> Tuning:
        """The batch that it is fastest with; measured by the first who asks, the others wait."""
        with self._lock:
            if self._tuning is None:
                self._tuning = measure(self.model, self.threads)
            return self._tuning

    def take_load(self) -> float:
        """The seconds that opening it took, for the first who asks; then 0: a load counts once."""
        with self._lock:
            seconds, self._seconds = self._seconds, 0.0
        return seconds


@dataclass(eq=False)
class _Place:
    """Where a model is, or is being opened; ``left``: when its last user left, in seconds."""

    opening: threading.Lock = field(default_factory=threading.Lock)
    held: OpenModel | None = None
    users: int = 0
    left: float = 0.0


_Key: TypeAlias = tuple[Recipe, int]


def _memory_is_short() -> bool:
    return available_memory() < _LEAST_AVAILABLE * usable_memory()


class OpenModels:
    """Opens models, and keeps them while they are used and for a while after.

    Args:
        kept: seconds that a model which nobody uses stays open.
        short: says whether memory is short, so that models which nobody uses must go.
        between: seconds that a run may be between two tasks; for so long its model stays open
            although nobody uses it.
    """

    def __init__(
        self,
        kept: float = _KEPT_SECONDS,
        short: Callable[[], bool] = _memory_is_short,
        between: float = _BETWEEN_TASKS,
    ) -> None:
        self._kept, self._short, self._between = kept, short, between
        self._places: dict[_Key, _Place] = {}
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None

    def __len__(self) -> int:
        """How many models are open."""
        return len(self._places)

    @contextmanager
    def use(self, recipe: Recipe, threads: int) -> Iterator[OpenModel]:
        """The model of a recipe, which stays open while the ``with`` block lasts.

        The first who asks opens it and the others wait, but not for models of other recipes.

        Args:
            recipe: what it is opened by; its batch does not matter.
            threads: CPU threads that it may compute with; 0: as many as its runtime thinks fit.
        """
        key = _key(recipe, threads)
        place, new = self._enter(key)
        try:
            if new:
                self._make_room()
            with place.opening:
                if place.held is None:
                    started = time.perf_counter()
                    model = self._opened(key)
                    place.held = OpenModel(model, threads, time.perf_counter() - started)
            yield place.held
        finally:
            self._leave(key, place)

    def close(self, recipe: Recipe, threads: int) -> None:
        """Close the model of a recipe, if it is open and nobody uses it."""
        self._drop([_key(recipe, threads)])

    def _enter(self, key: _Key) -> tuple[_Place, bool]:
        with self._lock:
            new = key not in self._places
            place = self._places.setdefault(key, _Place())
            place.users += 1
            return place, new

    def _leave(self, key: _Key, place: _Place) -> None:
        with self._lock:
            place.users -= 1
            place.left = time.monotonic()
            if place.held is None and not place.users:  # it could not be opened
                del self._places[key]
            self._set_timer()

    def _make_room(self) -> None:
        """Close models that nobody uses before another one is opened.

        How much memory of a GPU is left is not known here: those that lie there make way at once.
        """
        with self._lock:
            before = time.monotonic() - self._between
            unused = [key for key in self._unused() if self._places[key].left <= before]
            on_gpus = [key for key in unused if _on_gpu(self._places[key])]
        self._drop(on_gpus)
        unused = [key for key in unused if key not in on_gpus]
        while unused and (len(unused) > _MOST_UNUSED or self._short()):
            self._drop([unused.pop(0)])

    def _opened(self, key: _Key) -> ScoringModel:
        """Open a model; where memory does not suffice, once more without all that nobody uses."""
        try:
            return open_model(*key)
        except (MemoryError, ModelError) as error:
            if not out_of_memory(error):
                raise
        with self._lock:
            unused = self._unused()
        self._drop(unused)
        return open_model(*key)

    def _drop(self, keys: list[_Key]) -> None:
        with self._lock:
            unused = set(self._unused())
            dropped = [self._places.pop(key) for key in keys if key in unused]
        for place in dropped:
            if place.held is not None:
                place.held.pipeline.close()

    def _unused(self) -> list[_Key]:
        """The models that nobody uses, the one unused for longest first (lock held)."""
        unused = [key for key, place in self._places.items() if not place.users]
        return sorted(unused, key=lambda key: self._places[key].left)

    def _set_timer(self) -> None:
        """See to it that models which nobody uses are closed in time (lock held)."""
        unused = self._unused()
        if self._timer is None and unused:
            due = self._places[unused[0]].left + self._kept - time.monotonic()
            self._timer = threading.Timer(max(0.0, due), self._expire)
            self._timer.daemon = True
            self._timer.start()

    def _expire(self) -> None:
        with self._lock:
            self._timer = None
            before = time.monotonic() - self._kept
            old = [key for key in self._unused() if self._places[key].left <= before]
        self._drop(old)
        with self._lock:
            self._set_timer()


def _key(recipe: Recipe, threads: int) -> _Key:
    return replace(recipe, batch=_NO_LIMIT), threads


def _on_gpu(place: _Place) -> bool:
    return place.held is not None and place.held.model.gpu is not None


_here = OpenModels()


def open_models() -> OpenModels:
    """Those of this process."""
    return _here


def _forget() -> None:
    """A forked child has none of the threads that its parent's models compute with."""
    global _here
    _here = OpenModels()


os.register_at_fork(after_in_child=_forget)
