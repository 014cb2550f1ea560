"""Rasters whose numbers are not what they seem are refused, and what only looks odd is read as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.enums import Resampling
from support.rasters import imagery, write

from landcover.errors import SourceError
from landcover.tiles.rasters import RasterSource

EDGE = 32
VRT = (
    '<VRTDataset rasterXSize="32" rasterYSize="32"><SRS>EPSG:26914</SRS>'
    "<GeoTransform>500000, 1, 0, 4000000, 0, -1</GeoTransform>{bands}</VRTDataset>"
)
BAND = (
    '<VRTRasterBand dataType="{dtype}" band="{band}">{more}<SimpleSource><SourceFilename '
    'relativeToVRT="1">{file}</SourceFilename><SourceBand>{source}</SourceBand></SimpleSource>'
    "</VRTRasterBand>"
)


def band(number: int, file: str, more: str = "", dtype: str = "Byte", source: int = 0) -> str:
    return BAND.format(band=number, file=file, more=more, dtype=dtype, source=source or number)


def virtual(path: Path, *bands: str) -> str:
    path.write_text(VRT.format(bands="".join(bands)))
    return str(path)


def read(file: str, **options: Any) -> tuple[np.ndarray, np.ndarray]:
    """Pixels of a scene, a tile as large as it is, and which of them hold data."""
    source = RasterSource([file], tile=EDGE, mask=True, **options)
    [strip] = [read() for task in source.tasks() for read in task.reads()]
    valid = np.ones((EDGE, EDGE), bool) if strip.valid is None else strip.valid[0]
    return strip.pixels[0], valid


def refusal(file: str, **options: Any) -> str:
    with pytest.raises(SourceError) as told:
        RasterSource([file], tile=EDGE, **options).count()
    return str(told.value)


@pytest.mark.parametrize("form", ["CMYK", "CIELAB", "MINISWHITE"])
def test_numbers_that_are_no_brightness_are_refused(tmp_path: Path, form: str) -> None:
    bands = {"CMYK": 4, "CIELAB": 3, "MINISWHITE": 1}[form]
    file = write(tmp_path / "a.tif", imagery(bands, EDGE, EDGE), photometric=form, colours=())
    assert form in refusal(file)


def test_a_mask_of_one_band_alone_is_refused_and_what_is_advised_is_read(tmp_path: Path) -> None:
    pixels = imagery(2, EDGE, EDGE)
    write(tmp_path / "a.tif", pixels)
    seen = np.full((1, EDGE, EDGE), 255, np.uint8)
    seen[0, 3:9, 5] = 0
    write(tmp_path / "m.tif", seen)
    mask = f"<MaskBand>{band(0, 'm.tif', source=1)}</MaskBand>".replace(' band="0"', "")
    file = virtual(tmp_path / "a.vrt", band(1, "a.tif"), band(2, "a.tif", mask))
    assert "has a mask for band 2 alone" in refusal(file)
    whole = virtual(tmp_path / "b.vrt", band(1, "a.tif"), band(2, "a.tif"), mask)
    found, valid = read(whole)
    assert np.array_equal(valid, seen[0] > 0) and np.array_equal(found, pixels)


def test_indices_into_a_palette_are_refused_in_any_band(tmp_path: Path) -> None:
    write(tmp_path / "a.tif", imagery(1, EDGE, EDGE))
    file = write(tmp_path / "p.tif", imagery(1, EDGE, EDGE))
    with rasterio.open(file, "r+") as dataset:
        dataset.write_colormap(1, {index: (index, 0, 0, 255) for index in range(256)})
    indices = band(2, "p.tif", "<ColorInterp>Palette</ColorInterp>", source=1)
    both = virtual(tmp_path / "a.vrt", band(1, "a.tif"), indices)
    assert "palette in band 2" in refusal(both)


@pytest.mark.parametrize(
    ("dtype", "told", "exact"),
    [
        ("UInt64", 2**64 - 1, False),
        ("Int64", 2**63 - 1, False),
        ("Int64", -(2**53) - 1, False),
        ("Int64", -(2**63), True),
        ("Int64", -9999, True),
        ("UInt32", 2**32 - 1, True),
    ],
)
def test_a_declared_value_of_64_bits_is_told_exactly_or_refused(
    tmp_path: Path, dtype: str, told: int, exact: bool
) -> None:
    pixels = imagery(1, EDGE, EDGE, dtype.lower())
    pixels[0, 2:5, 7] = told
    write(tmp_path / "a.tif", pixels)
    value = f"<NoDataValue>{told}</NoDataValue>"
    file = virtual(tmp_path / "a.vrt", band(1, "a.tif", value, dtype))
    if not exact:
        assert "cannot be told exactly" in refusal(file)
        return
    found, valid = read(file)
    assert np.array_equal(valid, pixels[0] != told)
    assert np.array_equal(found[0][valid], pixels[0][valid])


def test_overviews_of_other_numbers_points_and_zeros_of_either_sign_change_no_pixel(
    tmp_path: Path,
) -> None:
    pixels = imagery(2, EDGE, EDGE, "float32") - 100
    pixels[0, 0, :3] = -0.0, 1e-42, -1e-42
    file = write(
        tmp_path / "a.tif", pixels, BIGTIFF="YES", tiled=True, blockxsize=16, blockysize=16
    )
    with rasterio.open(file, "r+") as dataset:
        dataset.build_overviews([2], Resampling.mode)
        dataset.update_tags(AREA_OR_POINT="Point")
    found, valid = read(file)
    assert found.tobytes() == pixels.tobytes() and valid.all()


def test_blocks_that_a_sparse_file_leaves_out_are_what_gdal_takes_them_for(tmp_path: Path) -> None:
    options = {"tiled": True, "blockxsize": 16, "blockysize": 16, "SPARSE_OK": "TRUE"}
    for name, nodata in (("with", 7), ("without", None)):
        pixels = imagery(1, EDGE, EDGE)
        pixels[:, 16:, :16] = nodata or 0
        file = write(tmp_path / f"{name}.tif", pixels, nodata=nodata, **options)
        found, valid = read(file)
        assert np.array_equal(found, pixels)
        assert np.array_equal(valid, pixels[0] != 7 if nodata else np.ones_like(valid))


def test_bands_that_change_places_make_another_plan(tmp_path: Path) -> None:
    plans = []
    for place, names in enumerate((("red", "nir"), ("nir", "red"))):
        file = write(tmp_path / str(place) / "a.tif", imagery(2, EDGE, EDGE), names=names)
        made = RasterSource([file], tile=EDGE, bands=("red", "nir"))
        plans.append(made.fingerprint()["imagery"])
    assert plans[0] != plans[1]
