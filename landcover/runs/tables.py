"""What a task has found, and the tables that it writes: equal results make equal bytes."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from landcover.classes import Scheme
from landcover.contracts import Failure, Task, Tile
from landcover.redaction import redacted
from landcover.runs.counts import Counts
from landcover.runs.geoparquet import bounds_of, geo_metadata, outlines
from landcover.runs.pixels import PixelBlock

BOUNDS = ("xmin", "ymin", "xmax", "ymax")
PLACE = pa.schema(
    [
        *(pa.field(name, pa.string()) for name in ("tile", "source")),
        *(pa.field(name, pa.int32()) for name in ("row", "col")),
        *(pa.field(name, pa.float64()) for name in BOUNDS),
    ]
)
"""Which tile it is and where it lies: the first columns of all tables of tiles."""


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
        date: of the scene; "" where scenes have none.
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
    date: str = ""
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
    def failed(
        cls, task: Task, failures: Sequence[Failure], crs: str | None = None, date: str = ""
    ) -> Part:
        """The part of a task of which every tile has failed."""
        labels, scores = np.zeros(0, np.intp), np.zeros(0, np.float32)
        return cls(
            *(task.index, task.tiles, (), labels, scores),
            crs=crs,
            date=date,
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


def tiles_table(part: Part, counts: Counts, scheme: Scheme) -> bytes:
    """The scored tiles of a part, one a row, as a Parquet file.

    Args:
        part: what the task has found.
        counts: stand in the file as well.
        scheme: the classes that ``part.labels`` counts.
    """
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
    if part.date:
        more["date"] = _same(part.date, table.num_rows)
    if part.undefined is not None:
        more["undefined_pixels"] = pa.array(np.asarray(part.undefined, np.int32))
    metadata = counts.metadata(part.index)
    if part.crs is not None:
        more["geometry"] = outlines(bounds)
        metadata[b"geo"] = geo_metadata(part.crs, bounds)
    for name, values_of in more.items():
        table = table.append_column(name, values_of)
    return encoded(table.replace_schema_metadata(metadata))


def failures_table(part: Part) -> bytes:
    """The tiles of a part that failed, one a row, as a Parquet file."""
    tiles = [failure.tile for failure in part.failures]
    table = _where(tiles, bounds_of(tiles))
    reasons = pa.array([redacted(failure.reason) for failure in part.failures], pa.string())
    retryable = pa.array([failure.retryable for failure in part.failures], pa.bool_())
    table = table.append_column("reason", reasons).append_column("retryable", retryable)
    if part.date:
        table = table.append_column("date", _same(part.date, table.num_rows))
    return encoded(table)


def _same(text: str, rows: int) -> pa.Array:
    return pa.array([text] * rows, pa.string())


def _where(tiles: Sequence[Tile], bounds: npt.NDArray[np.float64]) -> pa.Table:
    columns: Mapping[str, Any] = {
        "tile": [tile.tile for tile in tiles],
        "source": [tile.source for tile in tiles],
        "row": [tile.row for tile in tiles],
        "col": [tile.col for tile in tiles],
    }
    sides = [pa.array(side, pa.float64(), from_pandas=True) for side in bounds.T]
    arrays = [pa.array(columns[name], PLACE.field(name).type) for name in columns]
    return pa.Table.from_arrays([*arrays, *sides], schema=PLACE)


def encoded(table: pa.Table) -> bytes:
    """A table as the Parquet file of a part: the same bytes for the same table."""
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", row_group_size=max(table.num_rows, 1))
    return sink.getvalue()
