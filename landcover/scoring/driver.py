"""The driver of a run: plans, claims the directory, has the tasks done, and says what came out."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import replace
from functools import partial
from typing import Any

from landcover.config import Config
from landcover.contracts import Backend, Source
from landcover.models.recipe import Recipe
from landcover.models.runtimes.facts import recorded_libraries
from landcover.models.runtimes.placement import expects_gpu
from landcover.plugins import load_backend
from landcover.run import Run
from landcover.runs.claiming import Overtaken, claim, looked_at
from landcover.runs.directory import RunDirectory
from landcover.scoring.advice import advice
from landcover.scoring.costs import Figures, remembered
from landcover.scoring.ended import done_before, explained, identity, opened
from landcover.scoring.execution import check_failures, score_tasks
from landcover.scoring.installation import installation
from landcover.scoring.model import open_models
from landcover.scoring.outcome import write_outcome
from landcover.scoring.plan import (
    GPU_TILES_PER_SECOND,
    TASK_SECONDS,
    as_written,
    check_task_size,
    make_source,
    recorded_task_size,
    shared_region,
    task_size,
    tell_hidden,
)
from landcover.scoring.precision import check_precision
from landcover.scoring.readers import Limits
from landcover.scoring.settled import Settled, is_settled, recorded, settle, shared_network
from landcover.scoring.totals import Tiles, Totals
from landcover.scoring.tuning import remembered as remembered_tuning
from landcover.scoring.under_way import UnderWay
from landcover.scoring.window import recipe_of
from landcover.scoring.worker import Job
from landcover.tiles.images import ImageSource
from landcover.tiles.rasters import RasterSource
from landcover.versions import version_of

# What of a run's fingerprint says which inputs it has.
INPUTS = ("scenes", "imagery", "images")
# What decides the maps alone: a run that is extended may change it, and nothing is scored anew.
_MAPS = ("overlap",)

_VERSIONS = ("landcover", "numpy", "rasterio", "xarray")


def run(
    config: Config,
    backend: Backend | None = None,
    progress: Callable[[Tiles], None] = lambda tiles: None,
    extend: bool = False,
    task_seconds: float = TASK_SECONDS,
) -> Run:
    """Do all of a run that is not done yet, and say in its directory what came out.

    Args:
        config: what is asked for.
        backend: a backend made by hand, which is left open; None: the one that ``config`` names.
        progress: called after each task.
        extend: go on with a run over other inputs: only what is new or has changed is scored.
        task_seconds: that a task takes where there are enough tiles, and none says its size.

    Raises:
        TooManyFailures: the run has come to its end, but more tiles failed than allowed.
    """
    while True:
        with suppress(Overtaken):  # what another command has done meanwhile decides what is left
            return _run(config, backend, progress, extend, task_seconds)


def _run(
    config: Config,
    backend: Backend | None,
    progress: Callable[[Tiles], None],
    extend: bool,
    task_seconds: float,
) -> Run:
    """Look at what there is, and do what is left of the run.

    Raises:
        Overtaken: another command has changed the directory meanwhile; nothing is done.
    """
    started = time.perf_counter()
    looked = looked_at(config.output.path)
    here = works_here(config, backend)
    asked = recipe_of(config, here)
    settled = recorded(asked, config)
    source = make_source(config.source, asked)
    planned = source.count()  # first, as it says whether there are too many to go through
    what = (config, settled.recipe, source, planned)
    if is_settled(settled.recipe) and (done := done_before(*what, backend, looked)):
        return done
    tell_hidden(source, config.output.overlap)
    totals = Totals(planned)
    with ExitStack() as open_until_done:
        pool = open_until_done.enter_context(opened(config, backend))
        # A cluster that does not answer says so here, before anything is written.
        threads = pool.threads
        settled = settle(settled, config, source, planned, pool)
        recipe = settled.recipe
        works = as_written(config.source, recipe)
        own = opened_here(works, here)
        open_until_done.enter_context(model_here(own, pool, here))
        source = source.divided(task_tiles(config, works, own, pool, planned, task_seconds))
        extended = (*INPUTS, *_MAPS) if extend else ()
        with _claimed(config, settled, source, totals, extended, looked) as directory:
            source = shared_region(source, directory)
            recipe = shared_network(settled, directory)
            job = Job(
                as_written(config.source, recipe),
                directory,
                threads=threads,
                tuned=config.model.batch == "auto",
                probabilities=config.output.probabilities,
                alone=here,
                driver=installation(recipe.runtime),
                limits=Limits(config.failures.timeout),
                patience=config.failures.patience,
                under_way=UnderWay(directory.path) if here else None,
            )
            with explained(directory, totals.summary):
                checked = settled.told or _precision(own, job, source)
                changed = score_tasks(pool, job, source, config, totals, progress, extend)
                summary = totals.summary() | checked | changed
                summary |= write_outcome(directory, source, recipe, pool, config.output)
            on_gpus = any(not device.endswith(" cpu") for device in summary["devices"])
            how = (recipe.runtime, recipe.precision, on_gpus)
            summary["advice"] = advice(summary["stages"], *how)
            directory.finish(summary | _taken(config, totals, time.perf_counter() - started))
    check_failures(config, totals)
    return Run.open(config.output.path)


def works_here(config: Config, backend: Backend | None = None) -> bool:
    """Whether tasks are done in this process.

    Args:
        config: names the backend,
        backend: unless it was made by hand.
    """
    if backend is None:
        return config.backend.name == "local"
    return isinstance(backend, type(load_backend("local")))


def _taken(config: Config, totals: Totals, seconds: float) -> dict[str, object]:
    """What the run has taken, and what was planned for it."""
    took = Figures(seconds, max(1, totals.worker_count), totals.peak_memory).told(config.plan)
    told: dict[str, object] = {"seconds": took["seconds"], "figures": took}
    planned = None if totals.resumed else remembered(config)
    return told if planned is None else told | {"planned": planned}


def opened_here(recipe: Recipe, here: bool) -> Recipe:
    """What a driver opens its model by; that of a cluster on the CPU, as GPUs are for the workers.

    Args:
        recipe: by which tasks open it.
        here: whether they are done in this process.
    """
    return recipe if here else replace(recipe, device="cpu")


@contextmanager
def model_here(own: Recipe, pool: Backend, here: bool) -> Iterator[None]:
    """Where tasks are done in this process, keep the model open for them, and close it at the end.

    The driver of a cluster closes what it looked into, and other runs here what they still use.

    Args:
        own: what :func:`opened_here` says.
        pool: whose threads the model computes with.
        here: whether tasks are done in this process.
    """
    models, threads = open_models(), pool.threads
    try:
        with models.use(own, threads) if here else nullcontext():
            yield
    finally:
        models.close(own, threads)


def task_tiles(
    config: Config, recipe: Recipe, own: Recipe, pool: Backend, planned: int, seconds: float
) -> int:
    """Tiles a task: as in the run that is gone on with, as told, or by the speed of the model.

    Args:
        config: says where the run is, and maybe a size.
        recipe: by which tasks open their model.
        own: by which this process does.
        pool: the backend.
        planned: tiles of the whole run.
        seconds: that a task takes where there are enough tiles.
    """
    size = recorded_task_size(config.output.path) or config.source.task
    held = config.output.probabilities
    if size is not None:
        return check_task_size(size, recipe, held)
    sized = partial(task_size, slots=pool.slots, seconds=seconds, probabilities=held)
    if own is not recipe and expects_gpu(recipe.device, recipe.runtime):
        return sized(recipe, planned, GPU_TILES_PER_SECOND)
    known = remembered_tuning(own, pool.threads) if own.device == "cpu" else None
    if known is None:
        with open_models().use(own, pool.threads) as opened:
            known = opened.tuning()
    return sized(recipe, planned, known.tiles_per_second)


def _precision(recipe: Recipe, job: Job, source: Source) -> dict[str, Any]:
    """What a precision below f32 changes, as an entry of ``run.json``; no entry for f32."""
    if recipe.precision == "f32":
        return {}
    found = check_precision(recipe, source, job.threads)
    return {} if found is None else {"precision_check": found.as_dict()}


@contextmanager
def _claimed(
    config: Config,
    settled: Settled,
    source: RasterSource | ImageSource,
    totals: Totals,
    extended: Collection[str],
    looked: bytes,
) -> Iterator[RunDirectory]:
    """The run's directory, ours alone, with what ``run.json`` says from the start."""
    manifest = {
        "config": config.recorded(),
        "model": settled.recipe.as_dict(),
        **settled.told,
        "versions": _versions(),
        "plan": {"tiles": totals.planned, "task_tiles": source.task_tiles},
    }
    whose = identity(config, settled.recipe, source)
    how: dict[str, Any] = {"extended": extended, "looked": looked}
    with claim(config.output.path, *whose, manifest, **how) as directory:
        yield directory


def _versions() -> dict[str, str]:
    found = {name: version_of(name) for name in (*_VERSIONS, *recorded_libraries())}
    return {name: version for name, version in found.items() if version is not None}
