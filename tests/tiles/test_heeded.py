"""What lies beside a remote raster is heeded by GDAL, or that it was not is noticed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import rasterio
from support.colours import blobs, mask, write_scene
from support.web import FolderServer, serving

from landcover.tiles.gdal import address, gdal_settings
from landcover.tiles.opening import heeded, open_raster


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FolderServer]:
    with serving(tmp_path) as served:
        yield served


def _notes(scene: Path, *elements: str) -> None:
    Path(f"{scene}.aux.xml").write_text(f"<PAMDataset>{''.join(elements)}</PAMDataset>")


def _is_heeded(url: str, bare: bool) -> bool:
    """Whether GDAL heeds what lies beside a file, or (bare) is told not to look."""
    with gdal_settings(address(url), bare), open_raster(url) as dataset:
        return heeded(dataset, url)


@pytest.mark.parametrize(
    "notes",
    [
        '<PAMRasterBand band="2"><NoDataValue>7</NoDataValue></PAMRasterBand>',
        "<GeoTransform>400000.0, 2.0, 0.0, 4400000.0, 0.0, -2.0</GeoTransform>",
    ],
)
def test_notes_that_gdal_has_not_read_are_noticed(
    server: FolderServer, tmp_path: Path, notes: str
) -> None:
    _notes(write_scene(tmp_path / "a.tif", blobs(1, 64, 64)), notes)
    assert _is_heeded(f"{server.url}/a.tif", bare=False)
    assert not _is_heeded(f"{server.url}/a.tif", bare=True)


def test_a_crs_that_gdal_has_not_read_is_noticed(server: FolderServer, tmp_path: Path) -> None:
    shape = {"count": 1, "height": 64, "width": 64, "dtype": "uint8"}
    placed = {"transform": rasterio.Affine(1, 0, 5e5, 0, -1, 4e6)}
    with rasterio.open(tmp_path / "a.tif", "w", driver="GTiff", **shape, **placed) as file:
        file.write(np.ones((1, 64, 64), np.uint8))
    _notes(tmp_path / "a.tif", "<SRS>EPSG:26918</SRS>")
    assert _is_heeded(f"{server.url}/a.tif", bare=False)
    assert not _is_heeded(f"{server.url}/a.tif", bare=True)


def test_a_mask_that_gdal_has_not_read_is_noticed(server: FolderServer, tmp_path: Path) -> None:
    write_scene(tmp_path / "a.tif", blobs(1, 64, 64))
    mask(tmp_path / "a.tif.msk", 32)
    assert _is_heeded(f"{server.url}/a.tif", bare=False)
    assert not _is_heeded(f"{server.url}/a.tif", bare=True)


@pytest.mark.parametrize("notes", ["", "<Metadata/>", "<GeoTransform>no numbers</GeoTransform>"])
def test_what_says_nothing_of_pixels_need_not_be_heeded(
    server: FolderServer, tmp_path: Path, notes: str
) -> None:
    scene = write_scene(tmp_path / "a.tif", blobs(1, 64, 64))
    if notes:
        _notes(scene, notes)
    assert _is_heeded(f"{server.url}/a.tif", bare=True)
    assert _is_heeded(str(scene), bare=True)
