"""What happens on a worker: what becomes of a task."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field, replace

from landcover.contracts import Failure, Task
from landcover.errors import OutputError, RunReplaced, StoreDown, StoreError, WorkerUnfit
from landcover.machine import peak_memory
from landcover.models.cropping.crop import Arithmetic
from landcover.models.recipe import Recipe
from landcover.runs.counts import Counts
from landcover.runs.directory import RunDirectory
from landcover.runs.parts import write_part
from landcover.runs.tables import Part
from landcover.scoring.canvas import Canvas, codes_of
from landcover.scoring.inference import Labelling
from landcover.scoring.installation import Installation, installation
from landcover.scoring.model import OpenModel, open_models
from landcover.scoring.pipeline import STAGES, Tally
from landcover.scoring.readers import Limits
from landcover.scoring.scored import Scored, kept, part_of
from landcover.scoring.thrift import within_memory
from landcover.scoring.under_way import UnderWay
from landcover.stores.asking import down
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
        under_way: where this process notes what it has begun; None: whoever gave it out will know.
        thrifty: memory is short: one read and one tile at a time.
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
    under_way: UnderWay | None = None
    thrifty: bool = False

    def __str__(self) -> str:
        return self.run.storage.root

    def __call__(self, task: Task) -> Report:
        """Score a task and write its part.

        Raises:
            WorkerUnfit: nothing of it can be read or written here, or memory does not suffice;
                another worker may be able to.
            WorkerDied: this process died under it before.
            WorkerDiffers: what is installed here would give other labels than the driver's.
        """
        here = installation(self.recipe.runtime)
        if self.driver is not None:
            self.driver.check(this_worker(), here)
        with self._noted(task):
            try:
                return within_memory(lambda sparing: self._sparing(sparing)._done(task, here))
            except MemoryError as error:
                reason = (
                    f"memory does not suffice for task {task.index}, even with one read and one tile "
                    "at a time: set a smaller source.task, or use a host with more"
                )
                raise WorkerUnfit(this_worker(), reason) from error

    def _noted(self, task: Task) -> AbstractContextManager[None]:
        if self.under_way is None:
            return nullcontext()
        return self.under_way.noted(task.index, this_worker())

    def _sparing(self, thrifty: bool) -> Job:
        return replace(self, thrifty=self.thrifty or thrifty)

    def _done(self, task: Task, here: Installation) -> Report:
        started = time.time()
        with ExitStack() as in_use:
            with self._else_left_to_others():
                opened = in_use.enter_context(open_models().use(self.recipe, self.threads))
            done = self._waited(task, opened)
        classes = len(self.run.scheme.classes)
        part = part_of(task, done, self.recipe, classes, self.probabilities)
        before = time.perf_counter()
        counts = self._written(part)
        tally = done.tally
        tally.write = time.perf_counter() - before
        load = opened.take_load()  # by the first task that is done: one that fails reports nothing
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

    def _waited(self, task: Task, opened: OpenModel) -> Scored:
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

    def scored(self, task: Task, opened: OpenModel) -> Scored:
        """Read a task and run the network on it; nothing is written."""
        done = Scored([], Tally(), [], self._canvas(task))
        limits = replace(self.limits, ahead=1) if self.thrifty else self.limits
        infer = Labelling(opened, self._batch)
        for batch, labels in opened.pipeline.score(task.reads(), infer, done.tally, limits):
            if done.canvas is not None and labels.pixels is not None:
                done.canvas.put(batch.tiles, codes_of(labels.pixels, self.run.scheme))
            tiles, labelled = kept(batch.tiles, labels, done.refused)
            # What is on the canvas need not wait here for the end of the task.
            done.found.append((tiles, replace(labelled, pixels=None, pixel_scores=None)))
        return done

    @property
    def _batch(self) -> int | None:
        """The most tiles at once; None: as many as the network is fastest with."""
        if self.thrifty:
            return 1
        return None if self.tuned else self.recipe.batch

    def cancel(self) -> None:
        """End what is under way in this process: its results are not wanted any more."""
        self.limits.stop.ask()

    def _written(self, part: Part) -> Counts:
        with self._else_left_to_others():
            return write_part(self.run, part)

    @contextmanager
    def _else_left_to_others(self) -> Iterator[None]:
        """Where this host cannot write (a part, the cache that models are opened from), others may."""
        try:
            yield
        except (OutputError, StoreError) as error:
            if self.alone or isinstance(error, RunReplaced):
                raise
            raise WorkerUnfit(this_worker(), str(error)) from error

    def _canvas(self, task: Task) -> Canvas | None:
        """Where the labels of pixels go; None for image files, and where tiles get the labels."""
        if self.recipe.output == "pixel" and isinstance(task, RasterTask):
            return Canvas(task, self.run.scheme.nodata, self.run.scheme.dtype)
        return None


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
