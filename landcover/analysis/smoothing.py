"""Maps smoothed by their neighbourhood: a run made of another one."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from rasterio.windows import Window

from landcover.analysis.map_blocks import (
    class_index,
    finished,
    grid_of,
    labels_pixels,
    map_names,
    opened_map,
    read,
)
from landcover.analysis.points import classes_at
from landcover.classes import Scheme
from landcover.contracts import Backend
from landcover.errors import ConfigError, OutputError
from landcover.runs.directory import RunDirectory, claim
from landcover.runs.geoparquet import crs_of
from landcover.runs.map_format.area import Area, Codes, Size
from landcover.runs.maps.maker import MAP, MapMaker, Maps
from landcover.runs.maps.origins import Known
from landcover.runs.parts import read_part

_ROWS = 1024  # of a map that are smoothed at once
_WIDEST = 99


@dataclass(frozen=True)
class Plurality:
    """Every pixel takes the class that is commonest around it.

    The pixels of a square vote, each for its class, and the one in the middle several times. Where
    several classes have most votes, the pixel keeps its own if it is among them, else the first of the
    scheme wins. Pixels without a class neither vote nor get one; at the rim of the map fewer vote.

    Args:
        window: pixels along the side of the square, odd.
        centre: how many votes the middle has.

    Raises:
        ConfigError: if a number is out of its range.
    """

    window: int = 3
    centre: int = 2

    def __post_init__(self) -> None:
        mistakes = []
        if not (1 < self.window <= _WIDEST and self.window % 2):
            mistakes.append(
                f"a window is 3, 5, 7 or more pixels wide, up to {_WIDEST}, not {self.window}"
            )
        if not 1 <= self.centre <= self.window**2:
            mistakes.append(
                f"the middle of a window of {self.window} x {self.window} has 1 to {self.window**2} "
                f"votes, not {self.centre}"
            )
        if mistakes:
            raise ConfigError(mistakes, "smoothing")

    @property
    def margin(self) -> int:
        """How far around a pixel others decide on it."""
        return self.window // 2

    def apply(self, codes: Codes, scheme: Scheme) -> Codes:
        """The smoothed map of codes: dims (y, x), both."""
        own = np.zeros(codes.shape, np.uint32)
        present = [item.code for item in scheme if (codes == item.code).any()]
        for code in present:
            mask = codes == code
            own[mask] = self._votes(mask)[mask]
        best, found = own, codes.copy()
        for code in present:
            votes = self._votes(codes == code)
            more = (votes > best) & (codes != scheme.nodata)
            best[more], found[more] = votes[more], code
        return found

    def _votes(self, mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint32]:
        """How many votes each pixel has for a class: dims (y, x)."""
        height, width = mask.shape
        padded = np.pad(mask, self.margin).astype(np.uint16)
        votes = np.zeros((height, width), np.uint32)
        down = padded[:height].copy()
        for row in range(1, self.window):
            down += padded[row : row + height]
        for col in range(self.window):
            votes += down[:, col : col + width]
        return votes + np.uint32(self.centre - 1) * mask


@dataclass(frozen=True)
class SmoothedMap:
    """A map of a run, smoothed: what the pixels of another run's map come from.

    Args:
        source: the run whose map it is.
        name: of the map, relative to that run.
        rule: how it is smoothed.
    """

    source: RunDirectory
    name: str
    rule: Plurality

    def read(self, run: RunDirectory, size: Size, area: Area) -> Known:
        """Smoothed pixels, which depend on those around the area, wherever it ends."""
        whole, codes = size.area, np.empty(area.shape, self.source.scheme.dtype)
        with opened_map(self.source, self.name) as file:
            for row in range(area.row0, area.row1, _ROWS):
                part = Area(row, min(row + _ROWS, area.row1), area.col0, area.col1)
                margin = self.rule.margin
                around = Area(
                    *(part.row0 - margin, part.row1 + margin),
                    *(part.col0 - margin, part.col1 + margin),
                ).overlap(whole)
                height, width = around.shape
                window = Window(around.col0, around.row0, width, height)
                found = read(self.source.storage.where(self.name), file, window)
                class_index(found, self.source, self.name)
                smoothed = self.rule.apply(found, self.source.scheme)
                codes[part.within(area)] = smoothed[part.within(around)]
        return Known(codes, area)


def smooth(
    run: RunDirectory,
    output: str,
    rule: Plurality,
    pool: Backend,
    draw: Callable[[RunDirectory, Maps], dict[str, Any]],
) -> RunDirectory:
    """Make a run whose map is that of another run, smoothed.

    The map of all scenes is smoothed as one, so that scenes that lie side by side know each other;
    without such a map those of scenes are smoothed one by one. Tiles get the class that the smoothed
    map has in their middle; their ``score`` stays that of the label they had. ``run.json`` says
    from which run it came, and how.

    Args:
        run: the directory of a run that is done, with a map.
        output: the directory to be made.
        rule: how.
        pool: whose workers do it.
        draw: makes pictures of the maps, and returns what ``run.json`` says of them all.

    Returns:
        the new run, which is done.

    Raises:
        OutputError: if the run is not done or has no map, or one of the two cannot be read or written.
    """
    said, names = finished(run), map_names(run)
    if run.path.rstrip("/") == output.rstrip("/"):
        raise OutputError(output, "is the run that is to be smoothed: name another output")
    digest = said.get("fingerprint", {}).get("digest")
    dated = {"date": run.date} if run.date else {}
    smoothed = {"run": digest, "rule": asdict(rule), **dated}
    told: dict[str, Any] = {
        "smoothed": {"from": run.path, **smoothed},
        **{key: said[key] for key in ("config", "model", "tiles") if key in said},
    }
    wanted = []
    for name in names:
        with opened_map(run, name) as file:
            target = MAP if len(names) == 1 else name
            wanted.append((target, grid_of(file), SmoothedMap(run, name, rule)))
    with claim(output, {"smoothed": smoothed}, run.scheme, told) as made:
        note = None if len(names) == 1 else said.get("note")
        maps = MapMaker(made, pool, "tile").remake(wanted, note)
        if not labels_pixels(run):
            _relabel(run, made, maps)
        made.finish(draw(made, maps))
    return made


def _relabel(run: RunDirectory, made: RunDirectory, maps: Maps) -> None:
    """Write the tables of tiles anew, with the classes of the smoothed map."""
    scheme = made.scheme
    names, codes = np.array(scheme.names, object), np.array(scheme.codes, np.int32)
    for index in run.parts("tiles"):
        table = read_part(run, index)
        crs = crs_of(table.schema)
        if crs is None or not table.num_rows:
            continue
        x = (table["xmin"].to_numpy() + table["xmax"].to_numpy()) / 2
        y = (table["ymin"].to_numpy() + table["ymax"].to_numpy()) / 2
        found = classes_at(made, x, y, crs, maps.files[:1] if maps.note is None else maps.files)
        own = np.array([scheme.codes.index(code) for code in table["code"].to_pylist()])
        found = np.where(found < len(scheme), found, own)  # a scene listed before has nodata there
        columns = {"label": pa.array(names[found], pa.string()), "code": pa.array(codes[found])}
        for name, values in columns.items():
            table = table.set_column(table.schema.get_field_index(name), name, values)
        sink = io.BytesIO()
        pq.write_table(table, sink, compression="zstd")
        made.storage.put(made.part("tiles", index), sink.getvalue())
