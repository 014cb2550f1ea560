"""What a run has made as a STAC collection: an item of its outputs, and one of its model.

Plain JSON, for it is three small documents: STAC 1.1 with the extensions Projection 2, Classification 2
and Machine Learning Model 1.6 (https://stac-extensions.github.io).
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyproj
import shapely
from rasterio.warp import transform_geom

from landcover.analysis.map_blocks import finished, grid_of, map_names, opened_map
from landcover.analysis.stac_model import CLASSIFICATION, classes_of_scheme, model_item
from landcover.errors import ConfigError, OutputError
from landcover.runs.directory import MANIFEST, RunDirectory
from landcover.runs.map_format.grid import MapGrid
from landcover.runs.storage import Storage

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
) -> list[str]:
    """Describe a run as a STAC collection.

    Args:
        run: the directory of a run that is done, with a map.
        output: the folder to write to, local or a URL; None: ``stac`` in the run. Local files are
            referred to by relative paths: keep the two where they are to each other.
        taken: when the imagery was taken, "2016-09-15" or with a time; None: the date of the map
            where it has one, else the time of the run stands in its place.

    Returns:
        the files: ``collection.json``, ``outputs.json``, and ``model.json`` where the run says what
        its model is.

    Raises:
        ConfigError: if a date is none.
        OutputError: if the run is not done or has no map, or something cannot be read or written.
    """
    said, grids = finished(run), _grids(run)
    folder = Storage(str(output) if output is not None else run.storage.where("stac"))
    when = _times(said, taken or run.date)
    name = re.sub(r"[^\w.-]+", "-", Path(run.path.rstrip("/")).name).strip("-.") or "run"
    base = {"stac_version": _VERSION, "type": "Feature", "collection": name}
    geometry, bbox = _footprint(grids)
    documents: dict[str, dict[str, Any]] = {
        "outputs.json": {
            **base,
            "stac_extensions": [_PROJECTION, CLASSIFICATION],
            "id": f"{name}-outputs",
            "geometry": geometry,
            "bbox": bbox,
            "properties": {"title": f"Land cover: {name}", **when},
            "assets": _assets(run, said, grids, folder),
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


def _grids(run: RunDirectory) -> dict[str, MapGrid]:
    """The maps of a run, those that show it as a whole first, by name."""
    names = map_names(run)
    scenes = [] if run.date else [one for one in finished(run)["files"] if one.endswith(".tif")]
    grids = {}
    for name in dict.fromkeys([*names, *scenes]):
        with opened_map(run, name) as file:
            grids[name] = grid_of(file)
    return grids


def _times(said: Mapping[str, Any], taken: str | None) -> dict[str, Any]:
    """When: a day or moment, or from the begin of the run to its end."""
    if taken:
        try:
            return {"datetime": _utc(datetime.fromisoformat(taken))}
        except ValueError:
            mistake = f"{taken!r} is no date such as 2016-09-15 or 2016-09-15T17:20:00Z"
            raise ConfigError([mistake], "when the imagery was taken") from None
    ended = str(said.get("finished") or datetime.now(UTC).isoformat())
    begun = str(said.get("started") or ended)
    both = {"start_datetime": begun, "end_datetime": ended}
    found = {key: _utc(datetime.fromisoformat(value)) for key, value in both.items()}
    return {"datetime": None, **found}


def _utc(moment: datetime) -> str:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _footprint(grids: Mapping[str, MapGrid]) -> tuple[dict[str, Any], list[float]]:
    """The outline of all maps in degrees, cut at the antimeridian, and west, south, east, north."""
    shapes = []
    for grid in grids.values():
        box = shapely.box(*grid.bounds)
        side = max(grid.bounds[2] - grid.bounds[0], grid.bounds[3] - grid.bounds[1])
        dense = shapely.segmentize(box, side / _STEPS)
        moved = transform_geom(
            grid.crs, "EPSG:4326", shapely.geometry.mapping(dense), antimeridian_cutting=True
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
    run: RunDirectory, said: Mapping[str, Any], grids: Mapping[str, MapGrid], folder: Storage
) -> dict[str, Any]:
    """The files of a run: maps, pictures, tables."""
    assets: dict[str, Any] = {}
    for name, grid in grids.items():
        height, width = grid.height, grid.width
        assets[name] = {
            **_asset(run, name, folder, f"Class codes: {name}", "data"),
            **_crs(grid.crs),
            "proj:shape": [height, width],
            "proj:transform": [*(grid.transform[i] for i in (0, 1, 2, 3, 4, 5)), 0, 0, 1],
            "proj:bbox": list(grid.bounds),
            "classification:classes": classes_of_scheme(run.scheme, nodata=True),
        }
    for name in (one for one in said.get("files", []) if one.endswith(".png")):
        assets[name] = _asset(run, name, folder, f"Picture: {name}", "overview")
    assets[MANIFEST] = _asset(run, MANIFEST, folder, "How it was made", "metadata")
    tables = {"tiles": "Tiles (GeoParquet files)", "quarantine": "Tiles that failed"}
    for kind, title in tables.items():
        if run.storage.names(kind):
            assets[kind] = _asset(run, kind, folder, title, "data")
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
