"""Regions from vector files: whatever OGR reads, and GeoParquet."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyproj
import pyproj.exceptions
import shapely

from landcover.errors import SourceError, StoreError
from landcover.small_files import load_json
from landcover.stores.urls import is_remote, refuse_secrets
from landcover.tiles.gdal import without_warnings
from landcover.tiles.opening import Refused, check_room, vector_file
from landcover.tiles.regions.condition import objection
from landcover.tiles.regions.region import Polygons, Region

_PARQUET = frozenset({".parquet", ".geoparquet"})
_AREAS = (shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON)


def read_region(path: str, layer: str | None = None, where: str | None = None) -> Region:
    """Read the polygons of a vector file.

    Args:
        path: a local file or an fsspec URL: GeoPackage, GeoJSON, shapefile (or a .zip of one),
            FlatGeobuf, file geodatabase, GeoParquet.
        layer: which layer of it; None: the only one.
        where: which features, as a condition in SQL: ``NAME = 'Middlesex'``; None: all.

    Raises:
        SourceError: if there is no such file, layer or feature, it has no CRS, or something in it
            is no valid polygon.
    """
    refuse_secrets(path)
    if where is not None and (reason := objection(where)):
        raise SourceError(path, f"source.region.where {reason}")
    content, crs = _opened(path, whole=where is not None)
    meta, ids, wkb = _features(path, content, _layer(path, content, layer), where)
    if not len(wkb):
        chosen = f"no feature has {where}; correct source.region.where" if where else "is empty"
        raise SourceError(path, chosen)
    crs = crs or meta["crs"]
    if not crs:
        reason = "has no CRS, so that nothing says where it lies; assign the one it is in: ogr2ogr -a_srs EPSG:... PLACED.gpkg FILE"
        raise SourceError(path, reason)
    return Region(_polygons(path, ids, wkb), _crs(path, crs), path)


def _crs(path: str, said: Any) -> pyproj.CRS:
    try:
        return pyproj.CRS.from_user_input(said)
    except (pyproj.exceptions.CRSError, TypeError, ValueError, RecursionError) as error:
        reason = (
            f"says its CRS in a way that PROJ does not know: {' '.join(str(error).split())[:200]}"
        )
        raise SourceError(path, reason) from None


def written_region(region: Region) -> bytes:
    """A region as a GeoParquet file (https://geoparquet.org/releases/v1.1.0/)."""
    column = {
        "encoding": "WKB",
        "geometry_types": ["Polygon"],
        "crs": region.crs.to_json_dict(),
        "edges": "planar",
    }
    told = {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}}
    wkb = shapely.to_wkb(region.polygons, byte_order=1)
    table = pa.table({"geometry": pa.array(list(wkb), pa.binary())})
    sink = BytesIO()
    pq.write_table(table.replace_schema_metadata({"geo": json.dumps(told)}), sink)
    return sink.getvalue()


def _opened(path: str, whole: bool) -> tuple[str | bytes, Any]:
    """What OGR is to open, and the CRS where the file says it in a way that OGR need not read.

    Args:
        path: of the file.
        whole: whether more of it is asked for than its geometries.
    """
    if not is_remote(path) and not Path(path).exists():
        raise SourceError(path, "no such file; correct source.region")
    try:
        content = vector_file(path)
    except FileNotFoundError:
        raise SourceError(path, "no such file; correct source.region") from None
    except Refused as error:
        reason = f"cannot be read as a vector file: {error}; name another as source.region"
        raise SourceError(path, reason) from None
    except StoreError:
        raise
    except OSError as error:
        raise SourceError(path, f"cannot be read: {error.strerror or error}") from None
    if PurePosixPath(path).suffix.lower() not in _PARQUET:
        return content, None
    source = BytesIO(content) if isinstance(content, bytes) else content
    return _from_parquet(path, source, whole)


