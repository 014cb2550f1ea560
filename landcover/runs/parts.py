"""Parts: what tasks write, whole or not at all, with the same bytes for the same results.

A part is written once: of several copies of a task (an engine may start another one where the first
is slow) the first to end has written it, and the others bring home what that one has found.
"""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from landcover.classes import Scheme
from landcover.contracts import Failure, Task, Tile
from landcover.errors import OutputError
from landcover.redaction import redacted
from landcover.runs.counts import Counts, counts_of
from landcover.runs.directory import Kind, RunDirectory
from landcover.runs.geoparquet import bounds_of, geo_metadata, outlines
from landcover.runs.pixels import PixelBlock, encode_pixels

_WHERE = pa.schema(
    [
        *(pa.field(name, pa.string()) for name in ("tile", "source")),
        *(pa.field(name, pa.int32()) for name in ("row", "col")),
        *(pa.field(name, pa.float64()) for name in ("xmin", "ymin", "xmax", "ymax")),
    ]
)


# What may lie beside the table of a task.
_BESIDE: tuple[Kind, ...] = ("quarantine", "pixels")


@dataclass(frozen=True, eq=False)
class Part:
    """The results of one task.

    Args:
        index: the task's place in the plan, from 0.
        planned: how many tiles the task stands for.
        tiles: those that were scored, n of them.
        labels: dims (n,): the index of the class of each.
        scores: dims (n,), in [0, 1]: how probable that label is.
        probabilities: dims (n, class), in [0, 1]; None where they were not asked for.
        crs: of the tiles' bounds; None for image files.
        failures: those that could not be scored.
        skipped: how many hold nothing but nodata.
        pixels: labels of pixels, from a network that labels pixels.
        digest: of the task: what it would do, in a few characters.
        undefined: dims (n,): pixels of each tile for which the network returned no probabilities;
            None for a network that labels tiles.

    Raises:
        ValueError: if scored, failed and skipped tiles do not add up to those planned.
    """

    index: int
    planned: int
    tiles: Sequence[Tile]
    labels: npt.NDArray[np.integer[Any]]
    scores: npt.NDArray[np.float32]
    probabilities: npt.NDArray[np.float32] | None = None
    crs: str | None = None
    failures: Sequence[Failure] = ()
    skipped: int = 0
    pixels: PixelBlock | None = None
    digest: str = ""
    undefined: npt.NDArray[np.integer[Any]] | None = None

    def __post_init__(self) -> None:
        ended = len(self.tiles) + len(self.failures) + self.skipped
        if ended != self.planned:
            raise ValueError(f"task {self.index}: {self.planned} tiles planned, {ended} ended")

    @classmethod
    def failed(cls, task: Task, failures: Sequence[Failure], crs: str | None = None) -> Part:
        """The part of a task of which every tile has failed."""
        labels, scores = np.zeros(0, np.intp), np.zeros(0, np.float32)
        return cls(
            *(task.index, task.tiles, (), labels, scores),
            crs=crs,
            failures=failures,
            digest=task.digest,
        )

    @property
    def counts(self) -> Counts:
        """How many tiles were planned, and what became of them."""
        failed, retryable = len(self.failures), sum(one.retryable for one in self.failures)
        undefined = 0 if self.undefined is None else int(self.undefined.sum())
        ended = (self.planned, len(self.tiles), failed, self.skipped)
        return Counts(*ended, self.digest, retryable, undefined)


def write_part(run: RunDirectory, part: Part) -> Counts:
    """Write what a task brought, unless another copy of the task has done so.

    What lies beside the table (failures, pixels) comes first, under names that no other content
    has. The table says which of these belong to it: once it is there, the task is done.

    Args:
        run: the directory, whose scheme ``part.labels`` counts.
        part: the results.

    Returns:
        What became of the tiles, as the directory says from now on.

    Raises:
        OutputError: if something cannot be written; the task is not done then.
    """
    beside = _beside(run, part)
    counts = replace(part.counts, mark=_mark(beside))
    if beside and (first := _of_a_copy(run, part)):
        return first
    for kind, content in beside.items():
        run.storage.put(run.part(kind, part.index, counts.mark), content)
    name, table = run.part("tiles", part.index), _encode(_tiles(part, counts, run.scheme))
    if not run.storage.put_new(name, table):
        if first := _of_a_copy(run, part):
            if first.mark != counts.mark:
                _remove_beside(run, part.index, counts.mark)
            return first
        run.storage.put(name, table)  # what is there is damaged, or of other inputs
    return counts


def remove_part(run: RunDirectory, index: int) -> None:
    """Remove all that a task has written.

    Raises:
        OutputError: if something cannot be removed.
    """
    counts = counts_of(run, index)
    run.storage.remove(run.part("tiles", index))  # without its tiles, the task is not done
    if counts is not None:
        _remove_beside(run, index, counts.mark)


def remove_strays(run: RunDirectory) -> None:
    """Remove what lies beside tables and belongs to none: of copies and attempts that were killed.

    Raises:
        OutputError: if something cannot be removed.
    """
    for kind in _BESIDE:
        there = run.marked_parts(kind)
        often = Counter(index for index, _ in there)
        for index, mark in there:
            # All tables of pixel networks have pixels beside them, but for those without a tile.
            if kind == "quarantine" or often[index] > 1:
                counts = counts_of(run, index)
                if counts is None or counts.mark != mark:
                    run.storage.remove(run.part(kind, index, mark))


