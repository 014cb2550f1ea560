"""The first half of a task: which of its tiles have a label, and which split they belong to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from landcover.labelling.folder import Prepared
from landcover.labelling.plane import outlines_of
from landcover.labelling.reference import Reference
from landcover.labelling.rules import REASONS, Labels
from landcover.labelling.splitting import Splitting
from landcover.tiles.rasters.scene import Scene
from landcover.tiles.rasters.task import RasterTask

_BEYOND, _BORDER = (-1 - REASONS.index(one) for one in ("beyond the scene", "at a border"))
_NO_DATA, _UNREADABLE = (-1 - REASONS.index(one) for one in ("no data", "unreadable"))


class Item(NamedTuple):
    """A task, and what is known of its scene.

    Args:
        task: a block of the scene's grid.
        stem: what the names of its tiles begin with, unique to the scene.
        own: the split that the scene belongs to; -1 where scenes are not split.
    """

    task: RasterTask
    stem: str
    own: int


class Found(NamedTuple):
    """What came of a task.

    Args:
        task: its place in the plan.
        tiles: how many it stands for.
        counts: tiles by split and class, as ``[split, class, count]``.
        left_out: tiles without a label, by the place of the reason in ``REASONS``.
    """

    task: int
    tiles: int
    counts: list[list[int]]
    left_out: list[int]

    def told(self) -> dict[str, Any]:
        """As plain JSON values."""
        return self._asdict()


@dataclass(frozen=True)
class Finder:
    """Labels the tiles of tasks; sent to workers.

    Args:
        folder: where what is found is written.
        reference: what is held to be true.
        splitting: which split tiles belong to.
        plane: the CRS of ``splitting``.
    """

    folder: Prepared
    reference: Reference
    splitting: Splitting
    plane: str

    def __call__(self, item: Item) -> Found:
        """Label the tiles of a task, and write down those that have a label.

        Raises:
            SourceError: if the reference cannot be read, or has classes that are none of its scheme.
            OutputError: if that cannot be written.
        """
        task = item.task
        labels, splits = self._labelled(item)
        kept = np.flatnonzero(labels >= 0)
        cols = task.block.col1 - task.block.col0
        table = pa.table(
            {
                "row": pa.array((kept // cols + task.block.row0).astype(np.int32)),
                "col": pa.array((kept % cols + task.block.col0).astype(np.int32)),
                "label": pa.array(labels[kept]),
                "split": pa.array(splits[kept]),
            }
        )
        found = Found(
            task.index, task.tiles, _counts(labels[kept], splits[kept]), _left(labels, task)
        )
        self.folder.put_part("labels", task.index, table, {**found.told(), "digest": task.digest})
        return found

    def _labelled(self, item: Item) -> tuple[Labels, Any]:
        """The labels and splits of all tiles of the task's block, row after row."""
        task, scene = item.task, item.task.scene
        with self.reference.opened() as reference:
            labels = reference.labels(scene, task.block).ravel()
        labels[beyond(scene, task) | ~task.chosen_tiles().ravel()] = _BEYOND
        splits = np.full(len(labels), -1, np.int8)
        left = np.flatnonzero(labels >= 0)
        if len(left):
            outlines = outlines_of(scene, task.block, self.plane)
            splits[left] = self.splitting.of(outlines[left], item.own)
            labels[left[splits[left] < 0]] = _BORDER
        if has_gaps(scene):
            _leave_out_gaps(task, labels)
        return labels, splits


def beyond(scene: Scene, task: RasterTask) -> Any:
    """Which tiles of a task's block reach beyond the scene: dims (tile,)."""
    grid, block = scene.grid, task.block
    rows, cols = np.mgrid[block.row0 : block.row1, block.col0 : block.col1]
    top = rows.ravel() * grid.stride.rows - grid.before.rows
    left = cols.ravel() * grid.stride.cols - grid.before.cols
    bottom, right = top + grid.tile.rows, left + grid.tile.cols
    return (top < 0) | (left < 0) | (bottom > grid.height) | (right > grid.width)


def has_gaps(scene: Scene) -> bool:
    """Whether pixels of a scene may hold no data, so that only reading them tells."""
    return scene.bands.validity != "all" or np.dtype(scene.bands.dtype).kind == "f"


def chosen(task: RasterTask, wanted: Any) -> RasterTask:
    """A task of some tiles of its block.

    Args:
        task: whose block it is.
        wanted: which tiles, dims (tile,), row after row.
    """
    bits = b"" if wanted.all() else np.packbits(wanted).tobytes()
    return replace(task, chosen=bits, spared=())


def _leave_out_gaps(task: RasterTask, labels: Labels) -> None:
    """Take the label of tiles of which some pixel holds no data, or that cannot be read."""
    wanted = labels >= 0
    if not wanted.any():
        return
    cols = task.block.col1 - task.block.col0
    place = {
        (i // cols + task.block.row0, i % cols + task.block.col0): i
        for i in np.flatnonzero(wanted).tolist()
    }
    whole = set()
    for read in replace(chosen(task, wanted), mask=True).reads():
        strip = read()
        for number, tile in enumerate(strip.tiles):
            if strip.valid is None or strip.valid[number].all():
                whole.add((tile.row, tile.col))
        for failure in strip.failures:
            labels[place[failure.tile.row, failure.tile.col]] = _UNREADABLE
    for key, at in place.items():
        if key not in whole and labels[at] >= 0:
            labels[at] = _NO_DATA


def _counts(labels: Labels, splits: Any) -> list[list[int]]:
    cells, counts = np.unique(np.stack([splits, labels], axis=1), axis=0, return_counts=True)
    return [[*cell, n] for cell, n in zip(cells.tolist(), counts.tolist(), strict=True)]


def _left(labels: Labels, task: RasterTask) -> list[int]:
    of_task = labels[task.chosen_tiles().ravel()]
    return np.bincount(-1 - of_task[of_task < 0], minlength=len(REASONS)).tolist()  # type: ignore[no-any-return]
