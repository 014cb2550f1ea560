"""The map of a run at points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from rasterio.io import DatasetReader
from rasterio.windows import Window

from landcover.analysis.map_blocks import class_index, grid_of, map_names, opened_map, read
from landcover.runs.directory import RunDirectory
from landcover.tiles.reprojection import transformer_between

Floats = npt.NDArray[np.float64]
_EDGE = 512  # pixels along the sides of what is read at once: the blocks that maps are stored in


def classes_at(
    run: RunDirectory, x: Floats, y: Floats, crs: Any, names: Sequence[str] | None = None
) -> npt.NDArray[np.intp]:
    """The class of the map in which each point lies.

    Args:
        run: the directory of a run that is done.
        x: of the points, dims (point,).
        y: likewise.
        crs: of the points: what pyproj understands.
        names: of the maps that are looked at; None: those of a run that is done.

    Returns:
        dims (point,): the index of the class in the scheme, ``len(scheme)`` where the map has none.

    Raises:
        OutputError: if the run is not done, has no map, or it cannot be read.
    """
    nothing = len(run.scheme)
    found = np.full(len(x), nothing, np.intp)
    for name in map_names(run) if names is None else names:
        with opened_map(run, name) as file:
            left = np.flatnonzero(found == nothing)
            to_map = transformer_between(crs, grid_of(file).crs)
            found[left] = _at(run, name, file, *to_map.transform(x[left], y[left]))
    return found


def _at(
    run: RunDirectory, name: str, file: DatasetReader, x: Floats, y: Floats
) -> npt.NDArray[np.intp]:
    a, _, c, _, e, f = grid_of(file).transform
    col, row = np.floor((x - c) / a), np.floor((y - f) / e)
    inside = (row >= 0) & (row < file.height) & (col >= 0) & (col < file.width)
    found = np.full(len(x), len(run.scheme), np.intp)
    rows, cols = (one[inside].astype(np.int64) for one in (row, col))
    places = np.flatnonzero(inside)
    blocks = rows // _EDGE * (file.width // _EDGE + 1) + cols // _EDGE
    for block in np.unique(blocks):
        of_block = blocks == block
        row0, col0 = (int(one[of_block][0]) // _EDGE * _EDGE for one in (rows, cols))
        size = min(_EDGE, file.width - col0), min(_EDGE, file.height - row0)
        codes = read(run.storage.where(name), file, Window(col0, row0, *size))
        index = class_index(codes, run, name)
        found[places[of_block]] = index[rows[of_block] - row0, cols[of_block] - col0]
    return found
