"""A run as scripts see it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import geopandas
import numpy as np
import pandas as pd
import pytest
import rasterio
from rasterio.errors import RasterioIOError
from support.grids import square_grid
from support.maps import write_maps

import landcover
from landcover.classes import scheme
from landcover.contracts import Failure, Tile
from landcover.errors import OutputError
from landcover.runs.directory import RunDirectory
from landcover.runs.map_format.grid import SceneGrid
from landcover.runs.parts import Part, write_part

MakePart = Callable[..., Part]
MakeTile = Callable[..., Tile]


def test_tiles_of_scenes_are_a_geodataframe_in_the_order_of_the_plan(
    run: RunDirectory, make_part: MakePart
) -> None:
    write_part(run, make_part(1))
    write_part(run, make_part(0, [], skipped=3))
    write_part(run, make_part(10))
    tiles = landcover.open_run(run.path).tiles()
    assert isinstance(tiles, geopandas.GeoDataFrame)
    assert tiles.crs.to_epsg() == 26914
    assert tiles["row"].tolist() == [1] * 4 + [10] * 4
    assert tiles.geometry.iloc[0].bounds == tuple(tiles.iloc[0][["xmin", "ymin", "xmax", "ymax"]])


def test_tiles_of_two_zones_come_in_the_crs_of_the_first(
    run: RunDirectory, make_part: MakePart
) -> None:
    write_part(run, make_part(0))
    write_part(run, make_part(1, crs="EPSG:26915"))
    tiles = landcover.open_run(run.path).tiles()
    assert tiles.crs.to_epsg() == 26914
    assert tiles.geometry.iloc[7].centroid.x - tiles.geometry.iloc[0].centroid.x > 400_000
    assert tiles["xmin"].iloc[4] == 400_000  # as their own scene has it


def test_tiles_of_images_are_a_plain_table(run: RunDirectory, make_part: MakePart) -> None:
    images = [Tile(f"{n}.png", f"{n}.png", 0, 0, None, "Forest") for n in range(3)]
    write_part(run, make_part(0, images, crs=None))
    tiles = landcover.open_run(run.path).tiles()
    assert type(tiles) is pd.DataFrame
    assert tiles["true_label"].tolist() == ["Forest"] * 3


def test_failures_tell_where_and_why(
    run: RunDirectory, make_part: MakePart, make_tile: MakeTile
) -> None:
    write_part(run, make_part(0, failures=[Failure(make_tile(0, 9), "timeout", True)]))
    failures = landcover.open_run(run.path).failures()
    assert failures[["col", "reason", "retryable"]].to_numpy().tolist() == [[9, "timeout", True]]


def test_a_run_without_failures_has_an_empty_table_of_them(
    run: RunDirectory, make_part: MakePart
) -> None:
    write_part(run, make_part(0))
    assert landcover.open_run(run.path).failures().empty


def test_the_map_knows_its_classes_and_its_place(run: RunDirectory, make_part: MakePart) -> None:
    with pytest.raises(RasterioIOError):  # after which a file that is open twice is an error
        rasterio.open("nowhere.tif")
    write_part(run, make_part(0))
    grid = square_grid(4 * 224, 224, 224, 0, 224)
    placed = (1.0, 0.0, 400_000.0, 0.0, -1.0, 5_200_000.0)
    write_maps(run, [SceneGrid("a.tif", "EPSG:26914", placed, grid)], "tile")
    codes = landcover.open_run(run.path).map()
    assert (codes.dims, codes.dtype) == (("y", "x"), np.uint8)
    assert codes.values.tolist() == [[30, 40, 50, 80]]
    assert codes.rio.crs.to_epsg() == 26914
    assert codes.attrs["class_codes"] == list(scheme("nlcd6").codes)
    assert codes.attrs["class_names"] == list(scheme("nlcd6").names)
    assert codes.x.values[0] == 400_112


def test_a_map_that_is_not_there_is_said_to_be_missing(run: RunDirectory) -> None:
    with pytest.raises(OutputError, match="no such map"):
        landcover.open_run(run.path).map()


def test_a_map_that_was_cut_off_is_refused_before_its_pixels_are_wanted(
    run: RunDirectory, make_part: MakePart
) -> None:
    write_part(run, make_part(0))
    grid = square_grid(4 * 224, 224, 224, 0, 224)
    placed = (1.0, 0.0, 400_000.0, 0.0, -1.0, 5_200_000.0)
    write_maps(run, [SceneGrid("a.tif", "EPSG:26914", placed, grid)], "tile")
    run.storage.put("map.tif", run.storage.read("map.tif")[:-40])
    with pytest.raises(OutputError, match=r"map\.tif: is cut off"):
        landcover.open_run(run.path).map()


def test_the_summary_is_what_the_directory_says(run: RunDirectory) -> None:
    run.finish({"tiles": {"planned": 0}})
    opened = landcover.open_run(run.path)
    assert opened.summary["status"] == "done"
    assert opened.path == run.path
    with pytest.raises(OutputError, match="no run directory"):
        landcover.open_run(Path("nowhere"))
