"""Maps smoothed by their neighbourhood: a run made of another one."""

from __future__ import annotations

import io
import os
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import rasterio
from rasterio.transform import Affine
from rasterio.windows import Window

from landcover.analysis.map_blocks import (
    MapView,
    Progress,
    class_index,
    finished,
    grid_of,
    labels_pixels,
    map_names,
    no_progress,
    opened_map,
    read,
)
from landcover.analysis.mean_probability import (
    AveragedMap,
    MeanProbability,
    refuse_without_probabilities,
)
from landcover.analysis.minimum_area import MinimumArea
from landcover.analysis.plurality import Plurality
from landcover.analysis.points import classes_at
from landcover.classes import Scheme
from landcover.contracts import Backend
from landcover.errors import ConfigError, LandcoverError, OutputError
from landcover.local_files import scratch, without_room
from landcover.runs.claiming import claim
from landcover.runs.directory import RunDirectory
from landcover.runs.geoparquet import crs_of
from landcover.runs.map_format.area import Area, Codes, Size
from landcover.runs.map_format.grid import MapGrid
from landcover.runs.maps.layout import FOLDER
from landcover.runs.maps.maker import MAP, MapMaker, Maps, steps_of
from landcover.runs.maps.origins import Known, Mosaic, Origin
from landcover.runs.parts import all_parts, read_part, read_parts
from landcover.tiles.gdal import FAILURES, address, gdal_settings

Rule = Plurality | MeanProbability | MinimumArea
_ROWS = 1024  # of a map that are smoothed at once
_CHUNK = 2**22  # bytes


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
                around = part.grown(self.rule.margin).overlap(whole)
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
    rule: Rule,
    pool: Backend,
    draw: Callable[[RunDirectory, Maps], dict[str, Any]],
    progress: Progress = no_progress,
) -> RunDirectory:
    """Make a run whose map is that of another run, smoothed.

    The map of all scenes is smoothed as one, so that scenes that lie side by side know each other;
    without such a map those of scenes are smoothed one by one. Tiles get the class that the smoothed
    map has in their middle; their ``score`` is the probability of that class where the table has
    ``probabilities``, else it stays that of the label they had. ``run.json`` says from which run it
    came, and how.

    Workers smooth by plurality and by probabilities, piece by piece. What depends on all of the map
    (areas) this process reads from top to bottom, and workers make the map of it.

    Args:
        run: the directory of a run that is done, with a map.
        output: the directory to be made.
        rule: how.
        pool: whose workers do it.
        draw: makes pictures of the maps, and returns what ``run.json`` says of them all.
        progress: called with how many steps are done, and how many there are.

    Returns:
        the new run, which is done. A directory that was not there before is removed on failure.

    Raises:
        ConfigError: if probabilities are wanted and the run has none.
        OutputError: if the run is not done or has no map, or one of the two cannot be read or written.
    """
    said, names = finished(run), map_names(run)
    if run.path.rstrip("/") == output.rstrip("/"):
        raise OutputError(output, "is the run that is to be smoothed: name another output")
    if isinstance(rule, MeanProbability):
        refuse_without_probabilities(run)
    grids = []
    for name in names:
        with opened_map(run, name) as file:
            grids.append(grid_of(file))
    digest = said.get("fingerprint", {}).get("digest")
    dated = {"date": run.date} if run.date else {}
    smoothed = {"run": digest, "rule": {"name": _NAMES[type(rule)], **asdict(rule)}, **dated}
    told: dict[str, Any] = {
        "smoothed": {"from": run.path, **smoothed},
        **{key: said[key] for key in ("config", "model", "tiles") if key in said},
        **_of_date(run, said),
    }
    with claim(output, {"smoothed": smoothed}, run.scheme, told, at_once=True) as made:
        made.storage.prepare(FOLDER)
        wanted = [
            (MAP if len(names) == 1 else name, grid, _origin(run, name, rule, made, progress))
            for name, grid in zip(names, grids, strict=True)
        ]
        note = None if len(names) == 1 else said.get("note")
        numbers, total = count(1), steps_of(grids)
        maker = MapMaker(made, pool, "tile", lambda: progress(next(numbers), total))
        maps = maker.remake(wanted, note)
        if not labels_pixels(run):
            _relabel(run, made, maps)
        made.finish(draw(made, maps))
    return made


_NAMES = {Plurality: "plurality", MeanProbability: "probability", MinimumArea: "area"}