def _from_parquet(path: str, file: Any, whole: bool) -> tuple[bytes, Any]:
    """GeoParquet as a GeoPackage, since GDAL comes without its reader, and its CRS."""
    import pyogrio

    try:
        schema = pq.read_schema(file)
        geo = load_json((schema.metadata or {})[b"geo"])
        name = geo["primary_column"]
        column = geo["columns"][name]
        if not isinstance(column, dict):
            raise TypeError(f"what it says of its column {name!r} is {column!r:.80}")
        flat = [f.name for f in schema if not pa.types.is_nested(f.type)] if whole else [name]
        table = pq.read_table(file, columns=flat)
        crs = column.get("crs", "OGC:CRS84")
        sink = BytesIO()
        with without_warnings(UserWarning):  # of a CRS that is told beside it
            pyogrio.write_arrow(
                table.replace_schema_metadata(None),
                sink,
                layer="region",
                driver="GPKG",
                geometry_name=name,
                geometry_type="Unknown",
            )
    except (
        *(OSError, pa.ArrowException, KeyError, TypeError, ValueError),
        RuntimeError,  # of pyogrio
    ) as error:
        raise SourceError(path, f"cannot be read as GeoParquet: {error!r}") from error
    return sink.getvalue(), json.dumps(crs) if isinstance(crs, dict) else crs


def _layer(path: str, content: str | bytes, wanted: str | None) -> str:
    import pyogrio

    try:
        with without_warnings(RuntimeWarning):  # of names that do not end as OGR would have it
            layers = pyogrio.list_layers(content)
    except (RuntimeError, ValueError) as error:
        reason = f"cannot be read as a vector file: {error}; name another as source.region"
        raise SourceError(path, reason) from error
    named = [str(name) for name, kind in layers if kind is not None]
    if wanted is not None:
        if wanted not in named:
            reason = f"has no layer {wanted!r} with geometries (there are: {', '.join(named)})"
            raise SourceError(path, reason)
        return wanted
    if len(named) != 1:
        what = f"{len(named)} layers ({', '.join(named)}); say which one" if named else "no layer"
        raise SourceError(path, f"holds {what}: source.region.layer" if named else f"holds {what}")
    return named[0]


def _features(
    path: str, content: str | bytes, layer: str, where: str | None
) -> tuple[Any, Any, Any]:
    import pyogrio.raw

    try:
        with without_warnings(RuntimeWarning):
            check_room(content, layer)
            meta, ids, wkb, _ = pyogrio.raw.read(
                content, layer=layer, where=where, columns=[], force_2d=True, return_fids=True
            )
    except (Refused, RuntimeError, ValueError) as error:
        hint = f"; source.region.where is {where!r}" if where else ""
        raise SourceError(path, f"cannot be read as a vector file: {error}{hint}") from error
    return meta, ids, wkb


def _polygons(path: str, ids: Any, wkb: Any) -> Polygons:
    """The polygons of all features.

    Raises:
        SourceError: naming the first feature that is none.
    """
    held = np.array([one is not None for one in wkb])
    ids, geometries = ids[held], shapely.from_wkb(wkb[held], on_invalid="ignore")
    geometries = np.asarray(geometries)
    strange = ~np.isin(shapely.get_type_id(geometries), [kind.value for kind in _AREAS])
    if strange.any():
        kind = getattr(geometries[strange][0], "geom_type", "no geometry that can be read")
        reason = f"feature {ids[strange][0]} is {kind}; a region is made of polygons"
        raise SourceError(path, reason)
    invalid = ~shapely.is_valid(geometries)
    if invalid.any():
        why = shapely.is_valid_reason(geometries[invalid][0])
        raise SourceError(
            path,
            f"feature {ids[invalid][0]} is no valid polygon ({why}); mend it: ogr2ogr -makevalid "
            "MENDED.gpkg FILE",
        )
    found: Polygons = shapely.get_parts(geometries)
    found = found[~shapely.is_empty(found)]
    if not len(found):
        raise SourceError(path, "holds no polygon")
    return found
