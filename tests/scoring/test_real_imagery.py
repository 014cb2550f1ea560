"""Runs over real imagery with its traps, read from the shared folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT

import landcover
from landcover.errors import SourceError
from landcover.run import Run

VA = "imagery/naip-rasterframes-VA"


def _codes(path: Path) -> np.ndarray:
    with rasterio.open(path) as file:
        return file.read(1)


def _same_tables(one: Run, other: Run) -> None:
    tables = [run.tiles()[["row", "col", "label", "score", "xmin", "ymax"]] for run in (one, other)]
    pd.testing.assert_frame_equal(*map(pd.DataFrame, tables), atol=1e-5, rtol=0)


@pytest.mark.parametrize("folder", [".", "int32-older-version"])
def test_a_scene_with_a_file_per_band_gives_what_one_file_gives(
    folder: str, shared: Path, pixel_model: Path, tmp_path: Path
) -> None:
    settings = {"source.bands": [4, 1, 2]}
    whole = landcover.score(
        rasters=str(shared / VA / "derived_NAIP-VA-rgbn_4band.tif"),
        model=pixel_model,
        output=tmp_path / "whole",
        overrides=settings,
    )
    files = [str(shared / VA / folder / f"NAIP-VA-b{band}.tiff") for band in (1, 2, 3, 4)]
    split = landcover.score(
        rasters=[files], model=pixel_model, output=tmp_path / "split", overrides=settings
    )
    _same_tables(split, whole)
    assert np.array_equal(_codes(tmp_path / "split/map.tif"), _codes(tmp_path / "whole/map.tif"))


def test_scenes_on_both_sides_of_a_utm_zone_line_make_one_map(
    shared: Path, pixel_model: Path, tmp_path: Path
) -> None:
    run = landcover.score(
        rasters=str(shared / VA / "m_3607*_subset.tif"), model=pixel_model, output=tmp_path / "run"
    )
    assert run.summary["tiles"]["scored"] == 2 * 100
    tiles = run.tiles()
    assert tiles.crs == "EPSG:26918"
    west, south, east, north = tiles.total_bounds
    assert 550 < east - west < 650 and 300 < north - south < 350
    with rasterio.open(tmp_path / "run" / "map.vrt") as whole:
        assert whole.crs == "EPSG:26918"
        for name in ("m_3607717_sw_18_1_20160620_subset", "m_3607824_se_17_1_20160620_subset"):
            with rasterio.open(tmp_path / "run" / "maps" / f"{name}.tif") as one:
                assert (one.read(1) != 255).all()
                grid = {"crs": whole.crs, "transform": whole.transform}
                grid |= {"width": whole.width, "height": whole.height}
                with WarpedVRT(one, resampling=Resampling.nearest, **grid) as placed:
                    codes = placed.read(1)
            there = codes != 255
            agreement = (whole.read(1) == codes)[there].mean()
            # All of the first; of the other what does not lie below the first.
            assert agreement > (0.999 if "_18_" in name else 0.9)


def test_six_years_of_one_place_each_have_their_map(
    shared: Path, pixel_model: Path, tmp_path: Path
) -> None:
    scenes = sorted((shared / "imagery/naip-north-dakota-5m").glob("*.tif"))
    run = landcover.score(
        rasters=[str(path) for path in scenes],
        model=pixel_model,
        output=tmp_path / "run",
        overrides={"source.resolution": 5.0},
    )
    assert len(scenes) == 6 and len(run.summary["files"]) == 6 + 2
    for scene in scenes:
        with (
            rasterio.open(scene) as imagery,
            rasterio.open(tmp_path / "run" / "maps" / scene.name) as found,
        ):
            assert (found.shape, found.transform) == (imagery.shape, imagery.transform)
            empty = (imagery.read() == imagery.nodata).all(axis=0)
            assert np.array_equal(found.read(1) == 255, empty), scene.name


def test_pixels_that_a_16_bit_scene_declares_empty_get_no_class(
    shared: Path, pixel_model: Path, tmp_path: Path
) -> None:
    scene = shared / "imagery/naip-sonoma-uint16/naip.tif"
    landcover.score(rasters=str(scene), model=pixel_model, output=tmp_path / "run")
    with rasterio.open(scene) as imagery:
        empty = (imagery.read() == 256).all(axis=0)
    assert 0 < empty.sum() < empty.size
    assert np.array_equal(_codes(tmp_path / "run" / "map.tif") == 255, empty)


def test_pixels_that_are_not_square_are_refused_until_a_resolution_is_told(
    shared: Path, pixel_model: Path, tmp_path: Path
) -> None:
    scene = shared / "imagery/naip-stactools-6tiles/m_3008501_ne_16_1_20110815.tif"
    arguments = {"rasters": str(scene), "model": pixel_model, "output": tmp_path / "run"}
    with pytest.raises(SourceError, match=r"not square .* set source.resolution to resample it"):
        landcover.score(**arguments)
    assert not (tmp_path / "run").exists()
    landcover.score(**arguments, overrides={"source.resolution": 30.0})
    with rasterio.open(scene) as imagery, rasterio.open(tmp_path / "run" / "map.tif") as found:
        assert found.res == (30.0, 30.0)
        assert np.allclose(found.bounds, imagery.bounds, atol=30)


def test_a_cntk_network_labels_a_scene_as_cntk_did(shared: Path, tmp_path: Path) -> None:
    public = shared / "models" / "public"
    names = ["unknown", "water", "trees and shrubs", "herbaceous", "barren or impervious"]
    landcover.score(
        rasters=str(shared / VA / "derived_NAIP-VA-rgbn_4band.tif"),
        model={"path": str(public / "naip_250epochs.model"), "scale": 1 / 256, "classes": names},
        output=tmp_path / "run",
    )
    found = _codes(tmp_path / "run" / "map.tif")
    reference = np.load(public / "naip_250epochs_on_VA.npz")
    for (row, col), labels in zip(reference["origins"], reference["labels"], strict=True):
        window = found[row : row + 128, col : col + 128]
        assert (window == labels).mean() > 0.9999
