"""Answers that workers of a backend give: those that one process gives."""

from __future__ import annotations

from pathlib import Path

import geopandas
import geopandas.testing
import numpy as np
import pytest
import shapely
from rasterio.transform import Affine, from_origin
from support.finished import pixel_run

import landcover
from landcover.backends.dask import DaskBackend
from landcover.backends.local import LocalBackend
from landcover.classes import scheme

NLCD6 = scheme("nlcd6")


def run_of(folder: Path, height: int, width: int, crs: str, placed: Affine) -> landcover.Run:
    """A run whose pixels are of three classes at random, and some of none."""
    drawn = np.array([*NLCD6.codes[:3], 255], np.uint8)
    codes = np.random.default_rng(7).choice(drawn, (height, width))
    run = pixel_run(folder / "run", NLCD6, [(codes, crs, tuple(placed)[:6])])
    return landcover.open_run(run.path)


def test_workers_measure_the_same_to_the_last_digit(tmp_path: Path, dask_scheduler: str) -> None:
    run = run_of(tmp_path, 150, 100, "EPSG:4326", from_origin(-99, 41, 0.01, 0.01))
    shapes = [shapely.box(-99, 39, -98.6, 41), shapely.box(-98.8, 39.5, -97, 42)]
    zones = geopandas.GeoDataFrame({"name": ["left", "right"]}, geometry=shapes, crs="EPSG:4326")
    zones.to_file(tmp_path / "zones.gpkg")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("landcover.analysis.areas.EDGE", 16)  # rows that workers are given
        pools = LocalBackend(), DaskBackend(address=dask_scheduler)
        found = [run.areas(tmp_path / "zones.gpkg", backend=pool) for pool in (None, *pools)]
    assert found[0].equals(found[1]) and found[0].equals(found[2])
    assert (found[0]["hectares"] > 0).sum() == 6


def test_workers_follow_outlines_to_the_same_file(tmp_path: Path, dask_scheduler: str) -> None:
    run = run_of(tmp_path, 1300, 90, "EPSG:26914", from_origin(5e5, 4.5e6, 2, 2))
    alone = run.vectorize(tmp_path / "a.parquet")
    for pool in (LocalBackend(), DaskBackend(address=dask_scheduler)):
        assert run.vectorize(tmp_path / "b.parquet", backend=pool).equals(alone)
        one, other = (geopandas.read_parquet(tmp_path / f"{name}.parquet") for name in "ab")
        geopandas.testing.assert_geodataframe_equal(one, other)
