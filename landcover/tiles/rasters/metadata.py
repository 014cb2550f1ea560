"""What a raster file says of itself."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from rasterio.enums import ColorInterp, MaskFlags

from landcover.errors import SourceError, StoreError
from landcover.stores.urls import file_of, file_system, in_archive, is_remote
from landcover.tiles.gdal import (
    FAILURES,
    address,
    broke_off,
    cause,
    gdal_settings,
    is_bare,
    local_path,
)
from landcover.tiles.grid import Transform
from landcover.tiles.opening import USUAL, Allowed, heeded, open_raster
from landcover.tiles.rasters.crs import name_of, unit_of
from landcover.tiles.rasters.cut_off import cut_off
from landcover.tiles.rasters.palettes import coloured, has_palette
from landcover.tiles.reach import readable
from landcover.tiles.states import state_of, state_told
from landcover.tiles.unlike_numbers import objection

_COLOURS = {
    ColorInterp.red: "red",
    ColorInterp.green: "green",
    ColorInterp.blue: "blue",
    ColorInterp.gray: "gray",
    ColorInterp.alpha: "alpha",
}

# Beside a raster lies what viewers work out of it: it changes without its pixels.
_DERIVED = (".aux.xml", ".ovr")

# How often a file is opened whose store breaks a request off: GDAL asks again only where it answers.
_TRIES = 5

_INFRARED = re.compile(r"\bnir\d*\b|infra-?\s?red", re.IGNORECASE)


@dataclass(frozen=True)
class Metadata:
    """What a raster file says of itself.

    Args:
        file: path or URL.
        width: columns.
        height: rows.
        count: bands.
        dtypes: one a band.
        transform: (a, b, c, d, e, f).
        crs: as text, a code or WKT; "" where there is none.
        unit: of the CRS.
        metres: in one unit of the CRS; None where it is not projected.
        nodata: declared value per band, None where none is declared (or no pixel can hold it).
        masked: it has a mask of its own, inside or beside it.
        alpha: the band, from 1, that is declared to be alpha and not described as infrared; else 0.
        band_names: for each band, lower-case names it goes by.
        block: (rows, columns) of a block.
        state: tells the file, and those that it needs, from others of the same names.
        placed_by: "ground control points" or "RPCs" where it has some; else "".
        palette: its first band holds indices into a palette.
        tags: of the file, in the domain that needs no name.
        driver: of GDAL, that opens it.
        bare: it is remote, and nothing lies beside it.
    """

    file: str
    width: int
    height: int
    count: int
    dtypes: tuple[str, ...]
    transform: Transform
    crs: str
    unit: str
    metres: float | None
    nodata: tuple[float | None, ...]
    masked: bool
    alpha: int
    band_names: tuple[tuple[str, ...], ...]
    block: tuple[int, int]
    state: str
    placed_by: str
    palette: bool
    tags: Mapping[str, str]
    driver: str
    bare: bool


def read_metadata(file: str, allowed: Allowed = USUAL, *, colours: bool = False) -> Metadata:
    """Open a raster file and read its metadata.

    Args:
        file: a local path, the name of a subdataset, or an fsspec URL.
        allowed: what it may be, and where files that it names may lie.
        colours: where it holds indices into a palette, those of the colours that these stand for.

    Raises:
        SourceError: if it is no raster that may be read, holds no band or numbers that are not what
            they seem, or ends before its last block.
    """
    size, state = _looked_up(file)
    tries = 0
    while True:
        tries += 1
        try:
            told, whole = _read(file, size, state, allowed, colours)
            if whole or tries == _TRIES:
                return told
        except FAILURES as error:
            if tries < _TRIES and broke_off(error):
                continue
            remedy = "" if is_remote(file) else "; copy it again, or correct source.rasters"
            reason = f"cannot be read as a raster: {cause(error)}{remedy}"
            raise SourceError(file, reason) from error


def _read(
    file: str, size: int, state: str, allowed: Allowed, colours: bool
) -> tuple[Metadata, bool]:
    """What a file says of itself, and whether with all that lies beside it."""
    where = address(file)
    bare = is_bare(where)
    with gdal_settings(where, bare), open_raster(file, allowed) as dataset:
        if dataset.count == 0:
            raise SourceError(file, _no_band(dataset))
        if size and (missing := cut_off(dataset, size)):
            raise SourceError(file, missing)
        if reason := objection(dataset):
            raise SourceError(file, reason)
        told = _metadata(dataset, file, " ".join([state, *_beside(dataset, file)]), bare)
        whole = bare or heeded(dataset, file)
        return (_of_colours(dataset, told) if colours and told.palette else told), whole


def _of_colours(dataset: Any, indices: Metadata) -> Metadata:
    """What a raster says of its colours that says this of its indices."""
    with coloured(dataset, indices.file) as seen:
        found = _metadata(seen, indices.file, indices.state, indices.bare)
    own = ("block", "placed_by", "tags", "driver")
    return replace(found, **{name: getattr(indices, name) for name in own})


def has_mask(dataset: Any) -> bool:
    """Whether a raster has a mask of its own, inside or beside it, which is not one of its bands."""
    flags = dataset.mask_flag_enums[0]
    return MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags


def holdable(value: float | None, dtype: str) -> float | None:
    """A declared value, if pixels of this dtype can hold it (-9999 in uint8 marks nothing)."""
    if value is None or dtype.startswith("complex") or np.dtype(dtype).kind not in "iu":
        return value
    info = np.iinfo(dtype)
    return value if info.min <= value <= info.max and value == int(value) else None


def _metadata(dataset: Any, file: str, state: str, bare: bool) -> Metadata:
    unit, metres = unit_of(dataset.crs)
    return Metadata(
        file=file,
        width=dataset.width,
        height=dataset.height,
        count=dataset.count,
        dtypes=tuple(dataset.dtypes),
        transform=tuple(dataset.transform)[:6],
        crs=name_of(dataset.crs),
        unit=unit,
        metres=metres,
        nodata=tuple(holdable(*pair) for pair in zip(dataset.nodatavals, dataset.dtypes)),  # noqa: B905
        masked=has_mask(dataset),
        alpha=_alpha(dataset),
        band_names=_names(dataset),
        block=dataset.block_shapes[0],
        state=state,
        placed_by=_placed_by(dataset),
        palette=has_palette(dataset),
        tags=dataset.tags(),
        driver=dataset.driver,
        bare=bare or (is_remote(file) and len(dataset.files) == 1),
    )


def _names(dataset: Any) -> tuple[tuple[str, ...], ...]:
    """For each band its description and its colour; each property asks GDAL for all bands."""
    pairs = zip(dataset.descriptions, dataset.colorinterp, strict=True)
    return tuple(
        tuple(dict.fromkeys(name for name in ((told or "").lower(), _colour(interp)) if name))
        for told, interp in pairs
    )


def _colour(interp: Any) -> str:
    return _COLOURS.get(interp, "nir" if "nir" in interp.name.lower() else "")


def _no_band(dataset: Any) -> str:
    held = dataset.subdatasets
    if not held:
        return "holds no band"
    return (
        f"holds no band of its own but {len(held)} subdatasets; name the one that is meant in "
        f"source.rasters: {', '.join(held[:8])}{', ...' if held[8:] else ''}"
    )


def _placed_by(dataset: Any) -> str:
    if dataset.gcps[0]:
        return "ground control points"
    # rasterio would look into them, and they may be damaged.
    return "RPCs (rational polynomials)" if dataset.tags(ns="RPC") else ""


def _alpha(dataset: Any) -> int:
    """The band that is declared alpha, unless its own description says that it is infrared."""
    pairs = zip(dataset.colorinterp, dataset.descriptions, strict=True)
    for band, (colour, told) in enumerate(pairs, 1):
        if colour == ColorInterp.alpha and not _INFRARED.search(told or ""):
            return band
    return 0


def _looked_up(file: str) -> tuple[int, str]:
    """The size of a file, 0 where it is not known, and its state."""
    try:
        if not is_remote(file):
            readable(file)
            return os.stat(file_of(file)).st_size, state_of(file)  # noqa: PTH116
        system, path = file_system(file)
        told = system.info(path)
        # A file of an archive is another when the archive is.
        archive = file.partition("::")[2] if in_archive(file) else ""
        return int(told["size"] or 0), state_of(archive) if archive else state_told(told)
    except FileNotFoundError as error:
        raise SourceError(file, "no such file") from error
    except SourceError:
        if address(file).url is None:
            return 0, ""  # GDAL reaches it by itself, without the library that fsspec would need
        raise
    except StoreError:
        raise
    except OSError as error:
        raise SourceError(file, f"cannot be looked up: {error.strerror or error}") from error


def _beside(dataset: Any, file: str) -> list[str]:
    """The states of files that pixels come from as well: those of a VRT, a mask."""
    own = address(file).path.rpartition("/")[0]
    called = (
        file.rpartition("/")[0] + one.removeprefix(own) if is_remote(file) else local_path(one)
        for one in dataset.files
        if not is_remote(file) or one.startswith(own)
    )
    return [state_of(one) for one in called if one != file and not one.endswith(_DERIVED)]
