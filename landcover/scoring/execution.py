"""The tasks of a run on their way: handed to a backend, and added up when they come home."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

from landcover.backends.apart import ProcessBackend
from landcover.config import Config
from landcover.contracts import Backend, Failure, Lost, Source, Task
from landcover.errors import TooManyFailures, WorkerDiffers
from landcover.runs.counts import Counts
from landcover.runs.directory import RunDirectory
from landcover.runs.parts import finished, remove_part, remove_strays, write_part
from landcover.runs.rearranging import rearrange
from landcover.runs.tables import Part
from landcover.scoring.poison import done_apart
from landcover.scoring.tasks import Tasks
from landcover.scoring.totals import Tiles, Totals
from landcover.scoring.worker import Job, Report
from landcover.tiles.rasters import RasterTask

_log = logging.getLogger(__name__)


def score_tasks(
    pool: Backend,
    job: Job,
    source: Source,
    config: Config,
    totals: Totals,
    progress: Callable[[Tiles], None],
    extend: bool = False,
) -> dict[str, object]:
    """Hand all tasks that are not done yet to the backend, and see each of them to its end.

    Args:
        pool: whose workers do them.
        job: what is done with a task.
        source: of the tasks.
        config: says what comes of failures, and where the run is.
        totals: what comes home is added to it.
        progress: called after each task.
        extend: the run had other inputs before: tasks may have other places in the plan.

    Returns:
        what ``run.json`` says of those that were done before, of other inputs.

    Raises:
        TooManyFailures: a tile has failed, and the configuration allows none to.
        RunIncomplete: the backend has lost something.
        WorkerDiffers: a worker is too old.
    """
    done = finished(job.run)
    if extend:
        done = rearrange(job.run, done, ((task.index, task.digest) for task in source.tasks()))
    totals.add_earlier({index: one for index, one in done.items() if not one.retryable})

    def withdraw(index: int) -> None:
        totals.drop(index)
        remove_part(job.run, index)

    tasks, lost = Tasks(source, done, withdraw), list[Lost[Task]]()
    for result in pool.map(job, tasks):
        job.run.check_there()
        if isinstance(result, Lost):
            if result.died and (job.alone or result.item.tiles > 1):
                lost.append(result)
            elif tasks.came_home(result.item.index):
                totals.add_lost(result.item.index, _give_up(job.run, result))
        elif tasks.came_home(result.index):
            _check_report(job, result)
            totals.add(result)
        progress(totals.progress)
        if config.failures.policy == "fail":
            check_failures(config, totals)
    for one in lost:
        _spare(pool, job, one, totals)
        tasks.came_home(one.item.index)
        progress(totals.progress)
    for index in tasks.no_more():
        withdraw(index)
    remove_strays(job.run)
    totals.planned = tasks.tiles
    tasks.check(job.run, totals.done)
    if tasks.changed:
        _log.warning(
            "%s: %d tasks were done again, as their inputs had changed", job, tasks.changed["tasks"]
        )
    return {"changed_inputs": tasks.changed} if tasks.changed else {}


def _spare(pool: Backend, job: Job, lost: Lost[Task], totals: Totals) -> None:
    """Do a task under which workers died without what ends them; in a process apart, if this one did."""
    if job.alone:
        # A GPU that this process has is for no other.
        apart = replace(job, recipe=replace(job.recipe, device="cpu"))
        with ProcessBackend(job.threads) as child:
            result = done_apart(child, apart, lost.item)
    else:
        result = done_apart(pool, job, lost.item)
    if isinstance(result, Lost):
        counts = _give_up(job.run, result)
        totals.add_lost(lost.item.index, counts)
    else:
        _check_report(job, result)
        counts = result.counts
        totals.add(result)
    if job.under_way is not None:
        (job.under_way.suspect if counts.retryable else job.under_way.clear)(lost.item.index)


def check_failures(config: Config, totals: Totals) -> None:
    """Compare what has failed with what may.

    Raises:
        TooManyFailures: it is more.
    """
    allowed = 0 if config.failures.policy == "fail" else config.failures.at_most
    failed, planned = totals.tiles["quarantined"], totals.planned
    if failed > allowed * planned:
        raise TooManyFailures(failed, planned, allowed, config.output.path, totals.retryable)


def _check_report(job: Job, report: Report) -> None:
    """Refuse what a worker did that is too old to have looked at what is installed there."""
    if getattr(report, "installation", None) is None and job.driver is not None:
        remove_part(job.run, report.index)
        raise WorkerDiffers(report.worker, "an older landcover", job.driver.words())


def _give_up(directory: RunDirectory, lost: Lost[Task]) -> Counts:
    """Put the tiles of a task that no worker survived into quarantine."""
    task = lost.item
    failures = [Failure(tile, lost.reason, True) for tile in task.planned()]
    of_scene = (task.scene.crs, task.scene.date) if isinstance(task, RasterTask) else ()
    return write_part(directory, Part.failed(task, failures, *of_scene))
