"""What a run has made as a STAC collection: an item of its outputs, and one of its model.

Plain JSON, for it is three small documents: STAC 1.1 with the extensions Projection 2, Classification 2
and Machine Learning Model 1.6 (https://stac-extensions.github.io).
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyproj
import shapely
from rasterio import Env
from rasterio.errors import CRSError
from rasterio.warp import transform_geom

from landcover.analysis.map_blocks import Progress, finished, map_names, map_view, no_progress
from landcover.analysis.stac_model import CLASSIFICATION, classes_of_scheme, model_item
from landcover.errors import ConfigError, OutputError
from landcover.runs.directory import MANIFEST, RunDirectory
from landcover.runs.map_format.grid import MapGrid
from landcover.runs.parts import all_parts
from landcover.runs.storage import Storage
from landcover.tiles.gdal import FAILURES
from landcover.tiles.reprojection import DEGREES

_VERSION = "1.1.0"
_PROJECTION = "https://stac-extensions.github.io/projection/v2.0.0/schema.json"
_CODE = re.compile(r"\w+:\w+")  # as EPSG:26914
_STEPS = 20  # parts of each side of a map, where it is drawn in degrees
_JSON = "application/json"
_MEDIA = {
    ".tif": "image/tiff; application=geotiff; profile=cloud-optimized",
    ".vrt": "application/xml",
    ".png": "image/png",
    ".json": _JSON,
    "": "application/vnd.apache.parquet",
}


def stac(
    run: RunDirectory,
    output: str | os.PathLike[str] | None = None,
    taken: str | None = None,
    progress: Progress = no_progress,
) -> list[str]:
    """Describe a run as a STAC collection.

    Each map is read as a whole: its classes are told with the pixels that they have, and no map
    that cannot be read gets into a catalogue.

    Args:
        run: the directory of a run that is done, with a map.
        output: the folder to write to, local or a URL; None: ``stac`` in the run. Local files are
            referred to by relative paths: keep the two where they are to each other.
        taken: when the imagery was taken, "2016-09-15" or with a time; None: the date of the map
            where it has one, else the time of the run stands in its place.
        progress: called after each block of the maps.

    Returns:
        the files: ``collection.json``, ``outputs.json``, and ``model.json`` where the run says what
        its model is.

    Raises:
        ConfigError: if a date is none.
        OutputError: if the run is not done or has no map, its tables lack tiles, or something cannot
            be read or written.
    """
    said, when = finished(run), _times(run, taken)
    maps = _maps(run, progress)
    folder = Storage(str(output) if output is not None else run.storage.where("stac"))
    name = re.sub(r"[^\w.-]+", "-", Path(run.path.rstrip("/")).name).strip("-.") or "run"
    base = {"stac_version": _VERSION, "type": "Feature", "collection": name}
    try:
        geometry, bbox = _footprint([one.grid for one in maps.values()])
    except (*FAILURES, CRSError) as error:
        reason = (
            "its CRS does not lead to degrees on the earth, in which catalogues say where it is"
        )
        raise OutputError(run.path, reason) from error
    documents: dict[str, dict[str, Any]] = {
        "outputs.json": {
            **base,
            "stac_extensions": [_PROJECTION, CLASSIFICATION],
            "id": f"{name}-outputs",
            "geometry": geometry,
            "bbox": bbox,
            "properties": {"title": f"Land cover: {name}", **when},
            "assets": _assets(run, said, maps, folder),
        }
    }
    if (model := said.get("model", {})).get("digest"):
        try:
            item = model_item(model, run.scheme)
        except (KeyError, TypeError, ValueError) as error:
            reason = f"does not say of its model what a catalogue needs ({error!r})"
            raise OutputError(run.storage.where(MANIFEST), reason) from error
        documents["model.json"] = {**base, **item, "id": f"{name}-model"}
        documents["model.json"]["properties"].update(when)
    for file, document in documents.items():
        document["links"] = _links(file, "model.json" in documents)
    documents["collection.json"] = _collection(name, bbox, when, list(documents))
    folder.prepare()
    for file, document in documents.items():
        folder.put(file, json.dumps(document, indent=2).encode() + b"\n")
    return [folder.where(file) for file in documents]


class _Map(NamedTuple):
    """A map of a run.

    Args:
        grid: its pixels.
        counts: how many have each class of the scheme, and none: dims (class).
    """

    grid: MapGrid
    counts: npt.NDArray[np.intp]


def _maps(run: RunDirectory, progress: Progress) -> dict[str, _Map]:
    """The maps of a run, those that show it as a whole first, by name.

    Raises:
        OutputError: if one cannot be read, or holds what is no class of the run.
    """
    scenes = [] if run.date else [one for one in finished(run)["files"] if one.endswith(".tif")]
    names = list(dict.fromkeys([*map_names(run), *scenes]))
    with ExitStack() as stack:
        views = [stack.enter_context(map_view(run, (name,))) for name in names]
        rows = [view.grid.height for view in views]
        found = {}
        for number, view in enumerate(views):
            counts = np.zeros(len(run.scheme) + 1, np.intp)
            for block in view.blocks(0, view.grid.height):
                counts += np.bincount(block.classes.ravel(), minlength=counts.size)
                progress(sum(rows[:number]) + block.row + len(block.classes), sum(rows))
            found[view.name] = _Map(view.grid, counts)
    return found


def _times(run: RunDirectory, taken: str | None) -> dict[str, Any]:
    """When: a day or moment, or from the begin of the run to its end."""
    if taken or run.date:
        try:
            return {"datetime": _utc(datetime.fromisoformat(taken or run.date))}
        except ValueError:
            mistake = f"{taken!r} is no date such as 2016-09-15 or 2016-09-15T17:20:00Z"
            raise ConfigError([mistake], "when the imagery was taken") from None
    said = finished(run)
    ended = str(said.get("finished") or datetime.now(UTC).isoformat())
    begun = str(said.get("started") or ended)
    both = {"start_datetime": begun, "end_datetime": ended}
    found = {key: _utc(datetime.fromisoformat(value)) for key, value in both.items()}
    return {"datetime": None, **found}


def _utc(moment: datetime) -> str:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _footprint(grids: Iterable[MapGrid]) -> tuple[dict[str, Any], list[float]]:
    """The outline of all maps in degrees, cut at the antimeridian, and west, south, east, north."""
    shapes = []
    for grid in grids:
        box = shapely.box(*grid.bounds)
        side = max(grid.bounds[2] - grid.bounds[0], grid.bounds[3] - grid.bounds[1])
        dense = shapely.segmentize(box, side / _STEPS)
        with Env():  # else GDAL tells standard error what it finds none of
            moved = transform_geom(
                grid.crs, DEGREES, shapely.geometry.mapping(dense), antimeridian_cutting=True
            )
        shapes.append(shapely.make_valid(shapely.geometry.shape(moved)))
    whole = shapely.union_all(shapes)
    west, south, east, north = whole.bounds
    if west <= -180 and east >= 180:  # the box goes on beyond the antimeridian
        parts = shapely.get_parts(whole)
        west = min(part.bounds[0] for part in parts if part.bounds[2] > 0)
        east = max(part.bounds[2] for part in parts if part.bounds[2] <= 0)
    return json.loads(shapely.to_geojson(whole)), [west, south, east, north]


def _assets(
    run: RunDirectory, said: Mapping[str, Any], maps: Mapping[str, _Map], folder: Storage
) -> dict[str, Any]:
    """The files of a run: maps, pictures, tables."""
    assets: dict[str, Any] = {}
    for name, (grid, counts) in maps.items():
        height, width = grid.height, grid.width
        assets[name] = {
            **_asset(run, name, folder, f"Class codes: {name}", "data"),
            **_crs(grid.crs),
            "proj:shape": [height, width],
            "proj:transform": [*(grid.transform[i] for i in (0, 1, 2, 3, 4, 5)), 0, 0, 1],
            "proj:bbox": list(grid.bounds),
            "classification:classes": classes_of_scheme(run.scheme, counts.tolist()),
        }
    pictures = [one for one in said["files"] if one.endswith(".png") and run.storage.exists(one)]
    for name in pictures:
        assets[name] = _asset(run, name, folder, f"Picture: {name}", "overview")
    assets[MANIFEST] = _asset(run, MANIFEST, folder, "How it was made", "metadata")
    if all_parts(run):
        assets["tiles"] = _asset(run, "tiles", folder, "Tiles (GeoParquet files)", "data")
    if run.parts("quarantine"):
        assets["quarantine"] = _asset(run, "quarantine", folder, "Tiles that failed", "data")
    return assets


def _asset(run: RunDirectory, name: str, folder: Storage, title: str, role: str) -> dict[str, Any]:
    href = run.storage.where(name)
    if run.storage.local is not None and folder.local is not None:
        href = Path(os.path.relpath(href, folder.local)).as_posix()
        href = href if href.startswith("..") else f"./{href}"
    return {"href": href, "type": _MEDIA[Path(name).suffix], "title": title, "roles": [role]}


def _crs(name: str) -> dict[str, Any]:
    """A CRS by its code where it has one, else as a whole: a code is never guessed."""
    if _CODE.fullmatch(name):
        return {"proj:code": name}
    return {"proj:code": None, "proj:wkt2": pyproj.CRS.from_user_input(name).to_wkt()}


def _links(file: str, model: bool) -> list[dict[str, str]]:
    links = [
        {"rel": rel, "href": "./collection.json", "type": _JSON}
        for rel in ("root", "parent", "collection")
    ]
    if model and file == "outputs.json":
        made_by = {"rel": "derived_from", "href": "./model.json", "type": "application/geo+json"}
        links.append({**made_by, "title": "The model"})
    return links


def _collection(
    name: str, bbox: list[float], when: Mapping[str, Any], items: Sequence[str]
) -> dict[str, Any]:
    first = when["datetime"] or when["start_datetime"]
    last = when["datetime"] or when["end_datetime"]
    links = [{"rel": "root", "href": "./collection.json", "type": _JSON}]
    links += [
        {"rel": "item", "href": f"./{item}", "type": "application/geo+json"} for item in items
    ]
    return {
        "type": "Collection",
        "stac_version": _VERSION,
        "id": name,
        "title": f"Land cover: {name}",
        "description": "Land cover that landcover has mapped with a trained network.",
        "license": "other",
        "extent": {"spatial": {"bbox": [bbox]}, "temporal": {"interval": [[first, last]]}},
        "links": links,
    }
