"""The map of a run held against a raster of classes, in any CRS and resolution."""

from __future__ import annotations

import math
import os
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from rasterio.io import DatasetReader
from rasterio.transform import Affine
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window

from landcover.analysis.levels import Level
from landcover.analysis.map_blocks import WARP, Block, Progress, map_blocks
from landcover.classes import Scheme, scheme, scheme_names
from landcover.errors import SourceError
from landcover.runs.directory import RunDirectory
from landcover.runs.map_format.grid import MapGrid
from landcover.small_files import load_json
from landcover.tiles.gdal import FAILURES, cause
from landcover.tiles.opening import opened_raster
from landcover.tiles.rasters.crs import name_of
from landcover.tiles.reprojection import bounds_in, transformer_between

Index = npt.NDArray[np.intp]
Floats = npt.NDArray[np.float64]
_SIDE = 2048  # pixels of the reference along the sides of what is read at once
_FINEST = 256  # places along the side of a tile at which the reference is looked at, at most
_SHOWN = 8
# Of a pixel: a place on the border of two is of the later one, whatever rounding says.
_SLACK = 1e-6


@dataclass(eq=False)
class Held:
    """What came out of holding a map against a raster.

    Args:
        pairs: by level: how often each label was found for each class of the reference.
        agreement: sum, over the tiles, of the share of each that is of its commonest class; by level.
    """

    pairs: dict[str, Counter[tuple[str | None, str]]] = field(default_factory=dict)
    agreement: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))


