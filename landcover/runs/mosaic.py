"""From the parts of a run to its maps, piece by piece: no process holds a whole map."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import rasterio
from rasterio.crs import CRS
from rasterio.enums import Resampling
from rasterio.io import DatasetWriter
from rasterio.transform import Affine
from rasterio.vrt import WarpedVRT
from rasterio.warp import transform_bounds
from rasterio.windows import Window

from landcover.classes import Scheme
from landcover.errors import SourceError
from landcover.runs.cog import (
    Codes,
    auxiliary_of,
    create_canvas,
    open_canvas,
    paint,
    write_cog,
)
from landcover.runs.directory import RunDirectory
from landcover.runs.parts import read_parts
from landcover.runs.pixels import read_pixels
from landcover.runs.scene_grid import MapGrid, Output, SceneGrid, file_names
from landcover.runs.storage import TEMPORARY

MAP = "map.tif"
# Beyond this the mosaic of scenes would be nearly all gap.
MOST_GAPS = 20
_PIECE = 2048


@dataclass(frozen=True)
class Maps:
    """What was written.

    Args:
        files: names relative to the run directory, ``map.tif`` first where there is one.
        note: why there is no mosaic; None where there is one.
    """

    files: tuple[str, ...]
    note: str | None = None


@dataclass(frozen=True)
class _Piece:
    """Codes of some tiles or pixels of one scene; ``row`` and ``col`` of the first in its map."""

    source: str
    codes: Codes
    row: int
    col: int


def write_maps(run: RunDirectory, scenes: Sequence[SceneGrid], output: Output) -> Maps:
    """Make the maps of a run whose parts are all there.

    One scene becomes ``map.tif``. Several become ``maps/NAME.tif`` each, and ``map.tif`` of them
    all: in the CRS and on the grid of the first scene, begun at the upper-left corner of the whole,
    the nearest pixel taken, the first listed scene winning where scenes overlap. Scenes too far
    apart for one map have none.

    Args:
        run: the directory.
        scenes: all that the run was to score, in the order they were listed.
        output: whether the model labels tiles or pixels.

    Raises:
        OutputError: if a part cannot be read or a map not be written.
    """
    grids = [scene.map_grid(output) for scene in scenes]
    names = [f"maps/{name}.tif" for name in file_names(scenes)] if len(scenes) > 1 else [MAP]
    with tempfile.TemporaryDirectory(prefix=TEMPORARY, dir=run.storage.local) as folder:
        canvases = _paint_scenes(run, scenes, output, Path(folder))
        for canvas, name in zip(canvases, names, strict=True):
            _publish(run, canvas, name)
        if len(scenes) == 1:
            return Maps((MAP,))
        try:
            windows, whole = _placed(grids, [scene.name for scene in scenes])
        except SourceError as error:
            return Maps(tuple(names), str(error))
        _merge(canvases, windows, whole, Path(folder, "mosaic.tif"), run.scheme)
        _publish(run, Path(folder, "mosaic.tif"), MAP)
        return Maps((MAP, *names))


def _paint_scenes(
    run: RunDirectory, scenes: Sequence[SceneGrid], output: Output, folder: Path
) -> list[Path]:
    paths = {scene.name: folder / f"{number}.tif" for number, scene in enumerate(scenes)}
    grids = {scene.name: scene.map_grid(output) for scene in scenes}
    for name, grid in grids.items():
        create_canvas(paths[name], grid, run.scheme)
    pieces = _pixel_pieces(run) if output == "pixel" else _tile_pieces(run)
    with ExitStack() as stack:
        source, file = "", None
        for piece in pieces:  # parts come scene by scene: one map is open at a time
            if file is None or piece.source != source:
                stack.close()
                source, file = piece.source, stack.enter_context(open_canvas(paths[piece.source]))
            paint(file, piece.codes, piece.row, piece.col)
    return list(paths.values())


def _tile_pieces(run: RunDirectory) -> Iterator[_Piece]:
    for table in read_parts(run, columns=["source", "row", "col", "code"]):
        for source in pc.unique(table["source"]).to_pylist():
            some = table.filter(pc.equal(table["source"], source))
            row, col, code = (some[name].to_numpy() for name in ("row", "col", "code"))
            shape = np.ptp(row) + 1, np.ptp(col) + 1
            codes = np.full(shape, run.scheme.nodata, run.scheme.dtype)
            codes[row - row.min(), col - col.min()] = code
            yield _Piece(source, codes, int(row.min()), int(col.min()))


def _pixel_pieces(run: RunDirectory) -> Iterator[_Piece]:
    for index in run.parts("pixels"):
        block = read_pixels(run, index)
        yield _Piece(block.source, block.values, block.row, block.col)


def _publish(run: RunDirectory, canvas: Path, name: str) -> None:
    target = canvas.with_suffix(".cog.tif")
    write_cog(canvas, target, run.scheme)
    run.storage.put_file(name + ".aux.xml", auxiliary_of(target))
    run.storage.put_file(name, target)


def _placed(grids: Sequence[MapGrid], names: Sequence[str]) -> tuple[list[Window], MapGrid]:
    """Where each map lies on the grid of the first, begun anew at the corner of the whole.

    Raises:
        SourceError: if one map of them all makes no sense.
    """
    first = grids[0]
    boxes = [_box(grid, first, name) for grid, name in zip(grids, names, strict=True)]
    left, top = min(box[0] for box in boxes), min(box[1] for box in boxes)
    right, bottom = max(box[2] for box in boxes), max(box[3] for box in boxes)
    whole = first.part(left, top, right - left, bottom - top)
    own = sum((box[2] - box[0]) * (box[3] - box[1]) for box in boxes)
    if whole.width * whole.height > MOST_GAPS * own:
        times = whole.width * whole.height / own
        reason = f"the scenes lie far apart: one map of all has {times:,.0f} times their own area"
        raise SourceError(MAP, reason)
    return [Window(b[0] - left, b[1] - top, b[2] - b[0], b[3] - b[1]) for b in boxes], whole


def _box(grid: MapGrid, first: MapGrid, name: str) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of a map in whole pixels of the first one's grid."""
    source, target = CRS.from_user_input(grid.crs), CRS.from_user_input(first.crs)
    box = grid.bounds
    if source != target:
        box = transform_bounds(source, target, *box, densify_pts=21)
    if not np.isfinite(box).all():
        raise SourceError(
            name, "cannot be placed in the CRS of the first scene, so there is no mosaic"
        )
    xs, ys = zip(first.pixel(*box[:2]), first.pixel(*box[2:]), strict=True)
    slack = 1e-6  # of a pixel: rounding must not add a row
    left, top = math.floor(min(xs) + slack), math.floor(min(ys) + slack)
    return left, top, math.ceil(max(xs) - slack), math.ceil(max(ys) - slack)


def _merge(
    canvases: Sequence[Path], windows: Sequence[Window], whole: MapGrid, path: Path, scheme: Scheme
) -> None:
    create_canvas(path, whole, scheme)
    with open_canvas(path) as file:
        for canvas, window in zip(canvases, windows, strict=True):
            with rasterio.open(canvas) as scene, _warped(scene, whole, window) as warped:
                _fill(file, warped, window)


def _warped(scene: Any, whole: MapGrid, window: Window) -> WarpedVRT:
    part = whole.part(window.col_off, window.row_off, window.width, window.height)
    return WarpedVRT(
        scene,
        crs=part.crs,
        transform=Affine(*part.transform),
        width=window.width,
        height=window.height,
        resampling=Resampling.nearest,
        tolerance=1e-6,  # pixels; GDAL's own is an eighth of one
    )


def _fill(file: DatasetWriter, warped: WarpedVRT, window: Window) -> None:
    for top in range(0, warped.height, _PIECE):
        for left in range(0, warped.width, _PIECE):
            size = min(_PIECE, warped.width - left), min(_PIECE, warped.height - top)
            codes = warped.read(1, window=Window(left, top, *size))
            paint(file, codes, window.row_off + top, window.col_off + left, over=False)
