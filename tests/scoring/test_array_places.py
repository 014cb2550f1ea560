"""Where an array lies, whichever way it says so, and what is taken for a scene at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rioxarray
import xarray as xr
from support.colours import blobs, write_scene

import landcover
from landcover.errors import ConfigError, OutputError, SourceError


@pytest.fixture(params=["tile", "pixel"])
def model(request: pytest.FixtureRequest) -> Path:
    path: Path = request.getfixturevalue(f"{request.param}_model")
    return path


@pytest.fixture
def array(tmp_path: Path) -> xr.DataArray:
    """A scene of 90 x 140 pixels of 1 m with a hole, as rioxarray opens it."""
    pixels = blobs(3, 90, 140)
    pixels[:, 10:60, 20:77] = 0
    opened: Any = rioxarray.open_rasterio(write_scene(tmp_path / "scene.tif", pixels, nodata=0))
    return opened.load()


def test_a_transform_without_coordinates_says_where_labels_lie(
    array: xr.DataArray, model: Path
) -> None:
    expected = landcover.score_array(array, model)
    found = landcover.score_array(array.drop_vars(["y", "x"]), model)
    xr.testing.assert_identical(found.label, expected.label)


@pytest.mark.parametrize("dims", [("y",), ("x",), ("y", "x")])
def test_labels_lie_where_their_pixels_do_whichever_way_coordinates_run(
    dims: tuple[str, ...], array: xr.DataArray, model: Path
) -> None:
    turn = {dim: slice(None, None, -1) for dim in dims}
    expected = landcover.score_array(array, model).isel(turn)
    for given in (array.isel(turn), array.isel(turn).chunk({"y": 40, "x": 33})):
        found = landcover.score_array(given, model)
        assert np.array_equal(found.label, expected.label)
        for name in ("y", "x"):
            assert np.array_equal(found[name], expected[name])


def test_an_array_that_runs_north_is_written_for_a_run_as_one_that_runs_south(
    array: xr.DataArray, pixel_model: Path, tmp_path: Path
) -> None:
    expected = landcover.score(rasters=array, model=pixel_model, output=tmp_path / "south").map()
    for name, given in {
        "north": array.isel(y=slice(None, None, -1)),
        "transform": array.drop_vars(["y", "x"]),
    }.items():
        found = landcover.score(rasters=given, model=pixel_model, output=tmp_path / name).map()
        xr.testing.assert_identical(found, expected)


def test_one_row_lies_where_its_coordinate_is_and_its_tiles_reach_south(
    array: xr.DataArray, tile_model: Path
) -> None:
    row = array.isel(y=[40], x=slice(80, None))
    bare = row.drop_vars("spatial_ref")
    for given in (row, row.drop_vars("y").rio.write_transform(row.rio.transform()), bare):
        found = landcover.score_array(given, tile_model)
        top = float(row.y[0]) + 0.5
        assert found.y.values.tolist() == [top - 16]
        assert found.x.values[0] == float(row.x[0]) - 0.5 + 16


def test_of_one_row_or_column_pixels_are_square(array: xr.DataArray, tile_model: Path) -> None:
    fine = array.assign_coords(y=array.y * 0.6, x=array.x * 0.6).drop_vars("spatial_ref")
    for one, dim, reach in ((fine.isel(y=[40]), "y", -1), (fine.isel(x=[80]), "x", 1)):
        found = landcover.score_array(one, tile_model)
        begins = float(one[dim][0]) - reach * 0.3
        assert found[dim].values == pytest.approx([begins + reach * 16 * 0.6], abs=1e-6)


def test_a_pixel_without_a_size_is_refused(array: xr.DataArray, pixel_model: Path) -> None:
    one = array.isel(y=[40], x=[80]).drop_vars("spatial_ref")
    with pytest.raises(SourceError, match="one pixel and no transform"):
        landcover.score_array(one, pixel_model)


def test_coordinates_that_are_not_even_are_refused(array: xr.DataArray, pixel_model: Path) -> None:
    uneven = array.assign_coords(y=array.y.values - np.arange(90) ** 1.1)
    with pytest.raises(SourceError, match="coordinates y that are not evenly spaced"):
        landcover.score_array(uneven, pixel_model)


def test_a_rotated_array_is_refused(array: xr.DataArray, pixel_model: Path) -> None:
    bare = array.drop_vars(["y", "x"])
    a, _, c, d, e, f = tuple(array.rio.transform())[:6]
    rotated = bare.rio.write_transform(type(array.rio.transform())(a, 0.3, c, d, e, f))
    with pytest.raises(SourceError, match="is rotated"):
        landcover.score_array(rotated, pixel_model)


def test_what_can_only_mean_one_thing_is_scored(array: xr.DataArray, pixel_model: Path) -> None:
    expected = landcover.score_array(array, pixel_model)
    bands = {name: array.isel(band=i, drop=True) for i, name in enumerate("rgb")}
    for given in (array.to_dataset(name="pixels"), xr.Dataset(bands)):
        xr.testing.assert_equal(landcover.score_array(given, pixel_model), expected)
    plain = landcover.score_array(array.values, pixel_model)
    everywhere = landcover.score_array(array.rio.write_nodata(None), pixel_model)
    assert np.array_equal(plain.label, everywhere.label) and not plain.coords


def test_bands_that_both_sides_name_are_found_by_name(
    array: xr.DataArray, pixel_model: Path
) -> None:
    expected = landcover.score_array(array, pixel_model)
    section = {"path": str(pixel_model), "bands": ["red", "green", "blue"]}
    more = array.isel(band=[2, 0, 0, 1]).assign_coords(band=["blue", "nir", "Red", "green"])
    xr.testing.assert_equal(landcover.score_array(more, section), expected)
    with pytest.raises(SourceError, match="has no band 'green'; there are blue, nir, Red"):
        landcover.score_array(more.isel(band=[0, 1, 2]), section)


def test_bands_that_are_numbered_as_in_a_file_are_found_by_number(
    array: xr.DataArray, pixel_model: Path
) -> None:
    expected = landcover.score_array(array, pixel_model)
    section = {"path": str(pixel_model), "bands": [3, 1, 2]}
    opened = array.isel(band=[1, 2, 0, 0]).assign_coords(band=[1, 2, 3, 4])
    xr.testing.assert_equal(landcover.score_array(opened, section), expected)
    with pytest.raises(SourceError, match="has no band '3'; there are 1, 2"):
        landcover.score_array(opened.isel(band=[0, 1]), section)
    chosen = opened.isel(band=[2, 0, 1])  # by hand, in the model's order
    xr.testing.assert_equal(landcover.score_array(chosen, section), expected)
    xr.testing.assert_equal(landcover.score_array(chosen.drop_vars("band"), section), expected)
    with pytest.raises(SourceError, match=r"has bands 2, 1, 3 in this order, .* reads 3, 1, 2"):
        landcover.score_array(opened.isel(band=[1, 0, 2]), section)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (lambda array: "scene.tif", "scene.tif: is a path, not an array"),
        (lambda array: Path("b.tif"), "b.tif: is a path, not an array"),
        (lambda array: [array], "the scene: is a list, not an array"),
        (lambda array: array.values[0, 0], "the array: has 1 dims"),
        (lambda array: array.astype(complex), "holds complex128 pixels"),
        (lambda array: array.isel(y=slice(0, 0)), "has no pixels"),
        (lambda array: xr.Dataset({"a": array, "b": array[0]}), "give the variable that is meant"),
        (lambda array: array.drop_vars("x").drop_vars("spatial_ref"), "has no coordinates x"),
    ],
)
def test_what_is_no_scene_is_refused_in_a_sentence(
    given: Any, reason: str, array: xr.DataArray, pixel_model: Path
) -> None:
    with pytest.raises(SourceError, match=reason):
        landcover.score_array(given(array), pixel_model)


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ({"path": "m.onnx", "classs": "nlcd6"}, "classs: no such key; did you mean 'classes'"),
        ({"path": "m.onnx", "scale": "much"}, "scale"),
        ({}, "path: is missing"),
        ("caf\udce9.onnx", "path: is not UTF-8, .*: rename it"),
    ],
)
def test_keys_of_a_model_that_are_none_are_named(
    model: Any, reason: str, array: xr.DataArray
) -> None:
    with pytest.raises(ConfigError, match=f"the arguments: {reason}"):
        landcover.score_array(array, model)


def test_a_finished_run_does_not_pass_for_that_of_an_array_that_means_something_else(
    array: xr.DataArray, pixel_model: Path, tmp_path: Path
) -> None:
    output = tmp_path / "run"
    run = landcover.score(rasters=array, model=pixel_model, output=output)
    before = run.map().load()
    everywhere = array.rio.write_nodata(7)
    named = everywhere.assign_attrs(long_name=("blue", "green", "red"))
    places = (array.assign_coords(x=array.x + 1000), array.rio.write_crs("EPSG:32633"))
    others = (everywhere, named, named.assign_coords(band=["nir", "red", "green"]))
    turned = array.copy(data=array.values[:, ::-1])
    renamed = array.assign_attrs(long_name=("blue", "green", "red"))
    for another in (*places, renamed, turned, turned.chunk({"y": 3})):
        with pytest.raises(OutputError, match="belongs to another run, with another imagery"):
            landcover.score(rasters=another, model=pixel_model, output=output)
    for number, given in enumerate(others):
        with pytest.raises(OutputError, match="belongs to another run, with another imagery"):
            landcover.score(rasters=given, model=pixel_model, output=output)
        run = landcover.score(rasters=given, model=pixel_model, output=tmp_path / str(number))
        found, expected = run.map(), landcover.score_array(given, pixel_model).label
        assert np.array_equal(found, expected) and not np.array_equal(found, before)
    assert np.array_equal(landcover.open_run(output).map(), before)


def test_bands_of_a_dataset_that_differ_in_nodata_are_refused(
    array: xr.DataArray, pixel_model: Path
) -> None:
    bands = {
        str(name): array.isel(band=at, drop=True).rio.write_nodata(at)
        for at, name in enumerate(("red", "green", "blue"))
    }
    with pytest.raises(SourceError, match="has bands of different nodata values"):
        landcover.score_array(xr.Dataset(bands), model=pixel_model)
