"""What a date's labels are worth: how well each class explains what the network said of a place."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from rasterio.windows import Window

from landcover.analysis.change.alignment import Labels, sampled
from landcover.analysis.change.decision import Vectors, VectorsAt
from landcover.analysis.map_blocks import grid_of, opened_map, read
from landcover.classes import Scheme
from landcover.runs.directory import RunDirectory
from landcover.runs.map_format.area import Area
from landcover.runs.map_format.grid import MapGrid, file_names
from landcover.runs.maps.maker import MAP
from landcover.runs.parts import all_parts, columns_of, read_part

_MOST = 2**20  # tiles whose probabilities are held at once
_NEEDED = ["source", "row", "col"]


class Evidence(Protocol):
    """How well each class explains what was said of a place, in a few hundred bytes that pickle."""

    def on(self, grid: MapGrid, labels: Labels) -> VectorsAt:
        """What it says of a grid.

        Args:
            grid: the pixels.
            labels: of the date, dims (y, x).

        """
        ...


@dataclass(frozen=True)
class Rates:
    """Labels of which it is known how often each is given to each class.

    Args:
        rates: dims (class, label): the share of a class that gets each label, of sum 1 a class.
    """

    rates: tuple[tuple[float, ...], ...]

    @classmethod
    def assumed(cls, classes: int, accuracy: float) -> Rates:
        """Labels that are right so often, and any other class as often as any when not."""
        wrong = (1 - accuracy) / max(classes - 1, 1)
        rates = np.full((classes, classes), wrong) + (accuracy - wrong) * np.eye(classes)
        return cls(tuple(map(tuple, rates.tolist())))

    def on(self, grid: MapGrid, labels: Labels) -> VectorsAt:
        """The rates of each place's label."""
        table = np.array(self.rates, np.float32).T
        flat = labels.ravel()
        return lambda places: table[flat[places]]


@dataclass(frozen=True)
class TileScores:
    """Probabilities that a network gave to tiles: of all classes, or of the label alone.

    A label's score leaves the rest to the other classes, as much to any. Scores are mixed with equal
    shares of all classes so that none is higher than ``surest``.

    Args:
        run: that labels tiles, in its own scheme.
        scheme: in whose order classes are counted.
        surest: in (0, 1).
        otherwise: of places whose tile is not found, or has another label than the map there.
    """

    run: RunDirectory
    scheme: Scheme
    surest: float
    otherwise: Rates

    def on(self, grid: MapGrid, labels: Labels) -> VectorsAt:
        """The probabilities of the tile in which each centre lies."""
        size = len(self.scheme)
        found = np.full((grid.height, grid.width, size + 1), np.nan, np.float32)
        for scene in tiles_of(self.run, self.run.state):
            missing = np.isnan(found[..., -1])
            if not missing.any():
                break
            found[missing] = self._of_scene(scene, grid)[missing]
        flat, told = labels.ravel(), found.reshape(-1, size + 1)
        usual = self.otherwise.on(grid, labels)
        even = (1 - self.surest) * size / max(size - 1, 1)

        def at(places: npt.NDArray[np.intp]) -> Vectors:
            some = told[places]
            vectors: Vectors = (1 - even) * some[:, :-1] + np.float32(even / size)
            unknown = some[:, -1] != flat[places]
            vectors[unknown] = usual(places[unknown])
            return vectors

        return at

    def _of_scene(self, scene: SceneTiles, grid: MapGrid) -> Vectors:
        """Dims (y, x, class + 1): probabilities, and the label; NaN where its map shows no tile."""
        blank = np.full(len(self.scheme) + 1, np.nan, np.float32)
        with opened_map(self.run, scene.name) as file:

            def shown(area: Area) -> Vectors:
                height, width = area.shape
                window = Window(area.col0, area.row0, width, height)
                codes = read(self.run.storage.where(scene.name), file, window)
                held = self._held(scene, area)
                held[codes == self.run.scheme.nodata] = np.nan  # another scene's map shows it
                return held

            return sampled(grid, grid_of(file), shown, blank, _MOST)

    def _held(self, scene: SceneTiles, area: Area) -> Vectors:
        """What the tables have of some tiles of a scene: dims (y, x, class + 1)."""
        held = np.full((*area.shape, len(self.scheme) + 1), np.nan, np.float32)
        for index, place, column in scene.parts:
            if not place.overlap(area).empty:
                table = read_part(self.run, index, ["row", "col", "code", column])
                row, col = table["row"].to_numpy(), table["col"].to_numpy()
                inside = (row >= area.row0) & (row < area.row1)
                inside &= (col >= area.col0) & (col < area.col1)
                at = row[inside] - area.row0, col[inside] - area.col0
                held[at] = self._vectors(table, column)[inside]
        return held

    def _vectors(self, table: pa.Table, column: str) -> Vectors:
        """Probabilities of tiles in the order of the scheme, and their labels: dims (tile, class + 1)."""
        size, own = len(self.scheme), self.run.scheme.codes
        codes = table["code"].to_numpy()
        labels = np.array([self.scheme.codes.index(code) for code in codes.tolist()], np.intp)
        found = np.empty((len(codes), size + 1), np.float32)
        if column == "probabilities":
            flat = table[column].combine_chunks().flatten().to_numpy()
            order = [own.index(code) for code in self.scheme.codes]
            found[:, :-1] = flat.reshape(len(codes), size)[:, order]
        else:
            scores = table[column].to_numpy()
            found[:, :-1] = ((1 - scores) / max(size - 1, 1))[:, None]
            found[np.arange(len(codes)), labels] = scores
        found[:, -1] = labels
        return found


