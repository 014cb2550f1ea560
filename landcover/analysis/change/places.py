"""Connected places of one transition as polygons, also where blocks have cut them.

A block writes down its polygons, and which of them lie along its sides; those that touch a polygon of
the same transition across a side are one place. Coordinates are whole pixels until the end, so that
what was cut fits together without a seam.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import shapely
from rasterio.features import rasterize, shapes
from rasterio.transform import Affine

from landcover.analysis.change.decision import Judged
from landcover.errors import OutputError
from landcover.local_files import TEMPORARY
from landcover.runs.directory import RunDirectory
from landcover.runs.map_format.area import Area, Codes

FOLDER = f"{TEMPORARY}places"
"""Where the polygons of blocks lie until they are joined."""
SUMS = ("pixels", "hectares", "score", "neighbours")
"""What is known of each place: sums over its pixels."""
_SIDES = ("top", "bottom", "left", "right")
_Ids = npt.NDArray[np.int32]


def place_file(area: Area) -> str:
    """Where a block writes down its places, relative to the output."""
    return f"{FOLDER}/{area.row0}-{area.col0}"


def places_of(codes: Codes, judged: Judged, hectares: npt.NDArray[np.float64], area: Area) -> bytes:
    """The places of a block, as it writes them down.

    Args:
        codes: dims (y, x): the transition of each pixel, 0 for none. Pixels of one transition that
            share a side are one place.
        judged: what became of the pixels.
        hectares: of each pixel, dims (y, x) or what broadcasts to them.
        area: the pixels.

    Returns:
        a Parquet file.
    """
    placed = Affine.translation(area.col0, area.row0)
    found = list(shapes(codes, mask=codes > 0, connectivity=4, transform=placed))
    numbered = [(outline, number) for number, (outline, _) in enumerate(found, 1)]
    ids: _Ids = rasterize(numbered, out_shape=codes.shape, transform=placed, dtype=np.int32)
    weights: dict[str, npt.NDArray[Any]] = {
        "pixels": np.ones(codes.shape, np.uint8),
        "hectares": np.broadcast_to(hectares, codes.shape),
        "score": judged.score,
        "neighbours": judged.neighbours,
    }
    inside = ids > 0
    sums = {
        name: np.bincount(ids[inside] - 1, weights[name][inside], minlength=len(found))
        for name in SUMS
    }
    # A ring that touches itself at a corner is valid as a ring and a hole.
    polygons = shapely.make_valid([shapely.geometry.shape(outline) for outline, _ in found])
    transitions = np.array([value for _, value in found], np.int32)
    columns = {
        "code": transitions,
        **sums,
        "outline": pa.array(list(shapely.to_wkb(polygons)), pa.binary()),
    }
    sides = (ids[0], ids[-1], ids[:, 0], ids[:, -1])
    table = pa.table(columns).replace_schema_metadata(
        {name: side.astype("<i4").tobytes() for name, side in zip(_SIDES, sides, strict=True)}
    )
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def joined(output: RunDirectory, areas: Sequence[Area]) -> Iterator[dict[str, Any]]:
    """All places, those that blocks have cut made whole.

    Args:
        output: where the blocks have written them.
        areas: the blocks that have any.

    Yields:
        of each place its ``code``, the sums of ``SUMS``, and ``outline``, a polygon in pixels of the grid.

    Raises:
        OutputError: if what a block has written cannot be read.
    """
    groups = _groups(output, areas)
    waiting: dict[int, list[dict[str, Any]]] = {}
    sizes: dict[int, int] = {}
    for root in groups.values():
        sizes[root] = sizes.get(root, 0) + 1
    start = 0
    for area in areas:
        table = _table(output, area)
        for number, row in enumerate(table.to_pylist(), start):
            row["outline"] = shapely.from_wkb(row["outline"])
            group = groups.get(number)
            if group is None:
                yield row
                continue
            waiting.setdefault(group, []).append(row)
            if len(waiting[group]) == sizes[group]:
                yield _one(waiting.pop(group))
        start += table.num_rows


def _one(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """One place of its parts."""
    sums = {name: sum(row[name] for row in rows) for name in SUMS}
    outline = shapely.union_all([row["outline"] for row in rows])
    return {"code": rows[0]["code"], **sums, "outline": shapely.simplify(outline, 0)}


def _groups(output: RunDirectory, areas: Sequence[Area]) -> dict[int, int]:
    """Which places belong together: of each that was cut the first one of its group, by number."""
    parents: dict[int, int] = {}
    below: dict[int, tuple[int, Area, _Side]] = {}  # the lowest row of the block above, by column
    beside: tuple[Area, _Side] | None = None
    start = 0
    for area in areas:
        table = _table(output, area)
        codes = table["code"].to_numpy()
        sides = {name: _Side(table, name, codes, start) for name in _SIDES}
        above = below.get(area.col0)
        if above is not None and above[1].row1 == area.row0:
            above[2].join(sides["top"], parents)
        if beside is not None and beside[0].row0 == area.row0 and beside[0].col1 == area.col0:
            beside[1].join(sides["left"], parents)
        below[area.col0] = start, area, sides["bottom"]
        beside = area, sides["right"]
        start += table.num_rows
    return {number: _root(parents, number) for number in parents}


class _Side:
    """The places along a side of a block: their numbers (-1 for none) and transitions, dims (pixel,)."""

    def __init__(
        self, table: pa.Table, name: str, codes: npt.NDArray[np.int32], start: int
    ) -> None:
        ids = np.frombuffer(table.schema.metadata[name.encode()], "<i4").astype(np.int64)
        self.codes = np.where(ids > 0, codes[np.maximum(ids, 1) - 1], 0)
        self.numbers = np.where(ids > 0, ids - 1 + start, -1)

    def join(self, other: _Side, parents: dict[int, int]) -> None:
        """Note which places of one transition meet across the side."""
        meet = (self.codes == other.codes) & (self.codes > 0)
        pairs = np.unique(np.stack([self.numbers[meet], other.numbers[meet]]), axis=1)
        for one, two in pairs.T.tolist():
            roots = _root(parents, one), _root(parents, two)
            parents.setdefault(one, one)
            parents.setdefault(two, two)
            parents[max(roots)] = min(roots)


def _root(parents: dict[int, int], number: int) -> int:
    while (parent := parents.get(number, number)) != number:
        parents[number] = parents.get(parent, parent)  # halves the way for whoever comes next
        number = parent
    return number


def _table(output: RunDirectory, area: Area) -> pa.Table:
    name = place_file(area)
    try:
        return pq.read_table(pa.BufferReader(output.storage.read(name)))
    except (OSError, pa.ArrowException) as error:
        raise OutputError(output.storage.where(name), f"cannot be read: {error}") from error
