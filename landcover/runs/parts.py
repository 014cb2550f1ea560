"""Parts: what tasks write, whole or not at all, with the same bytes for the same results."""

from __future__ import annotations

import hashlib
import io
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from landcover.classes import Scheme
from landcover.contracts import Failure, Task, Tile
from landcover.errors import OutputError
from landcover.redaction import redacted
from landcover.runs.directory import Kind, RunDirectory
from landcover.runs.geoparquet import bounds_of, geo_metadata, outlines
from landcover.runs.pixels import PixelBlock, encode_pixels

_log = logging.getLogger(__name__)
_KEY = b"landcover"
_WHERE = pa.schema(
    [
        *(pa.field(name, pa.string()) for name in ("tile", "source")),
        *(pa.field(name, pa.int32()) for name in ("row", "col")),
        *(pa.field(name, pa.float64()) for name in ("xmin", "ymin", "xmax", "ymax")),
    ]
)


@dataclass(frozen=True)
class Counts:
    """What became of the tiles of a task.

    Args:
        planned: tiles of the task.
        scored: those in the table.
        quarantined: those that failed.
        skipped: those that hold nothing but nodata.
        digest: tells the task from another in its place.
        retryable: how many of those that failed may not when they are tried again.
        undefined_pixels: pixels of scored tiles for which the network returned no probabilities.
    """

    planned: int
    scored: int
    quarantined: int
    skipped: int
    digest: str
    retryable: int = 0
    undefined_pixels: int = 0


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
        digest = digest_of(task)
        return cls(
            task.index, task.tiles, (), labels, scores, crs=crs, failures=failures, digest=digest
        )

    @property
    def counts(self) -> Counts:
        """How many tiles were planned, and what became of them."""
        failed, retryable = len(self.failures), sum(one.retryable for one in self.failures)
        undefined = 0 if self.undefined is None else int(self.undefined.sum())
        ended = (self.planned, len(self.tiles), failed, self.skipped)
        return Counts(*ended, self.digest, retryable, undefined)


def digest_of(task: Task) -> str:
    """A few characters that two tasks share only if they stand for the same tiles."""
    digest = hashlib.blake2b(digest_size=8)
    for tile in task.planned():
        digest.update(repr(tuple(tile)).encode())
    return digest.hexdigest()


def write_part(run: RunDirectory, part: Part) -> Counts:
    """Write what a task brought; once its tiles are there, the task is done.

    Args:
        run: the directory, whose scheme ``part.labels`` counts.
        part: the results.

    Raises:
        OutputError: if something cannot be written; the task is not done then.
    """
    beside = {
        "quarantine": _encode(_failures(part)) if part.failures else None,
        "pixels": encode_pixels(part.pixels, run.scheme) if part.pixels is not None else None,
    }
    kind: Literal["quarantine", "pixels"]
    for kind in ("quarantine", "pixels"):
        content, name = beside[kind], run.part(kind, part.index)
        if content is not None:
            run.storage.put(name, content)
        else:  # of an attempt that did not come to its end
            run.storage.remove(name)
    run.storage.put(run.part("tiles", part.index), _encode(_tiles(part, run.scheme)))
    return part.counts


def remove_part(run: RunDirectory, index: int) -> None:
    """Remove all that a task has written.

    Raises:
        OutputError: if something cannot be removed.
    """
    kind: Kind
    for kind in ("tiles", "quarantine", "pixels"):  # without its tiles, the task is not done
        run.storage.remove(run.part(kind, index))


def finished(run: RunDirectory) -> dict[int, Counts]:
    """The counts of all tasks that are done, by index; a part that is damaged does not count."""
    indices = run.parts("tiles")
    if run.storage.local is not None:
        found = {index: _counts(run, index) for index in indices}
    else:  # 32 requests at a time: each waits some ten milliseconds for the store
        with ThreadPoolExecutor(32) as pool:
            found = dict(zip(indices, pool.map(lambda i: _counts(run, i), indices), strict=True))
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
    done = run.parts("tiles")
    for index in done if kind == "tiles" else sorted({*done} & {*run.parts(kind)}):
        yield read_part(run, index, kind, columns)


def read_part(
    run: RunDirectory,
    index: int,
    kind: Literal["tiles", "quarantine"] = "tiles",
    columns: Sequence[str] | None = None,
) -> pa.Table:
    """The table of one task that is done.

    Args:
        run: the directory.
        index: of the task.
        kind: scored tiles, or those that failed.
        columns: all, unless some are named.

    Raises:
        OutputError: if it cannot be read.
    """
    name = run.part(kind, index)
    try:
        content = pa.BufferReader(run.storage.read(name))
        return pq.read_table(content, columns=list(columns) if columns else None)
    except (OSError, pa.ArrowException) as error:
        raise OutputError(run.storage.where(name), f"cannot be read: {error}") from error


def _tiles(part: Part, scheme: Scheme) -> pa.Table:
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
    metadata = {_KEY: json.dumps({"index": part.index, **asdict(part.counts)}).encode()}
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


def _counts(run: RunDirectory, index: int) -> Counts | None:
    name = run.part("tiles", index)
    try:
        with run.storage.open(name) as file:
            values = json.loads(pq.read_metadata(file).metadata[_KEY])
        del values["index"]
        return Counts(**values)
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError) as error:
        _log.warning("%s is damaged, its task is done again: %s", run.storage.where(name), error)
        return None