@dataclass(frozen=True)
class ReferenceRaster:
    """A raster of class codes.

    Args:
        path: a local path or fsspec URL.
        scheme: its classes.
        ignored: codes that count as no reference.
    """

    path: str | os.PathLike[str]
    scheme: Scheme
    ignored: Collection[int] = ()

    def hold(self, run: RunDirectory, levels: list[Level], tiles: bool, progress: Progress) -> Held:
        """Compare the map of a run with the raster, each place once.

        A pixel of the map has the class of the raster's pixel in which its centre lies. A tile has
        the class that is commonest in it, the first of the scheme where several are: at places that
        lie as close as the pixels of the raster, at most 256 a side.

        Args:
            run: the directory of a run that is done.
            levels: at which labels are compared.
            tiles: whether the pixels of the map are tiles.
            progress: called after each block of the map.

        Raises:
            OutputError: if the run is not done, has no map, or it cannot be read.
            SourceError: if the raster cannot be read, has no CRS, or codes that are none of its
                scheme, or no class anywhere under the map.
        """
        held = Held({level.title: Counter() for level in levels})
        with self.opened() as file:
            for block in map_blocks(run, progress):
                self._hold_block(file, block, run.scheme, levels, tiles, held)
        if not any(name for pairs in held.pairs.values() for name, _ in pairs):
            raise SourceError(str(self.path), "has no class anywhere under the map of the run")
        return held

    @contextmanager
    def opened(self) -> Iterator[DatasetReader]:
        """The raster, within a ``with`` block.

        Raises:
            SourceError: if it cannot be read, has no CRS or several bands, or says by itself that
                its codes stand for other classes.
        """
        with ExitStack() as stack:
            try:
                file = stack.enter_context(opened_raster(str(self.path)))
            except FAILURES as error:
                raise SourceError(str(self.path), f"cannot be read: {cause(error)}") from error
            if not file.crs:
                raise SourceError(str(self.path), "has no CRS: nobody knows where it lies")
            if file.count != 1:
                raise SourceError(str(self.path), f"has {file.count} bands: expected one, of codes")
            self._check_names(file)
            yield file

    def _check_names(self, file: DatasetReader) -> None:
        """Refuse a map that says by itself that its codes stand for other classes.

        Raises:
            SourceError: if it does.
        """
        try:
            said = load_json(file.tags().get("CLASSES", "{}"))
        except ValueError:
            return
        names = {str(item.code): item.name for item in self.scheme}
        other = [code for code, name in said.items() if names.get(code, name) != name]
        if other:
            code = other[0]
            reason = f"says that {code} is {said[code]!r}, and scheme {self.scheme.name!r} that it is {names[code]!r}"
            raise SourceError(str(self.path), f"{reason}: name another scheme")

    def _hold_block(
        self,
        file: DatasetReader,
        block: Block,
        labels: Scheme,
        levels: list[Level],
        tiles: bool,
        held: Held,
    ) -> None:
        steps = places_across(file, block.part) if tiles else 1
        edge = max(1, _SIDE // steps)
        height, width = block.classes.shape
        for row in range(0, height, edge):
            for col in range(0, width, edge):
                index = block.classes[row : row + edge, col : col + edge]
                if (index < len(labels)).any():
                    part = block.part.part(col, row, index.shape[1], index.shape[0])
                    found = self._classes_on(file, part, steps)
                    if steps == 1:
                        _count_pixels(found, index, labels, self.scheme, levels, held)
                    else:
                        _count_tiles(found, index, labels, self.scheme, levels, held)

    def _classes_on(self, file: DatasetReader, grid: MapGrid, steps: int) -> Index:
        """Classes of the raster under a grid: of the pixel in which each place lies.

        Args:
            file: the raster, opened.
            grid: in any CRS.
            steps: places along the side of each of its pixels, at the centres of equal parts.

        Returns:
            dims (y * steps, x * steps): the index of each in the scheme, ``len(scheme)`` where there
            is none.

        Raises:
            SourceError: if it cannot be read, or has codes that are none of its scheme.
        """
        a, b, c, d, e, f = grid.transform
        shape = grid.height * steps, grid.width * steps
        if _apart(file, grid):
            return np.full(shape, len(self.scheme), np.intp)
        placed = Affine(a / steps, b, c, d, e / steps, f)
        to = {"crs": grid.crs, "transform": placed, "height": shape[0], "width": shape[1]}
        try:
            with WarpedVRT(file, **to, add_alpha=file.nodata is None, **WARP) as warped:
                codes = warped.read(1)
                known = warped.dataset_mask() > 0
        except FAILURES as error:
            raise SourceError(str(self.path), f"cannot be read: {cause(error)}") from error
        return self._index(codes, known)

    def classes_at(self, file: DatasetReader, x: Floats, y: Floats, crs: str) -> Index:
        """Classes of the raster at places: of the pixel in which each lies.

        All that lies between the places is read at once.

        Args:
            file: the raster, opened.
            x: of the places.
            y: of the places, of the same shape.
            crs: of the places.

        Returns:
            dims of ``x``: the index of each in the scheme, ``len(scheme)`` where there is none.

        Raises:
            SourceError: if it cannot be read, or has codes that are none of its scheme.
        """
        a, b, c, d, e, f = tuple(~file.transform)[:6]
        to_file = transformer_between(crs, name_of(file.crs))
        x, y = to_file.transform(x, y)
        col, row = np.floor(a * x + b * y + c + _SLACK), np.floor(d * x + e * y + f + _SLACK)
        inside = (col >= 0) & (col < file.width) & (row >= 0) & (row < file.height)
        found = np.full(x.shape, len(self.scheme), np.intp)
        if inside.any():
            cols, rows = col[inside].astype(np.intp), row[inside].astype(np.intp)
            found[inside] = self._picked(file, rows, cols)
        return found

    def _picked(self, file: DatasetReader, rows: Index, cols: Index) -> Index:
        top, left = int(rows.min()), int(cols.min())
        window = Window(left, top, int(cols.max()) - left + 1, int(rows.max()) - top + 1)
        try:
            codes = file.read(1, window=window)
            known = file.read_masks(1, window=window) > 0
        except FAILURES as error:
            raise SourceError(str(self.path), f"cannot be read: {cause(error)}") from error
        places = rows - top, cols - left
        return self._index(codes[places], known[places])

    def _index(self, codes: npt.NDArray[Any], known: npt.NDArray[np.bool_]) -> Index:
        known &= ~np.isin(codes, list(self.ignored))
        wanted = np.array(self.scheme.codes)
        order = np.argsort(wanted)
        place = np.searchsorted(wanted, codes, sorter=order)
        index = order[np.minimum(place, len(wanted) - 1)]
        strange = known & (wanted[index] != codes)
        if strange.any():
            raise SourceError(str(self.path), self._complaint(np.unique(codes[known])))
        return np.where(known, index, len(self.scheme))

    def _complaint(self, codes: npt.NDArray[Any]) -> str:
        found = [f"{code:g}" for code in codes if code not in self.scheme.codes]
        listed = ", ".join(found[:_SHOWN]) + (", ..." if len(found) > _SHOWN else "")
        fitting = [name for name in scheme_names() if {*codes.tolist()} <= {*scheme(name).codes}]
        fits = f" (all codes here are of scheme {' or '.join(fitting)})" if fitting else ""
        return (
            f"holds {listed}, which are no codes of scheme {self.scheme.name!r}: name the scheme that "
            f"its codes are of{fits}, or the codes that are to be left out"
        )


def places_across(file: DatasetReader, grid: MapGrid) -> int:
    """How many places along the side of a tile lie as close as the pixels of a raster."""
    middle = grid.part(grid.width // 2, grid.height // 2, 1, 1)
    left, low, right, high = bounds_in(middle.crs, file.crs, middle.bounds)
    across, down = (right - left) / abs(file.res[0]), (high - low) / abs(file.res[1])
    longest = max(across, down)
    # A tile of 224 pixels of a reference is 224 steps, also where rounding says 224.0000001.
    return min(_FINEST, max(1, math.ceil(longest - 1e-3))) if math.isfinite(longest) else 1


def _apart(file: DatasetReader, grid: MapGrid) -> bool:
    box = bounds_in(grid.crs, file.crs, grid.bounds)
    bounds = file.bounds
    return bool(
        box[0] >= bounds.right
        or box[2] <= bounds.left
        or box[1] >= max(bounds.top, bounds.bottom)
        or box[3] <= min(bounds.top, bounds.bottom)
    )


def _count_pixels(
    found: Index, index: Index, labels: Scheme, references: Scheme, levels: list[Level], held: Held
) -> None:
    known = index < len(labels)
    size = len(references) + 1
    flat = index[known] * size + found[known]
    counts = np.bincount(flat, minlength=size * len(labels)).reshape(len(labels), size)
    for label, place in np.argwhere(counts).tolist():
        name = references.names[place] if place < len(references) else None
        for level in levels:
            held.pairs[level.title][name, labels.names[label]] += int(counts[label, place])


def _count_tiles(
    found: Index, index: Index, labels: Scheme, references: Scheme, levels: list[Level], held: Held
) -> None:
    known = index < len(labels)
    steps, size = found.shape[0] // index.shape[0], len(references) + 1
    tiles = found.reshape(index.shape[0], steps, index.shape[1], steps).swapaxes(1, 2)[known]
    each = np.arange(len(tiles))[:, None] * size + tiles.reshape(len(tiles), -1)
    counts = np.bincount(each.ravel(), minlength=size * len(tiles)).reshape(-1, size)[:, :-1]
    total = counts.sum(axis=1)
    for level in levels:
        names = list(dict.fromkeys((*level.names, *level.references.values())))
        place = [names.index(level.references[name]) for name in references.names]
        grouped = np.zeros((len(tiles), len(names)), np.int64)
        np.add.at(grouped.T, place, counts.T)
        commonest = grouped.argmax(axis=1)
        held.agreement[level.title] += float(
            (grouped.max(axis=1)[total > 0] / total[total > 0]).sum()
        )
        for number, label in enumerate(index[known].tolist()):
            name = names[commonest[number]] if total[number] else None
            held.pairs[level.title][name, labels.names[label]] += 1
