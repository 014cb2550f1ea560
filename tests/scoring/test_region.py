"""Runs over a region: what is mapped, what a worker needs for it, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely
from rasterio.transform import from_origin
from support.colours import blobs
from support.rasters import write
from support.vectors import write_vectors

import landcover
from landcover.errors import ConfigError, OutputError

WEST, NORTH = 500000.0, 4000000.0
# A ragged quarter of the scene, with a hole of a few pixels.
COUNTY = shapely.Polygon(
    [(WEST + 21.3, NORTH - 10.2), (WEST + 130.4, NORTH - 30.1), (WEST + 96.7, NORTH - 120.6)],
    [shapely.Point(WEST + 80.5, NORTH - 50.5).buffer(6.2).exterior],
)


@pytest.fixture
def scenes(tmp_path: Path) -> tuple[np.ndarray[Any, Any], list[str]]:
    """One scene in two files, and a third that lies elsewhere."""
    pixels = blobs(1, 150, 200)
    files = [write(tmp_path / "left.tif", pixels[:, :, :100])]
    for name, left, part in (("right", 100, pixels[:, :, 100:]), ("far", 9000, pixels)):
        where = from_origin(WEST + left, NORTH, 1, 1)
        files.append(write(tmp_path / f"{name}.tif", part, transform=where))
    return pixels, files


def inside(shape: tuple[int, int]) -> np.ndarray[Any, Any]:
    """Which pixels of the scene have their centre in the county."""
    y, x = np.mgrid[: shape[0], : shape[1]] + 0.5
    return np.asarray(shapely.contains_xy(COUNTY, WEST + x, NORTH - y))


def codes(path: Path) -> np.ndarray[Any, Any]:
    with rasterio.open(path) as file:
        return np.asarray(file.read(1))


@pytest.mark.parametrize("backend", ["local", "dask"])
def test_pixel_maps_are_cut_at_the_region_and_are_as_without_one_inside(
    pixel_model: Path,
    tmp_path: Path,
    scenes: tuple[np.ndarray[Any, Any], list[str]],
    backend: str,
) -> None:
    pixels, files = scenes
    county = write_vectors(tmp_path / "county.geojson", COUNTY, name=["Middlesex"])
    run = landcover.score(
        rasters=files,
        model=pixel_model,
        backend={"name": backend, **({"workers": 2} if backend == "dask" else {})},
        output=tmp_path / "run",
        overrides={"source.region": county, "source.task": 3},
    )
    whole = landcover.score(
        rasters=write(tmp_path / "whole.tif", pixels), model=pixel_model, output=tmp_path / "all"
    )
    expected = np.where(inside((150, 200)), whole.map().values, 255)
    found = np.hstack([codes(tmp_path / "run/maps" / f"{name}.tif") for name in ("left", "right")])
    assert np.array_equal(found, expected)
    tiles = run.summary["tiles"]
    assert tiles["planned"] == tiles["scored"] + tiles["skipped"] < 30
    assert not (tmp_path / "run/maps/far.tif").exists()
    assert len(run.tiles()) == tiles["scored"]


def test_pixels_without_data_have_no_label_inside_of_a_region(
    pixel_model: Path, tmp_path: Path
) -> None:
    """Tiles that lie inside as a whole, and tiles that its edge cuts."""
    pixels = blobs(1, 150, 200)
    pixels[:, 33:61, 47:90] = 0
    scene = write(tmp_path / "holes.tif", pixels, nodata=0)
    for name, ground in (
        ("county", COUNTY),
        ("all", shapely.box(WEST - 500, NORTH - 500, WEST + 500, NORTH + 500)),
    ):
        run = landcover.score(
            rasters=scene,
            model=pixel_model,
            output=tmp_path / name,
            overrides={"source.region": write_vectors(tmp_path / f"{name}.gpkg", ground)},
        )
        y, x = np.mgrid[:150, :200] + 0.5
        held = shapely.contains_xy(ground, WEST + x, NORTH - y) & pixels.any(axis=0)
        assert np.array_equal(run.map().values != 255, held)


def test_tile_maps_hold_the_tiles_whose_centre_lies_inside(
    tile_model: Path, tmp_path: Path, scenes: tuple[np.ndarray[Any, Any], list[str]]
) -> None:
    _, files = scenes
    county = write_vectors(tmp_path / "county.gpkg", COUNTY, crs="EPSG:26914")
    run = landcover.score(
        rasters=files[:1],
        model=tile_model,
        output=tmp_path / "run",
        overrides={"source.region.path": county, "source.region.layer": "county"},
    )
    y, x = 32 * (np.mgrid[:5, :4] + 0.5)
    wanted = shapely.contains_xy(COUNTY, WEST + x, NORTH - y)
    assert np.array_equal(run.map().values != 255, wanted)
    assert run.summary["tiles"] == {
        "planned": int(wanted.sum()),
        "scored": int(wanted.sum()),
        "quarantined": 0,
        "skipped": 0,
    }
    assert run.summary["config"]["source"]["region"] == {"path": county, "layer": "county"}


def test_a_run_goes_on_with_the_same_ground_and_not_with_another(
    tile_model: Path, tmp_path: Path, scenes: tuple[np.ndarray[Any, Any], list[str]]
) -> None:
    _, files = scenes
    first = write_vectors(tmp_path / "first.gpkg", COUNTY)
    again = write_vectors(tmp_path / "again.fgb", COUNTY, name=["moved elsewhere"])
    other = write_vectors(tmp_path / "other.gpkg", COUNTY.buffer(1))

    def score(region: str, **more: Any) -> Any:
        return landcover.score(
            rasters=files,
            model=tile_model,
            output=tmp_path / "run",
            overrides={"source.region": region, **more},
        )

    assert score(first).summary == score(again).summary
    with pytest.raises(OutputError, match="belongs to another run, with another region"):
        score(other)
    with pytest.raises(OutputError, match="belongs to another run, with another region"):
        score(first, **{"source.inside": "touch"})


def test_what_makes_no_sense_is_said_at_once(
    tile_model: Path, tmp_path: Path, scenes: tuple[np.ndarray[Any, Any], list[str]]
) -> None:
    _, files = scenes
    usual: dict[str, Any] = {"model": tile_model, "output": tmp_path / "run"}
    county = write_vectors(tmp_path / "county.gpkg", COUNTY)
    with pytest.raises(ConfigError, match=r"'region' goes with 'rasters': image files have no pl"):
        landcover.score(images=str(tmp_path), **usual, overrides={"source.region": county})
    with pytest.raises(ConfigError, match=r"'inside' says which tiles of a 'region' are scored"):
        landcover.score(rasters=files, **usual, overrides={"source.inside": "whole"})
    with pytest.raises(ConfigError, match=r"source.region.layr: no such key; did you mean 'layer'"):
        landcover.score(
            rasters=files, **usual, overrides={"source.region": county, "source.region.layr": "a"}
        )
    assert not (tmp_path / "run").exists()


def test_a_path_of_a_region_counts_from_the_file_that_names_it(
    tile_model: Path, tmp_path: Path, scenes: tuple[np.ndarray[Any, Any], list[str]]
) -> None:
    write_vectors(tmp_path / "county.gpkg", COUNTY)
    for region in ("county.gpkg", {"path": "county.gpkg", "where": "fid = 1"}):
        config = tmp_path / "config.yaml"
        source = {"rasters": ["left.tif"], "region": region}
        config.write_text(json.dumps({"source": source, "model": str(tile_model), "output": "run"}))
        assert landcover.score(config).summary["status"] == "done"