def rule_of(name: str, window: int, centre: int | None, minimum_area: float | None) -> Rule:
    """A rule by its name.

    Args:
        name: "plurality", "probability" or "area".
        window: pixels along the side of the square.
        centre: how many times its middle counts; None: as the rule has it.
        minimum_area: square metres, for "area" and for no other.

    Raises:
        ConfigError: if there is no such rule, or its numbers are wrong.
    """
    if name not in _NAMES.values():
        listed = ", ".join(_NAMES.values())
        raise ConfigError([f"no rule is called {name!r}; there are {listed}"], "smoothing")
    if (name == "area") != (minimum_area is not None):
        raise ConfigError(["rule 'area' takes a minimum area, and no other rule does"], "smoothing")
    if minimum_area is not None:
        return MinimumArea(minimum_area)
    kind = Plurality if name == "plurality" else MeanProbability
    return kind(window) if centre is None else kind(window, centre)


def _origin(
    run: RunDirectory, name: str, rule: Rule, made: RunDirectory, progress: Progress
) -> Origin:
    """What the pixels of a smoothed map come from."""
    if isinstance(rule, Plurality):
        return SmoothedMap(run, name, rule)
    if isinstance(rule, MeanProbability):
        return AveragedMap(run, name, rule)
    kept = f"{FOLDER}/smoothed-{name.replace('/', '-')}.tif"
    with opened_map(run, name) as file, scratch() as folder:
        path, view = folder / "smoothed.tif", MapView(run, (name,), file, ())
        try:
            _draw(path, view.grid, run.scheme, rule.rows(view, progress))
        except LandcoverError:
            raise
        except FAILURES as error:
            raise OutputError("work in progress", without_room(error)) from error
        with path.open("rb") as content:
            made.storage.put_chunks(kept, iter(lambda: content.read(_CHUNK), b""))
    return Mosaic(kept)


def _draw(path: Path, grid: MapGrid, scheme: Scheme, strips: Iterable[Codes]) -> None:
    """Write a map from its top to its bottom, and read it back: of what fails at its end GDAL says nothing."""
    profile = {
        "driver": "GTiff",
        "count": 1,
        "dtype": scheme.dtype,
        "nodata": scheme.nodata,
        "width": grid.width,
        "height": grid.height,
        "crs": grid.crs,
        "transform": Affine(*grid.transform),
        "tiled": True,
        "blockxsize": 512,
        "blockysize": 512,
        "compress": "deflate",
        "zlevel": 1,
        "sparse_ok": True,
        "bigtiff": "if_safer",
    }
    top, meant = 0, list[tuple[Window, int]]()
    with gdal_settings(address(os.fspath(path))):
        with rasterio.open(path, "w", **profile) as drawn:
            for rows in strips:
                if len(rows):
                    window = Window(0, top, grid.width, len(rows))
                    drawn.write(rows, 1, window=window)
                    meant.append((window, zlib.crc32(rows.tobytes())))
                top += len(rows)
        with rasterio.open(path) as drawn:
            if any(
                zlib.crc32(drawn.read(1, window=one).tobytes()) != known for one, known in meant
            ):
                raise OSError("what is read back is not what was written")


def _of_date(run: RunDirectory, said: Mapping[str, Any]) -> dict[str, Any]:
    """How many tiles of a date there are, as ``run.json`` says it; nothing for a run as a whole."""
    if not run.date:
        return {}
    scored = sum(table.num_rows for table in read_parts(run, columns=["date"]))
    of_all = said.get("tiles") or {}
    others = {key: of_all.get(key, 0) for key in ("quarantined", "skipped")}
    return {"tiles": {"planned": scored + sum(others.values()), "scored": scored, **others}}


def _relabel(run: RunDirectory, made: RunDirectory, maps: Maps) -> None:
    """Write the tables of tiles anew, with the classes of the smoothed map."""
    scheme = made.scheme
    names, codes = np.array(scheme.names, object), np.array(scheme.codes, np.int32)
    for index in all_parts(run):
        table = read_part(run, index)
        crs = crs_of(table.schema.metadata)
        if crs is None or not table.num_rows:
            continue
        x = (table["xmin"].to_numpy() + table["xmax"].to_numpy()) / 2
        y = (table["ymin"].to_numpy() + table["ymax"].to_numpy()) / 2
        found = classes_at(made, x, y, crs, maps.files[:1] if maps.note is None else maps.files)
        own = np.array([scheme.codes.index(code) for code in table["code"].to_pylist()])
        found = np.where(found < len(scheme), found, own)  # a scene listed before has nodata there
        columns = {"label": pa.array(names[found], pa.string()), "code": pa.array(codes[found])}
        if "probabilities" in table.column_names:
            values = table["probabilities"].combine_chunks().flatten().to_numpy()
            score = values.reshape(len(found), -1)[np.arange(len(found)), found]
            columns["score"] = pa.array(score.astype(np.float32))
        for name, values in columns.items():
            table = table.set_column(table.schema.get_field_index(name), name, values)
        sink = io.BytesIO()
        pq.write_table(table, sink, compression="zstd")
        made.storage.put(made.part("tiles", index), sink.getvalue())
