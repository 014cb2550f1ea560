"""``landcover.prepare``: imagery and a reference become labelled tiles."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from landcover.config import load_settings, told_of
from landcover.contracts import Backend, Lost
from landcover.errors import RunIncomplete
from landcover.labelling.checking import Stage
from landcover.labelling.drawing import Cell, Draw, Lots, sizes_of
from landcover.labelling.exports import check_exports, write_exports
from landcover.labelling.finding import Finder, Item
from landcover.labelling.folder import Prepared
from landcover.labelling.manifest import write_table
from landcover.labelling.outcome import Outcome, check_found, write_figure
from landcover.labelling.planning import Plan, make_plan
from landcover.labelling.rules import REASONS
from landcover.labelling.settings import SPLITS, PrepareConfig
from landcover.labelling.tile_set import TileSet
from landcover.labelling.writing import Writer, chance_of
from landcover.plugins import load_backend
from landcover.scoring.score import backend_settings, section

R = TypeVar("R")
Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many tiles are, and how many there are."""

_log = logging.getLogger(__name__)


def prepare(
    config: str | Path | Mapping[str, Any] | None = None,
    *,
    reference: str | Path | Mapping[str, Any] | None = None,
    backend: str | Mapping[str, Any] | Backend | None = None,
    output: str | Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
    restart: bool = False,
) -> TileSet:
    """Cut imagery into tiles, and label them with a reference.

    Args:
        config: a YAML file, or the same as nested mappings
            (:class:`landcover.labelling.settings.PrepareConfig`).
        reference: in place of ``reference.path``, or of several keys of that section.
        backend: in place of ``backend.name``, or of several keys of that section; or a backend made
            by hand, which is left open.
        output: in place of ``output.path``.
        overrides: any other keys, dotted: ``{"labels.rule": "majority"}``.
        progress: called after each task.
        restart: remove first what was written to this folder before.

    Returns:
        The tiles, once all are written.

    Raises:
        LandcoverError: a subclass says what is wrong.
    """
    by_hand = backend if isinstance(backend, Backend) else None
    settings = {
        **section("reference", "path", reference),
        **backend_settings(backend),
        **section("output", "path", output),
        **(overrides or {}),
    }
    resolved = load_settings(PrepareConfig, config if config is not None else {}, settings)
    folder = Prepared(resolved.output.path)
    if restart:
        folder.erase()
    with told_of(config):
        plan = make_plan(resolved)
        if (done := folder.done(plan.fingerprint(), plan.legend.scheme)) is not None:
            folder.forget_left_over()
            _log.warning("%s: these tiles are written, and nothing is left to do", folder.path)
            return TileSet(folder, done)
        with _opened(resolved, by_hand) as pool:
            return _Work(plan, pool, progress or (lambda what, done, total: None)).done_in(folder)


class _Work:
    """The steps from a plan to tiles.

    Args:
        plan: what is asked for.
        pool: whose workers do it.
        progress: told how far it has come.
    """

    def __init__(self, plan: Plan, pool: Backend, progress: Progress) -> None:
        self._plan, self._pool, self._progress = plan, pool, progress

    def done_in(self, folder: Prepared) -> TileSet:
        """Do all that is not done yet."""
        plan = self._plan
        plan.check_alike()
        plan.check_reference()
        bands = plan.scenes[0].bands
        check_exports(plan.config.output, len(bands.read), bands.dtype)
        _ = self._pool.threads  # a cluster that does not answer says so before anything is written
        scheme, outcome = plan.legend.scheme, Outcome(plan)
        with folder.claimed(plan.fingerprint(), scheme, outcome.asked()) as (held, said):
            if said["status"] == "done":
                return TileSet(folder, said)
            with held.forgotten_where_refused():
                reference = plan.reference(held)
                finder = Finder(held, reference, plan.splitting(held), plan.plane)
                found = self._all(held, "labels", finder, plan.source.count())
            cells, left_out = _added(found.values())
            with held.forgotten_where_refused(labelled=True):
                check_found(plan, cells, left_out)
            drawn = sizes_of(cells, plan.config.draw)
            masks = reference if plan.config.output.pixels else None
            draw = self._draw(held, cells, drawn)
            folders = [(SPLITS[split], scheme.classes[label]) for split, label in cells]
            held.make_folders(folders, masks is not None)
            writer = Writer(held, scheme, draw, plan.config.draw.seed, plan.crs, masks)
            written = self._all(held, "tiles", writer, sum(drawn.values()))
            held.storage.settle()
            write_table(held, sorted(written), plan.crs, scheme)
            summary = {**said, **outcome.told(held, cells, left_out, written.values())}
            write_exports(held, plan.config.output, summary)
            write_figure(held, summary)
            held.write_manifest(summary)
            held.forget_parts()
        return TileSet(folder, summary)

    def _all(
        self, folder: Prepared, stage: Stage, function: Callable[[Item], Any], total: int
    ) -> dict[int, dict[str, Any]]:
        """Have all tasks done that are not done yet: what each has counted, by its index."""
        done = folder.finished(stage, self._plan.legend.scheme)
        what = {"labels": "labelling", "tiles": "writing"}[stage]
        ended, lost, seen = sum(one["tiles"] for one in done.values()), list[int](), list[int]()

        def left() -> Iterator[Item]:
            for item in self._plan.items():
                seen.append(item.task.index)
                if item.task.index not in done:
                    yield item

        for result in self._pool.map(function, left()):
            if isinstance(result, Lost):
                lost.append(result.item.task.index)
                _log.warning("task %d was lost: %s", lost[-1], result.reason)
                continue
            done[result.task] = result._asdict()
            ended += result.tiles
            self._progress(what, ended, total)
        if missing := sorted({*seen} - {*done}):
            raise RunIncomplete(folder.path, missing, len(seen), ended, total)
        return {index: done[index] for index in seen}

    def _draw(self, folder: Prepared, found: Mapping[Cell, int], drawn: Mapping[Cell, int]) -> Draw:
        """Which tiles are drawn of all that have a label."""
        lots = Lots(found, drawn)
        if found == drawn:
            return Draw()
        for item in self._plan.items():
            table = folder.part("labels", item.task.index, self._plan.legend.scheme)
            row, col, label, split = (
                table.column(name).to_numpy() for name in ("row", "col", "label", "split")
            )
            chance = chance_of(item.task.scene, row, col, self._plan.config.draw.seed)
            lots.add(split, label, chance)
        return lots.draw()


def _added(found: Any) -> tuple[dict[Cell, int], dict[str, int]]:
    """What tasks have counted, together: tiles by split and class, and those that are left out."""
    cells, left_out = Counter[Cell](), Counter[str]()
    for one in found:
        for split, label, count in one["counts"]:
            cells[split, label] += count
        left_out.update(dict(zip(REASONS, one["left_out"], strict=True)))
    return dict(sorted(cells.items())), {reason: left_out[reason] for reason in REASONS}


@contextmanager
def _opened(config: PrepareConfig, backend: Backend | None) -> Iterator[Backend]:
    if backend is not None:
        yield backend
        return
    with load_backend(config.backend.name, **config.backend.options) as made:
        yield made
