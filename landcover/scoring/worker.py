"""What happens on a worker: what becomes of a task."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from landcover.contracts import Failure, Task, Tile
from landcover.errors import OutputError, RunReplaced, StoreDown, StoreError, WorkerUnfit
from landcover.machine import peak_memory
from landcover.models.cropping.crop import Arithmetic
from landcover.models.recipe import Recipe
from landcover.runs.counts import Counts
from landcover.runs.directory import RunDirectory
from landcover.runs.parts import write_part
from landcover.runs.tables import Part
from landcover.scoring.canvas import Canvas, codes_of, pixel_block
from landcover.scoring.inference import Labelling
from landcover.scoring.installation import Installation, installation
from landcover.scoring.labels import Labels
from landcover.scoring.model import OpenModel, open_models
from landcover.scoring.pipeline import STAGES, Tally
from landcover.scoring.readers import Limits
from landcover.stores import down
from landcover.tiles.rasters import RasterTask
from landcover.tiles.reach import alive

_log = logging.getLogger(__name__)

# How often a task is tried again whose store answers, though what it was asked for has failed.
_AGAIN = 2


@dataclass(frozen=True)
class Report:
    """What a task sends home: counts and timings.

    Args:
        index: the task's place in the plan.
        counts: what became of its tiles.
        worker: the process that did it, as "host:pid".
        device: what the network ran on: "cpu", or the name and UUID of a GPU.
        loads: models that this process had to load since its last report, 0 or 1.
        started: seconds since the epoch.
        finished: seconds since the epoch.
        seconds: per stage: load, read, decode, wait, infer, write.
        installation: what the process computes with.
        arithmetic: how much less the network computes than its file says; None: all of it.
        memory: bytes that the process has held at the most so far.
    """

    index: int
    counts: Counts
    worker: str
    device: str
    loads: int
    started: float
    finished: float
    seconds: dict[str, float] = field(default_factory=dict)
    installation: Installation | None = None
    arithmetic: Arithmetic | None = None
    memory: int = 0


@dataclass(frozen=True)
class Job:
    """The function that a backend applies to tasks: a recipe for the model, never the model.

    Args:
        recipe: what this process opens the model by, once.
        run: where the parts are written, and the classes in the order of the network's output.
        threads: CPU threads that the network may use in one process.
        tuned: find out here how many tiles the network is fastest with; else as the recipe says.
        probabilities: whether tables get the probabilities of all classes.
        alone: tasks are done in the driver's own process: what cannot be done here cannot be done.
        driver: what the driver computes with; a worker that has another does no work.
        limits: how long a read may take.
        patience: seconds to wait for a store that is down before the run stops; 0: not at all.
    """

    recipe: Recipe
    run: RunDirectory
    threads: int
    tuned: bool
    probabilities: bool
    alone: bool = False
    driver: Installation | None = None
    limits: Limits = field(default_factory=Limits, compare=False)
    patience: float = 0.0

    def __str__(self) -> str:
        return self.run.storage.root

    def __call__(self, task: Task) -> Report:
        """Score a task and write its part.

        Raises:
            WorkerUnfit: nothing of it can be read or written here; another worker may be able to.
            WorkerDiffers: what is installed here would give other labels than the driver's.
        """
        started, here = time.time(), installation(self.recipe.runtime)
        if self.driver is not None:
            self.driver.check(this_worker(), here)
        with open_models().use(self.recipe, self.threads) as opened:
            load = opened.take_load()
            done = self._waited(task, opened)
        tally, part = done.tally, self._part(task, done.found, done.tally, done.canvas)
        before = time.perf_counter()
        counts = self._written(part)
        tally.write = time.perf_counter() - before
        return Report(
            installation=here,
            arithmetic=opened.model.arithmetic,
            memory=peak_memory(),
            index=task.index,
            counts=counts,
            worker=this_worker(),
            device=opened.device,
            loads=int(load > 0),
            started=started,
            finished=time.time(),
            seconds={"load": load, **{stage: getattr(tally, stage) for stage in STAGES}},
        )

    def _waited(self, task: Task, opened: OpenModel) -> _Scored:
        """What came of a task; while a store that it needs is down, it is tried again.

        Raises:
            StoreDown: it is down for longer than this waits.
            WorkerUnfit: nothing of it can be read here.
        """
        waited, again = 0.0, 0
        while True:
            done = self.scored(task, opened)
            passing = [one.reason for one in done.tally.failures if one.retryable]
            if not self.patience or len(passing) == done.tally.slow:
                break
            still = [store for store in down() if not alive(store)]
            if not still and again == _AGAIN:
                break  # it is these files that fail, and not their store
            again += not still  # the store has come back just now
            if still and waited >= self.patience:
                raise StoreDown(still[0], waited, passing[0])
            if still:
                pause = min(max(1.0, waited), 30.0, self.patience - waited)
                _log.warning("%s is down: it is asked again in %.0f s", still[0], pause)
                self.limits.stop.wait(pause)
                waited += pause
        if not (self.alone or done.found or done.refused or done.tally.skipped):
            _check_reach(done.tally.failures)
        done.tally.failures += done.refused  # in this order, however far reading was ahead
        return done

    def scored(self, task: Task, opened: OpenModel) -> _Scored:
        """Read a task and run the network on it; nothing is written."""
        done = _Scored([], Tally(), [], self._canvas(task))
        infer = Labelling(opened, None if self.tuned else self.recipe.batch)
        for batch, labels in opened.pipeline.score(task.reads(), infer, done.tally, self.limits):
            if done.canvas is not None and labels.pixels is not None:
                done.canvas.put(batch.tiles, codes_of(labels.pixels, self.run.scheme))
            tiles, kept = _kept(batch.tiles, labels, done.refused)
            # What is on the canvas need not wait here for the end of the task.
            done.found.append((tiles, replace(kept, pixels=None, pixel_scores=None)))
        return done

    def cancel(self) -> None:
        """End what is under way in this process: its results are not wanted any more."""
        self.limits.stop.ask()

    def _written(self, part: Part) -> Counts:
        try:
            return write_part(self.run, part)
        except (OutputError, StoreError) as error:
            if self.alone or isinstance(error, RunReplaced):
                raise
            raise WorkerUnfit(this_worker(), str(error)) from error

    def _canvas(self, task: Task) -> Canvas | None:
        """Where the labels of pixels go; None for image files, and where tiles get the labels."""
        if self.recipe.output == "pixel" and isinstance(task, RasterTask):
            return Canvas(task, self.run.scheme.nodata, self.run.scheme.dtype)
        return None

    def _part(self, task: Task, found: Found, tally: Tally, canvas: Canvas | None) -> Part:
        labels = [of_batch for _, of_batch in found]
        probabilities = _stacked(
            [one.probabilities for one in labels], len(self.run.scheme.classes)
        )
        return Part(
            index=task.index,
            planned=task.tiles,
            tiles=[tile for tiles, _ in found for tile in tiles],
            labels=_stacked([one.labels for one in labels], dtype=np.intp),
            scores=_stacked([one.scores for one in labels]),
            probabilities=probabilities if self.probabilities else None,
            crs=task.scene.crs if isinstance(task, RasterTask) else None,
            date=task.scene.date if isinstance(task, RasterTask) else "",
            failures=tally.failures,
            skipped=tally.skipped,
            pixels=None if canvas is None else pixel_block(canvas),
            undefined=_undefined(labels) if self.recipe.output == "pixel" else None,
            digest=task.digest,
        )


def _kept(
    tiles: Sequence[Tile], labels: Labels, refused: list[Failure]
) -> tuple[Sequence[Tile], Labels]:
    """The tiles of a batch that the network labelled; the others are added to ``refused``."""
    if not labels.refused:
        return tiles, labels
    refused += [Failure(tiles[place], reason, False) for place, reason in labels.refused.items()]
    places, kept = labels.kept()
    return [tiles[place] for place in places], kept


def this_worker() -> str:
    """This process, as "host:pid"."""
    return f"{socket.gethostname()}:{os.getpid()}"


def _check_reach(failures: Sequence[Failure]) -> None:
    """Leave a task of which every tile has failed to another worker, if that may be able to do it.

    Tiles that are damaged, or that fail beside others that do not, are set aside where they are.
    """
    if failures and all(one.unreached or one.retryable for one in failures):
        first = f"of {failures[0].tile.tile}: {failures[0].reason}"
        raise WorkerUnfit(this_worker(), f"none of {len(failures)} tiles can be read; {first}")


Found: TypeAlias = list[tuple[Sequence[Tile], Labels]]


class _Scored(NamedTuple):
    """What came of a task: tiles with labels, and those that the network refused."""

    found: Found
    tally: Tally
    refused: list[Failure]
    canvas: Canvas | None


def _undefined(labels: Sequence[Labels]) -> npt.NDArray[np.intp]:
    counts = [one.undefined for one in labels if one.undefined is not None]
    return _stacked(counts, dtype=np.intp)


def _stacked(
    parts: Sequence[npt.NDArray[Any]], *shape: int, dtype: npt.DTypeLike = np.float32
) -> npt.NDArray[Any]:
    """The parts one after another; of no parts, an empty array of this shape after the first dim."""
    return np.concatenate(parts) if parts else np.empty((0, *shape), dtype)