def finished(run: RunDirectory) -> dict[int, Counts]:
    """The counts of all tasks that are done, by index; a part that is damaged does not count."""
    indices = run.parts("tiles")
    if run.storage.local is not None:
        found = {index: counts_of(run, index) for index in indices}
    else:  # 32 requests at a time: each waits some ten milliseconds for the store
        with ThreadPoolExecutor(32) as pool:
            found = dict(zip(indices, pool.map(lambda i: counts_of(run, i), indices), strict=True))
    return {index: counts for index, counts in found.items() if counts is not None}


def read_parts(
    run: RunDirectory,
    kind: Literal["tiles", "quarantine"] = "tiles",
    columns: Sequence[str] | None = None,
) -> Iterator[pa.Table]:
    """The tables of the tasks that are done, one after the other, in the order of the plan.

    Args:
        run: the directory.
        kind: scored tiles, or those that failed.
        columns: all, unless some are named.

    Raises:
        OutputError: if a part cannot be read.
    """
    for index in run.parts(kind):
        if kind == "tiles":
            yield read_part(run, index, columns)
        elif (counts := counts_of(run, index)) and counts.quarantined:
            yield _read(run, run.part(kind, index, counts.mark), columns)


def read_part(run: RunDirectory, index: int, columns: Sequence[str] | None = None) -> pa.Table:
    """The scored tiles of one task that is done.

    Args:
        run: the directory.
        index: of the task.
        columns: all, unless some are named.

    Raises:
        OutputError: if they cannot be read.
    """
    return _read(run, run.part("tiles", index), columns)


def _read(run: RunDirectory, name: str, columns: Sequence[str] | None) -> pa.Table:
    try:
        content = pa.BufferReader(run.storage.read(name))
        return pq.read_table(content, columns=list(columns) if columns else None)
    except (OSError, pa.ArrowException) as error:
        raise OutputError(run.storage.where(name), f"cannot be read: {error}") from error


def _beside(run: RunDirectory, part: Part) -> dict[Kind, bytes]:
    """What lies beside the table of a task."""
    beside: dict[Kind, bytes] = {}
    if part.failures:
        beside["quarantine"] = _encode(_failures(part))
    if part.pixels is not None:
        beside["pixels"] = encode_pixels(part.pixels, run.scheme)
    return beside


def _mark(beside: Mapping[Kind, bytes]) -> str:
    """Differs where contents do."""
    return hashlib.blake2b(b"".join(beside.values()), digest_size=4).hexdigest() if beside else ""


def _of_a_copy(run: RunDirectory, part: Part) -> Counts | None:
    """What another copy of the same task has written, if there is one."""
    counts = counts_of(run, part.index)
    return counts if counts is not None and counts.digest == part.digest else None


def _remove_beside(run: RunDirectory, index: int, mark: str) -> None:
    for kind in _BESIDE:
        run.storage.remove(run.part(kind, index, mark))


def _tiles(part: Part, counts: Counts, scheme: Scheme) -> pa.Table:
    bounds = bounds_of(part.tiles)
    table = _where(part.tiles, bounds)
    names, codes = np.array(scheme.names, object), np.array(scheme.codes, np.int32)
    more: dict[str, pa.Array] = {
        "label": pa.array(names[part.labels], pa.string()),
        "code": pa.array(codes[part.labels]),
        "score": pa.array(np.asarray(part.scores, np.float32)),
        "true_label": pa.array([tile.true_label for tile in part.tiles], pa.string()),
    }
    if part.probabilities is not None:
        values = np.ascontiguousarray(part.probabilities, np.float32)
        ends = np.arange(0, values.size + 1, max(values.shape[-1], 1), dtype=np.int32)
        more["probabilities"] = pa.ListArray.from_arrays(ends, pa.array(values.ravel()))
    if part.undefined is not None:
        more["undefined_pixels"] = pa.array(np.asarray(part.undefined, np.int32))
    metadata = counts.metadata(part.index)
    if part.crs is not None:
        more["geometry"] = outlines(bounds)
        metadata[b"geo"] = geo_metadata(part.crs, bounds)
    for name, values_of in more.items():
        table = table.append_column(name, values_of)
    return table.replace_schema_metadata(metadata)


def _failures(part: Part) -> pa.Table:
    tiles = [failure.tile for failure in part.failures]
    table = _where(tiles, bounds_of(tiles))
    reasons = pa.array([redacted(failure.reason) for failure in part.failures], pa.string())
    retryable = pa.array([failure.retryable for failure in part.failures], pa.bool_())
    return table.append_column("reason", reasons).append_column("retryable", retryable)


def _where(tiles: Sequence[Tile], bounds: npt.NDArray[np.float64]) -> pa.Table:
    columns: Mapping[str, Any] = {
        "tile": [tile.tile for tile in tiles],
        "source": [tile.source for tile in tiles],
        "row": [tile.row for tile in tiles],
        "col": [tile.col for tile in tiles],
    }
    sides = [pa.array(side, pa.float64(), from_pandas=True) for side in bounds.T]
    arrays = [pa.array(columns[name], _WHERE.field(name).type) for name in columns]
    return pa.Table.from_arrays([*arrays, *sides], schema=_WHERE)


def _encode(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", row_group_size=max(table.num_rows, 1))
    return sink.getvalue()
