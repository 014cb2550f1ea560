"""Opening a scene: its file, or a virtual raster of its files, on the grid that is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

import rasterio
from rasterio.enums import Resampling
from rasterio.transform import Affine
from rasterio.vrt import WarpedVRT

from landcover.tiles.scenes import Scene
from landcover.tiles.storage import address

_GDAL_TYPES = {
    "uint8": "Byte",
    "int8": "Int8",
    "uint16": "UInt16",
    "int16": "Int16",
    "uint32": "UInt32",
    "int32": "Int32",
    "uint64": "UInt64",
    "int64": "Int64",
    "float32": "Float32",
    "float64": "Float64",
}


@dataclass(frozen=True, eq=False)
class OpenScene:
    """An open scene; used by one thread.

    Args:
        dataset: of rasterio, on the grid of the scene.
        indexes: its bands that the network reads, in that order.
        others: its further bands that say where there is no data.
        alpha: its band that is a mask, or 0.
        under: datasets that it is made of.
    """

    dataset: Any
    indexes: tuple[int, ...]
    others: tuple[int, ...]
    alpha: int
    under: tuple[Any, ...] = ()

    def close(self) -> None:
        """Close the dataset and what it is made of."""
        for dataset in (self.dataset, *self.under):
            dataset.close()


def open_scene(scene: Scene) -> OpenScene:
    """Open a scene for reading in this thread, inside ``gdal_settings``.

    Raises:
        OSError: (rasterio's, too) if that fails.
    """
    if scene.native and len(scene.files) == 1:
        where = address(scene.files[0])
        dataset = rasterio.open(where.path, **where.opener())
        return OpenScene(dataset, scene.bands.read, scene.bands.others, scene.bands.alpha)
    places = [address(file) for file in scene.files]
    under = tuple(rasterio.open(where.path, **where.opener()) for where in places)
    mask = (scene.bands.alpha,) if scene.bands.alpha else ()
    numbers = (*scene.bands.read, *scene.bands.others, *mask)
    stack = rasterio.open(_stacked(scene, under, numbers))
    first, then = len(scene.bands.read), len(scene.bands.read) + len(scene.bands.others)
    indexes, others = tuple(range(1, first + 1)), tuple(range(first + 1, then + 1))
    if scene.native:
        return OpenScene(stack, indexes, others, 0, under)
    warped = _resampled(scene, stack)
    alpha = 0 if scene.bands.validity == "all" else int(warped.count)
    return OpenScene(warped, indexes, (), alpha, (stack, *under))


def _resampled(scene: Scene, stack: Any) -> WarpedVRT:
    """The scene on its target grid: bilinear, widened to the source's share when it gets coarser.

    Pixels without data take no part. The scale is stated, so that it is not estimated anew (and
    differently) for every chunk that GDAL resamples.
    """
    extra = {"UNIFIED_SRC_NODATA": "YES"} if scene.bands.validity == "value" else {}
    return WarpedVRT(
        stack,
        crs=stack.crs,
        transform=Affine(*scene.transform),
        width=scene.grid.width,
        height=scene.grid.height,
        resampling=Resampling.bilinear,
        tolerance=1e-9,
        add_alpha=scene.bands.validity in ("value", "mask"),
        XSCALE=stack.transform.a / scene.transform[0],
        YSCALE=stack.transform.e / scene.transform[4],
        **extra,
    )


def _stacked(scene: Scene, under: tuple[Any, ...], numbers: tuple[int, ...]) -> str:
    """A virtual raster of the scene's bands in the order they are read, as XML.

    It brings files of one band together, and it says of each band what it is here: a mask or not.
    """
    first = under[0]
    bands = "".join(
        _virtual_band(scene, place, *_located(under, number), is_mask=number == scene.bands.alpha)
        for place, number in enumerate(numbers, 1)
    )
    if scene.bands.validity == "mask":
        name = escape(first.name)
        bands += (
            '<MaskBand><VRTRasterBand dataType="Byte"><SimpleSource>'
            f'<SourceFilename relativeToVRT="0">{name}</SourceFilename>'
            "<SourceBand>mask,1</SourceBand></SimpleSource></VRTRasterBand></MaskBand>"
        )
    a, b, c, d, e, f = tuple(first.transform)[:6]
    return (
        f'<VRTDataset rasterXSize="{first.width}" rasterYSize="{first.height}">'
        f"<SRS>{escape(first.crs.to_wkt())}</SRS>"
        f"<GeoTransform>{c!r},{a!r},{b!r},{f!r},{d!r},{e!r}</GeoTransform>{bands}</VRTDataset>"
    )


def _located(under: tuple[Any, ...], number: int) -> tuple[Any, int]:
    """The dataset that holds a band of the scene, and the band's number in it."""
    return (under[number - 1], 1) if len(under) > 1 else (under[0], number)


def _virtual_band(scene: Scene, place: int, dataset: Any, number: int, *, is_mask: bool) -> str:
    nodata = dataset.nodatavals[number - 1] if scene.bands.validity == "value" else None
    declared = "" if nodata is None else f"<NoDataValue>{nodata!r}</NoDataValue>"
    rows, cols = dataset.block_shapes[number - 1]
    return (
        f'<VRTRasterBand dataType="{_GDAL_TYPES[dataset.dtypes[number - 1]]}" band="{place}" '
        f'blockXSize="{cols}" blockYSize="{rows}">{declared}'
        f"<ColorInterp>{'Alpha' if is_mask else 'Undefined'}</ColorInterp><SimpleSource>"
        f'<SourceFilename relativeToVRT="0">{escape(dataset.name)}</SourceFilename>'
        f"<SourceBand>{number}</SourceBand></SimpleSource></VRTRasterBand>"
    )
