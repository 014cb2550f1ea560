"""Maps of tiles smoothed by the probabilities of the tiles around."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyproj
from rasterio.windows import Window

from landcover.analysis.map_blocks import (
    MapView,
    finished,
    grid_of,
    labels_pixels,
    opened_map,
    read,
)
from landcover.analysis.square import Square
from landcover.errors import ConfigError, OutputError
from landcover.runs.directory import RunDirectory
from landcover.runs.geoparquet import crs_of
from landcover.runs.map_format.area import Area, Codes, Size
from landcover.runs.map_format.grid import MapGrid, file_names
from landcover.runs.maps.origins import Known
from landcover.runs.parts import columns_of, read_part, read_parts
from landcover.tiles.reprojection import transformer_between

Floats = npt.NDArray[np.float32]
_BYTES = 2**26  # of probabilities that are smoothed at once


@dataclass(frozen=True)
class MeanProbability(Square):
    """Every tile takes the class that is most probable in the mean of the tiles around it.

    The probabilities of the tiles in a square are averaged, those of the middle ``centre`` times; the
    first class of the scheme wins where several are as probable. Tiles without a class neither count
    nor get one. It takes a run of tiles with ``output.probabilities``.
    """


@dataclass(frozen=True)
class AveragedMap:
    """A map of a run's tiles, smoothed: what the pixels of another run's map come from.

    Args:
        source: the run whose map it is.
        name: of the map, relative to that run.
        rule: how it is smoothed.
    """

    source: RunDirectory
    name: str
    rule: MeanProbability

    def read(self, run: RunDirectory, size: Size, area: Area) -> Known:
        """Smoothed pixels, which depend on those around the area, wherever it ends."""
        scheme, codes = self.source.scheme, np.empty(area.shape, self.source.scheme.dtype)
        step = max(1, _BYTES // (8 * area.shape[1] * len(scheme)))
        with opened_map(self.source, self.name) as file:
            view = MapView(self.source, (self.name,), file, ())
            for row in range(area.row0, area.row1, step):
                part = Area(row, min(row + step, area.row1), area.col0, area.col1)
                codes[part.within(area)] = self._smoothed(view, part, size)
        return Known(codes, area)

    def _smoothed(self, view: MapView, part: Area, size: Size) -> Codes:
        around = part.grown(self.rule.margin).overlap(size.area)
        known = _seen(view.grid, self.source, around)
        best = self.rule.summed(np.nan_to_num(known).astype(np.float64)).argmax(axis=-1)
        height, width = around.shape
        classes = view.classes(Window(around.col0, around.row0, width, height))
        chosen = (classes < len(self.source.scheme)) & ~np.isnan(known[..., 0])
        classes[chosen] = best[chosen]
        codes = np.array([*self.source.scheme.codes, self.source.scheme.nodata])
        smoothed: Codes = codes.astype(self.source.scheme.dtype)[classes[part.within(around)]]
        return smoothed


def refuse_without_probabilities(run: RunDirectory) -> None:
    """Raise where a run has no probabilities to average.

    Raises:
        ConfigError: if it labels pixels, or its tiles have none.
        OutputError: if it is not done, or a table cannot be read.
    """
    if labels_pixels(run):
        reason = "a run that labels pixels keeps no probabilities: give --rule plurality or area"
        raise ConfigError([reason], run.path)
    for index in run.parts("tiles")[:1]:
        if "probabilities" not in columns_of(run, index):
            reason = (
                "its tiles have no probabilities: score them again with output.probabilities: "
                "true, into another output, or give --rule plurality or area"
            )
            raise ConfigError([reason], run.path)


@dataclass(frozen=True, eq=False)
class _Scene:
    """The tiles of a scene.

    Args:
        run: whose they are.
        name: of its map.
        grid: one pixel a tile.
        date: of the scene; "" where it does not matter.
        cut: its map does not show all of its tiles.
        parts: of each task its index and the tiles between which its tiles lie.
    """

    run: RunDirectory
    name: str
    grid: MapGrid
    date: str
    cut: bool
    parts: list[tuple[int, Area]]

    def probabilities(self, area: Area) -> Floats:
        """Those of some tiles: dims (row, col, class); NaN where the map does not show the tile."""
        found = np.full((*area.shape, len(self.run.scheme)), np.nan, np.float32)
        for index, held in self.parts:
            if held.overlap(area).empty:
                continue
            table = read_part(self.run, index, ["row", "col", "probabilities"])
            row, col = (table[name].to_numpy() for name in ("row", "col"))
            inside = (row >= area.row0) & (row < area.row1) & (col >= area.col0) & (col < area.col1)
            values = table["probabilities"].combine_chunks().flatten().to_numpy()
            values = values.reshape(len(row), -1)[inside]
            found[row[inside] - area.row0, col[inside] - area.col0] = values
        if self.cut:
            height, width = area.shape
            with opened_map(self.run, self.name) as file:
                window = Window(area.col0, area.row0, width, height)
                codes = read(self.run.storage.where(self.name), file, window)
            found[codes == self.run.scheme.nodata] = np.nan
        return found


def _seen(grid: MapGrid, run: RunDirectory, area: Area) -> Floats:
    """Probabilities of the tiles that some pixels of a map show: dims (y, x, class), NaN for none.

    A pixel shows the tile in which its centre lies, of the first scene whose map shows one there.
    """
    known = np.full((*area.shape, len(run.scheme)), np.nan, np.float32)
    cols, rows = np.meshgrid(
        np.arange(area.col0, area.col1) + 0.5, np.arange(area.row0, area.row1) + 0.5
    )
    x, y = grid.position(cols, rows)
    for scene in _scenes(run, run.state):
        places = x, y
        if scene.grid.crs != grid.crs:
            places = transformer_between(grid.crs, scene.grid.crs).transform(x, y)
        col, row = (np.floor(place) for place in scene.grid.pixel(*places))
        inside = (row >= 0) & (row < scene.grid.height) & (col >= 0) & (col < scene.grid.width)
        inside &= np.isnan(known[..., 0])
        if not inside.any():
            continue
        row, col = row[inside].astype(np.intp), col[inside].astype(np.intp)
        held = Area(int(row.min()), int(row.max()) + 1, int(col.min()), int(col.max()) + 1)
        known[inside] = scene.probabilities(held)[row - held.row0, col - held.col0]
    return known


@lru_cache(8)
def _scenes(run: RunDirectory, state: str) -> tuple[_Scene, ...]:
    """The scenes of a run, in the order in which its map shows them.

    Args:
        run: looked into once a process for each state of it.
        state: of the run.
    """
    said = finished(run)
    files = [name for name in said["files"] if name.endswith(".tif")]
    grids = {}
    for name in [name for name in files if name.startswith("maps/")] or files:
        with opened_map(run, name) as file:
            grids[name] = grid_of(file)
    scenes: dict[str, _Scene] = {}
    columns = ["source", "row", "col", "xmin", "ymin", "xmax", "ymax"]
    overlap = said.get("config", {}).get("output", {}).get("overlap")
    columns += ["date"] if overlap == "newest" else []
    for index, table in zip(run.parts("tiles"), read_parts(run, columns=columns), strict=True):
        if not table.num_rows:
            continue
        source = table["source"][0].as_py()
        if source not in scenes:
            name = _map_of(run, table, grids)
            date = table["date"][0].as_py() if overlap == "newest" else ""
            scenes[source] = _Scene(run, name, grids[name], date, overlap == "centre", [])
        row, col = (table[name].to_numpy() for name in ("row", "col"))
        held = Area(int(row.min()), int(row.max()) + 1, int(col.min()), int(col.max()) + 1)
        scenes[source].parts.append((index, held))
    return tuple(sorted(scenes.values(), key=lambda scene: scene.date, reverse=True))


def _map_of(run: RunDirectory, table: pa.Table, grids: dict[str, MapGrid]) -> str:
    """The map of a scene: in the middle of each of its pixels lies the middle of a tile."""
    own, tile = crs_of(table.schema.metadata), table.slice(0, 1).to_pylist()[0]
    [called] = file_names([tile["source"]])
    x, y = (tile["xmin"] + tile["xmax"]) / 2, (tile["ymin"] + tile["ymax"]) / 2
    # Scenes of several dates lie on the same pixels: of their maps, the one that is called so.
    for name, grid in sorted(
        grids.items(), key=lambda one: not one[0].startswith(f"maps/{called}")
    ):
        col, row = grid.pixel(x, y)
        apart = max(abs(col - tile["col"] - 0.5), abs(row - tile["row"] - 0.5))
        inside = 0 <= col < grid.width and 0 <= row < grid.height
        if apart < 1e-3 and inside and pyproj.CRS.from_user_input(grid.crs) == own:
            return name
    raise OutputError(run.path, f"has tiles of {tile['source']} that are on none of its maps")
