"""Directories of runs that are done, with maps of what tests say."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from landcover.classes import Scheme
from landcover.contracts import Failure, Tile
from landcover.runs.claiming import claim
from landcover.runs.directory import RunDirectory
from landcover.runs.map_format.grid import SceneGrid
from landcover.runs.maps.maker import Overlap
from landcover.runs.parts import Part, write_part
from landcover.runs.pixels import PixelBlock
from landcover.tiles.grid import Grid, Size
from support.maps import write_maps

SIDE = 256  # pixels along the sides of a part


def pixel_run(
    folder: Path,
    scheme: Scheme,
    scenes: Sequence[tuple[npt.NDArray[Any], str, tuple[float, ...]]],
    **said: Any,
) -> RunDirectory:
    """Write a run that labels pixels.

    Args:
        folder: of the run.
        scheme: its classes.
        scenes: of each its codes (dims (y, x)), CRS and transform.
        said: more of ``run.json``.
    """
    with claim(str(folder), {"model": "m"}, scheme, {"model": {"output": "pixel"}}) as run:
        grids = []
        index = 0
        for number, (codes, crs, transform) in enumerate(scenes):
            height, width = codes.shape
            tile = Size.of(SIDE)
            grid = Grid(width, height, tile, 0, tile)
            scene = SceneGrid(f"scene{number}.tif", crs, tuple(transform), grid)  # type: ignore[arg-type]
            grids.append(scene)
            for row in range(0, height, SIDE):
                for col in range(0, width, SIDE):
                    _write(run, scene, codes, row, col, index)
                    index += 1
        maps = write_maps(run, grids, "pixel", "index")
        note = {"note": maps.note} if maps.note else {}
        run.finish({"files": list(maps.files), "tiles": {"quarantined": 0}, **note, **said})
    return run


def tile_run(
    folder: Path,
    scheme: Scheme,
    codes: npt.NDArray[Any],
    crs: str,
    transform: tuple[float, ...],
    tile: int,
    source: str = "scene.tif",
    scores: npt.NDArray[np.float32] | None = None,
    probabilities: npt.NDArray[Any] | None = None,
    failures: Sequence[Failure] = (),
    **said: Any,
) -> RunDirectory:
    """Write a run that labels tiles.

    Args:
        folder: of the run.
        scheme: its classes.
        codes: one a tile, dims (row, col).
        crs: of the scene.
        transform: of the scene's pixels.
        tile: pixels along the side of one.
        source: the scene, as tiles name it; or its file.
        scores: of the tiles, dims (row, col); None: all are 1.
        probabilities: of all classes, dims (row, col, class); None: the run keeps none.
        failures: more tiles, in quarantine.
        said: more of ``run.json``.
    """
    rows, cols = codes.shape
    size = Size.of(tile)
    grid = Grid(cols * tile, rows * tile, size, 0, size)
    told: dict[str, Any] = {"model": {"output": "tile"}}
    if Path(source).is_absolute():  # imagery that is there: tables call it as the package does
        told["config"] = {"source": {"rasters": [source]}}
        source = Path(source).stem
    scene = SceneGrid(source, crs, tuple(transform), grid)  # type: ignore[arg-type]
    with claim(str(folder), {"model": "m"}, scheme, told) as run:
        tiles = [
            Tile(
                f"{source}/{row}/{col}",
                source,
                row,
                col,
                grid.bounds(row, col, scene.transform),
            )
            for row, col in np.ndindex(rows, cols)
        ]
        labels = np.array([scheme.codes.index(int(code)) for code in codes.ravel()])
        given = np.ones(codes.shape, np.float32) if scores is None else scores
        counted = (0, len(tiles) + len(failures), tiles, labels, given.ravel())
        every = None
        if probabilities is not None:
            every = probabilities.reshape(len(tiles), -1).astype(np.float32)
        write_part(run, Part(*counted, every, crs=crs, failures=failures))
        maps = write_maps(run, [scene], "tile", "index")
        quarantined = {"quarantined": len(failures)}
        run.finish({"files": list(maps.files), "tiles": quarantined, **said})
    return run


def probable_run(
    folder: Path,
    scheme: Scheme,
    scenes: Sequence[tuple[npt.NDArray[np.float32], str, tuple[float, ...]]],
    tile: int,
    overlap: Overlap = "first",
    dates: Sequence[str] = (),
) -> RunDirectory:
    """Write a run that labels tiles and keeps their probabilities.

    Args:
        folder: of the run.
        scheme: its classes.
        scenes: of each the probabilities (dims (row, col, class); NaN for a tile that was skipped),
            CRS and transform of its pixels.
        tile: pixels along the side of one.
        overlap: which scene is shown where several are.
        dates: of the scenes; none: they have none.
    """
    size, grids, index = Size.of(tile), [], 0
    told = {"model": {"output": "tile"}, "config": {"output": {"overlap": overlap}}}
    with claim(str(folder), {"model": "m"}, scheme, told) as run:
        for number, (values, crs, transform) in enumerate(scenes):
            rows, cols, _ = values.shape
            name, grid = f"scene{number}.tif", Grid(cols * tile, rows * tile, size, 0, size)
            date = dates[number] if dates else ""
            grids.append(SceneGrid(name, crs, tuple(transform), grid, date))  # type: ignore[arg-type]
            for row in range(rows):
                known = np.flatnonzero(~np.isnan(values[row, :, 0])).tolist()
                tiles = [
                    Tile(f"{name}/{row}/{col}", name, row, col, grid.bounds(row, col, transform))  # type: ignore[arg-type]
                    for col in known
                ]
                found = values[row, known]
                write_part(
                    run,
                    Part(
                        *(index, cols, tiles, found.argmax(axis=1), found.max(axis=1), found, crs),
                        date=date,
                        skipped=cols - len(known),
                    ),
                )
                index += 1
        maps = write_maps(run, grids, "tile", "index", overlap)
        run.finish({"files": list(maps.files), "tiles": {"quarantined": 0}})
    return run


def _write(
    run: RunDirectory, scene: SceneGrid, codes: npt.NDArray[Any], row: int, col: int, index: int
) -> None:
    a, _, c, _, e, f = scene.transform
    placed = (a, 0.0, c + a * col, 0.0, e, f + e * row)
    values = codes[row : row + SIDE, col : col + SIDE].astype(run.scheme.dtype)
    block = PixelBlock(scene.name, values, row, col, placed, scene.crs)
    nothing = np.zeros(0, np.intp), np.zeros(0, np.float32)
    write_part(run, Part(index, 0, [], *nothing, crs=scene.crs, pixels=block))
