"""Candidates: the places that changed, as a table with pictures of the imagery before and after."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

from landcover.analysis.change.legend import Legend
from landcover.analysis.chips import chips
from landcover.analysis.map_blocks import Progress
from landcover.errors import MissingExtra, SourceError
from landcover.local_files import scratch
from landcover.runs.directory import RunDirectory
from landcover.runs.map_format.grid import MapGrid
from landcover.runs.vector_files import write_frame
from landcover.tiles.reprojection import DEGREES, in_crs

if TYPE_CHECKING:
    import geopandas as gpd

FILES = ("candidates.gpkg", "candidates.parquet")
CHIPS = "chips"
_AROUND = 3.0  # times the size of a candidate that a picture of it is across
_DIGITS = 7  # of degrees: a centimetre


def candidates(
    places: Iterable[dict[str, Any]], legend: Legend, grid: MapGrid, unit: str
) -> gpd.GeoDataFrame:
    """The table of places, those first on which most ground is thought to have changed.

    That is score times hectares: small places that are sure do not stand before large ones.

    Args:
        places: of each its ``code``, ``outline`` in pixels, and sums over its pixels.
        legend: what the codes mean.
        grid: the pixels.
        unit: what a pixel is, as "pixels" or "tiles".

    Raises:
        MissingExtra: if geopandas is not installed.
    """
    geopandas = geopandas_of()
    rows = list(places)
    a, _, c, _, e, f = grid.transform
    shift = np.array([c, f]), np.array([a, e])
    outlines = shapely.transform(
        [row.pop("outline") for row in rows], lambda x: shift[0] + x * shift[1]
    )
    counts = np.array([row["pixels"] for row in rows], np.int64)
    pairs = [legend.pair(row["code"]) for row in rows]
    names = legend.classes.names
    columns = {
        "before": [names[before] for before, _ in pairs],
        "after": [names[after] for _, after in pairs],
        "score": np.array([row["score"] for row in rows]) / np.maximum(counts, 1),
        unit: counts,
        "hectares": np.array([row["hectares"] for row in rows], np.float64),
        "neighbours": np.array([row["neighbours"] for row in rows]) / np.maximum(counts, 1),
    }
    inside = geopandas.GeoSeries(shapely.point_on_surface(outlines), crs=grid.crs)
    inside = in_crs(inside, DEGREES)
    columns |= {"lon": inside.x.round(_DIGITS), "lat": inside.y.round(_DIGITS)}
    frame = geopandas.GeoDataFrame(columns, geometry=outlines, crs=grid.crs)
    order = (-frame["score"] * frame["hectares"]).argsort(kind="stable")
    frame = frame.iloc[order].reset_index(drop=True)
    frame.insert(0, "id", np.arange(1, len(frame) + 1))
    return frame


def draw_chips(
    frame: gpd.GeoDataFrame,
    runs: Mapping[str, RunDirectory],
    least: float,
    output: RunDirectory,
    progress: Progress,
    missing: Callable[[SourceError], None],
) -> list[dict[int, str]]:
    """Write pictures of candidates and of what borders on them.

    Args:
        frame: the candidates.
        runs: whose imagery is shown, by what it is called in the names of files.
        least: how far across a picture is at least, in units of the CRS.
        output: where the pictures go.
        progress: called after each picture.
        missing: told once of each scene that cannot be read any more.

    Returns:
        by run the name of the file of each candidate that has one, by its id.
    """
    output.storage.prepare(CHIPS)
    box = frame.bounds
    size = np.maximum(box["maxx"] - box["minx"], box["maxy"] - box["miny"]).to_numpy()
    edges, middles = np.maximum(least, _AROUND * size), frame.representative_point()
    found: list[dict[int, str]] = []
    for date, run in runs.items():
        names: dict[int, str] = {}
        pictures = chips(run, middles, edges, frame.geometry, missing)
        for done, (number, picture) in enumerate(zip(frame["id"], pictures, strict=True), 1):
            if picture is not None:
                names[number] = f"{CHIPS}/{number}-{date}.png"
                output.storage.put(names[number], picture)
            progress(len(found) * len(frame) + done, len(runs) * len(frame))
        found.append(names)
    return found


def write_candidates(frame: gpd.GeoDataFrame, output: RunDirectory) -> None:
    """Write the table as GeoPackage and as GeoParquet.

    Raises:
        OutputError: if they cannot be written.
    """
    with scratch() as folder:
        package, parquet = (folder / name for name in FILES)
        for path in (package, parquet):
            write_frame(frame, path, output.storage.where(path.name))
            output.storage.put(path.name, path.read_bytes())


def geopandas_of() -> Any:
    """The library that tables of places need.

    Raises:
        MissingExtra: if it is not installed.
    """
    try:
        import geopandas
    except ModuleNotFoundError as error:
        raise MissingExtra("landcover change", "report", "geopandas") from error
    return geopandas