class SceneTiles(NamedTuple):
    """The tiles of a scene.

    Args:
        name: of its map, relative to the run, whose pixels they are.
        parts: those that have some: the index, where they lie in the map, and the column with what
            the network gave them.
    """

    name: str
    parts: tuple[tuple[int, Area, str], ...]


@lru_cache(8)
def tiles_of(run: RunDirectory, state: str) -> tuple[SceneTiles, ...]:
    """The tiles of a run that labels tiles, by scene, in the order in which its maps are shown.

    Args:
        run: three small columns of its parts are read, once a process for each state of it.
        state: of the run.

    Raises:
        OutputError: if a part cannot be read.
    """
    scenes: dict[str, list[tuple[int, Area, str]]] = {}
    of_date: dict[str, str] = {}
    for index in all_parts(run):
        found = _part(replace(run, date=""), index)
        if found is not None:
            source, of_date[source] = found[:2]
            scenes.setdefault(source, []).append((index, *found[2:]))
    said = run.manifest()
    files, dates = said.get("files", []), said.get("dates", {})
    own = [name for name in files if name.startswith("maps/") and name.endswith(".tif")]
    names = [f"maps/{name}.tif" for name in file_names(list(scenes), dates)] if own else [MAP]
    known = [
        SceneTiles(name, tuple(parts))
        for name, (source, parts) in zip(names, scenes.items(), strict=False)
        if name in files and (not run.date or of_date[source] == run.date)
    ]
    return tuple(sorted(known, key=lambda scene: files.index(scene.name)))


def _part(run: RunDirectory, index: int) -> tuple[str, str, Area, str] | None:
    """The scene of a part, its date, where its tiles lie, and what the network gave them; None without
    tiles."""
    names = columns_of(run, index)
    has_date = "date" in names
    table = read_part(run, index, [*_NEEDED, "date"] if has_date else _NEEDED)
    if not table.num_rows:
        return None
    row, col = table["row"].to_numpy(), table["col"].to_numpy()
    area = Area(int(row.min()), int(row.max()) + 1, int(col.min()), int(col.max()) + 1)
    column = "probabilities" if "probabilities" in names else "score"
    date = str(table["date"][0].as_py()) if has_date else ""
    return str(table["source"][0].as_py()), date, area, column
