"""Whose a run is, and what becomes of one that has ended when it is asked for again."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from landcover.classes import Scheme, classes_of
from landcover.config import Config
from landcover.contracts import Backend
from landcover.errors import LandcoverError
from landcover.models.recipe import Recipe
from landcover.plugins import load_backend
from landcover.redaction import printable
from landcover.run import Run
from landcover.runs.claiming import claim, ended_run
from landcover.runs.directory import RunDirectory
from landcover.runs.lock import forget_left_over
from landcover.runs.parts import finished
from landcover.scoring.execution import check_failures
from landcover.scoring.outcome import write_outcome
from landcover.scoring.plan import recorded_task_size
from landcover.scoring.tasks import nothing_left
from landcover.scoring.totals import Totals
from landcover.tiles.images import ImageSource
from landcover.tiles.rasters import RasterSource

_log = logging.getLogger(__name__)

# Of the section ``output``, what decides the maps and pictures alone: they are made again of the parts.
_SHOWN = ("mosaic", "imagery")

# What ``run.json`` says of maps and pictures, and where a run stands.
_OF_MAPS = ("files", "dates", "note", "status")


def identity(
    config: Config, recipe: Recipe, source: RasterSource | ImageSource
) -> tuple[dict[str, object], Scheme]:
    """What decides what a run writes, and its classes."""
    fingerprint = {"model": recipe.identity(), **source.fingerprint()}
    # Runs from before there was a choice have no such keys.
    if config.output.overlap != "first":
        fingerprint["overlap"] = config.output.overlap
    if config.output.probabilities:
        fingerprint["probabilities"] = True
    return fingerprint, classes_of(recipe.classes, recipe.scheme)


def done_before(
    config: Config,
    recipe: Recipe,
    source: RasterSource | ImageSource,
    planned: int,
    backend: Backend | None,
    looked: bytes,
) -> Run | None:
    """The run that is asked for, where no tile of it is left to do.

    Args:
        config: what is asked for.
        recipe: the model's.
        source: the imagery.
        planned: tiles of the plan.
        backend: whose workers make its maps again, where others are asked for; None: as ``config`` says.
        looked: what ``run.json`` said (:func:`landcover.runs.claiming.looked_at`).

    Raises:
        TooManyFailures: nothing is left to do, but more tiles failed than allowed.
        Overtaken: another command has changed the directory meanwhile.
    """
    size = recorded_task_size(config.output.path)
    if size is None:
        return None
    source = source.divided(size)
    directory = ended_run(config.output.path, *identity(config, recipe, source))
    if directory is None:
        return None
    parts = finished(directory)
    if not nothing_left(source, parts):
        return None
    totals = Totals(planned)
    totals.add_earlier(parts)
    _log.warning("%s: this run is done, and nothing is left to score", config.output.path)
    if not _shows_what_is_asked(config, directory.manifest()):
        _show(config, recipe, source, directory, backend, looked)
    else:
        forget_left_over(directory.storage)
    check_failures(config, totals)
    return Run.open(config.output.path)


@contextmanager
def opened(config: Config, backend: Backend | None) -> Iterator[Backend]:
    """A backend made by hand, which is left open, or the one that a configuration names."""
    if backend is not None:
        yield backend
    else:
        with load_backend(config.backend.name, **config.backend.options) as made:
            yield made


@contextmanager
def explained(directory: RunDirectory, summary: Callable[[], Mapping[str, Any]]) -> Iterator[None]:
    """Say in ``run.json`` why a run ended early; it can be gone on with.

    Args:
        directory: of the run, which is ours.
        summary: what else is to be said then.

    Raises:
        OutputError: somebody has removed the run meanwhile: what could not be read or written any
            more says less.
    """
    try:
        yield
    except BaseException as error:
        if isinstance(error, LandcoverError):
            directory.check_there()
        status = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
        with suppress(LandcoverError):  # the first error is what people must know of
            directory.finish({**summary(), "reason": printable(str(error))}, status)
        raise


def _shows_what_is_asked(config: Config, found: Mapping[str, Any]) -> bool:
    """Whether the maps and pictures of a run are those that are asked for."""
    was = found.get("config", {}).get("output", {})
    return all(was.get(key) in (None, getattr(config.output, key)) for key in _SHOWN)


def _show(
    config: Config,
    recipe: Recipe,
    source: RasterSource | ImageSource,
    directory: RunDirectory,
    backend: Backend | None,
    looked: bytes,
) -> None:
    """Make the maps and pictures of a finished run again, as they are asked for now."""
    _log.warning("%s: its maps are made again, as output asks for others", config.output.path)
    kept = {key: value for key, value in directory.manifest().items() if key not in _OF_MAPS}
    manifest = {**kept, "config": config.recorded()}
    whose = identity(config, recipe, source)
    with (
        opened(config, backend) as pool,
        claim(directory.path, *whose, manifest, looked=looked) as held,
    ):
        with explained(held, dict):
            outcome = write_outcome(held, source, recipe, pool, config.output)
        held.finish(outcome)
