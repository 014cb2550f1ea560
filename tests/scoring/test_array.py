"""Scenes in memory, and lazily such as Dask holds, give what a run over the file gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import rioxarray
import xarray as xr
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from onnx import numpy_helper
from support.colours import SIDECAR, blobs, network, write_scene

import landcover
from landcover.errors import SourceError
from landcover.scoring import array_blocks

da = pytest.importorskip("dask.array", reason="lazy arrays need the extra 'dask'")


def _opened(path: Path) -> xr.DataArray:
    array: Any = rioxarray.open_rasterio(path)
    return array.load()


@pytest.fixture(params=["tile", "pixel"])
def model(request: pytest.FixtureRequest) -> Path:
    path: Path = request.getfixturevalue(f"{request.param}_model")
    return path


@pytest.fixture
def holed(tmp_path: Path) -> Path:
    """A scene whose size is no multiple of a tile's, with a hole larger than a few tiles."""
    pixels = blobs(5, 150, 330)
    pixels[:, 20:110, 40:200] = 0
    return write_scene(tmp_path / "holed.tif", pixels, nodata=0)


def test_an_array_gets_the_labels_that_a_run_writes(
    holed: Path, model: Path, tmp_path: Path
) -> None:
    found = landcover.score_array(_opened(holed), model)
    run = landcover.score(rasters=str(holed), model=model, output=tmp_path / "run")
    expected = run.map()
    assert (expected == 255).any() and (expected != 255).any()
    assert found.label.dims == ("y", "x")
    assert np.array_equal(found.label, expected)
    for name in ("y", "x"):
        assert np.allclose(found[name], expected[name])
    assert found.rio.crs == "EPSG:26918"
    assert (found.label.attrs["nodata"], found.label.dtype) == (255, np.uint8)
    assert np.array_equal(np.isnan(found.score), found.label == 255)


def test_labels_of_more_classes_than_a_byte_has_numbers_keep_them(tmp_path: Path) -> None:
    """The class whose number is nearest to a pixel's wins: 2 n x - n^2 is largest there."""
    numbers = np.arange(300, dtype=np.float32)
    made = network(pixel=True, halo=0, size=8)
    kernel = numpy_helper.from_array((2 * numbers).reshape(-1, 1, 1, 1), "kernel")
    made.graph.initializer[0].CopyFrom(kernel)
    made.graph.initializer.append(numpy_helper.from_array(-(numbers**2), "least"))
    made.graph.node[0].input.append("least")
    for value, at, extent in (
        (made.graph.input[0], 1, 1),
        (made.graph.output[0], 1, len(numbers)),
    ):
        value.type.tensor_type.shape.dim[at].dim_value = extent
    path = tmp_path / "numbers.onnx"
    onnx.save(made, path)
    path.with_suffix(".yaml").write_text("mean: 0\nscale: 1\nactivation: softmax\n")
    pixels = np.random.default_rng(0).integers(0, 300, (1, 16, 24), dtype=np.uint16)
    found = landcover.score_array(_opened(write_scene(tmp_path / "a.tif", pixels)), path)
    assert found.label.dtype == np.uint16 and np.array_equal(found.label, pixels[0])


def test_the_scores_of_tiles_are_those_of_a_run(
    scene: Path, tile_model: Path, tmp_path: Path
) -> None:
    found = landcover.score_array(_opened(scene), tile_model)
    run = landcover.score(rasters=str(scene), model=tile_model, output=tmp_path / "run")
    tiles = run.tiles().sort_values(["row", "col"])
    assert np.allclose(found.score.values.ravel(), tiles["score"], atol=1e-5)


@pytest.mark.parametrize("chunks", [(3, 64, 100), (1, 150, 330), (3, 7, 330)])
def test_an_array_of_dask_gets_the_same_labels_however_it_is_chunked(
    chunks: tuple[int, ...], holed: Path, model: Path
) -> None:
    scene = _opened(holed)
    expected = landcover.score_array(scene, model)
    lazy = landcover.score_array(scene.chunk(dict(zip(scene.dims, chunks, strict=True))), model)
    assert lazy.label.chunks is not None and lazy.score.chunks is not None
    xr.testing.assert_allclose(lazy.compute(scheduler="threads"), expected, atol=1e-5, rtol=0)
    assert lazy.label.attrs == expected.label.attrs


def test_nothing_is_read_before_it_is_computed_and_then_only_what_is_needed(model: Path) -> None:
    read: list[tuple[int, int]] = []

    def pixels(block_info: Any) -> np.ndarray:
        (_, _), rows, cols = block_info[None]["array-location"]
        read.append((rows[0], cols[0]))
        return np.ones((3, rows[1] - rows[0], cols[1] - cols[0]), np.uint8)

    edges = (1024,) * 8
    values = da.map_blocks(pixels, chunks=((3,), edges, edges), dtype=np.uint8, meta=np.empty(0))
    scene = xr.DataArray(values, dims=("band", "y", "x"))
    found = landcover.score_array(scene, model)
    assert not read
    corner = found.label[:4, :4].compute(scheduler="synchronous")
    assert corner.shape == (4, 4)
    assert 0 < len(set(read)) <= 25  # of 64: what is computed in one go, and its neighbours


def test_a_corner_of_a_huge_array_takes_the_time_of_the_corner(tile_model: Path) -> None:
    values = da.zeros((3, 100_000, 100_000), chunks=(3, 4096, 4096), dtype=np.uint8)
    found = landcover.score_array(xr.DataArray(values, dims=("band", "y", "x")), tile_model)
    assert found.label.shape == (3125, 3125)
    assert found.label[-1, -1].compute().dtype == np.uint8


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda scene: scene.transpose("y", "x", "band"), "has dims .* not .'band', 'y', 'x'."),
        (lambda scene: scene.isel(band=[0]), "has no band '2'; there are 1"),
        (lambda scene: scene.isel(band=[0]).drop_vars("band"), "has 1 bands, the model reads 3"),
    ],
)
def test_an_array_of_other_dims_is_refused(
    change: Any, reason: str, scene: Path, tile_model: Path
) -> None:
    with pytest.raises(SourceError, match=reason):
        landcover.score_array(change(_opened(scene)), tile_model)


DTYPES = ("uint8", "uint16", "int16", "int32", "float32", "float64")


@settings(max_examples=8, deadline=None, phases=[Phase.generate])  # shrinking takes minutes
@given(
    kind=st.sampled_from(["tile", "pixel"]),
    dtype=st.sampled_from(DTYPES),
    size=st.tuples(st.integers(1, 150), st.integers(1, 150)),
    chunks=st.tuples(st.integers(1, 3), st.integers(5, 200), st.integers(5, 200)),
    seed=st.integers(0, 2**31),
)
def test_arrays_in_memory_and_in_blocks_give_what_a_run_over_the_file_gives(
    kind: str,
    dtype: str,
    size: tuple[int, int],
    chunks: tuple[int, int, int],
    seed: int,
    tile_model: Path,
    pixel_model: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    model = tile_model if kind == "tile" else pixel_model
    folder = tmp_path_factory.mktemp("case")
    pixels = _holed(seed, dtype, *size)
    path = write_scene(folder / "scene.tif", pixels, nodata=None if dtype[0] == "f" else 0)
    run = landcover.score(rasters=str(path), model=model, output=folder / "run")
    expected, scene = run.map(), _opened(path)
    eager = landcover.score_array(scene, model)
    assert np.array_equal(eager.label, expected)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(array_blocks, "_EDGE", 64)  # several blocks in a small array
        blocks = scene.chunk(dict(zip(scene.dims, chunks, strict=True)))
        lazy = landcover.score_array(blocks, model).compute(scheduler="threads")
    assert np.array_equal(lazy.label, expected)
    np.testing.assert_allclose(lazy.score, eager.score, atol=1e-5, rtol=0)
    if kind == "tile":
        tiles = run.tiles()
        scores = eager.score.values[tiles.row, tiles.col] if len(tiles) else []
        np.testing.assert_allclose(scores, tiles.score if len(tiles) else [], atol=1e-5, rtol=0)


def _holed(seed: int, dtype: str, height: int, width: int) -> np.ndarray:
    """Pixels with holes that begin anywhere, told by a value, by NaN, or by what is infinite."""
    rng = np.random.default_rng(seed)
    pixels = blobs(seed, height, width).astype(dtype)
    for _ in range(3):
        y, x, high, wide = (int(rng.integers(0, most)) for most in (height, width, 120, 90))
        fill = rng.choice([np.nan, np.inf, -np.inf]) if dtype[0] == "f" else 0
        pixels[:, y : y + high, x : x + wide] = fill
    return pixels


@pytest.mark.parametrize("rows", [16, 60])
def test_a_halo_wider_than_what_a_tile_writes_reaches_over_several_blocks(
    rows: int, holed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = network(pixel=True, halo=7, size=16)
    for value, extent in ((made.graph.input[0], rows), (made.graph.output[0], rows - 14)):
        value.type.tensor_type.shape.dim[2].dim_value = extent
    model = tmp_path / "deep.onnx"
    onnx.save(made, model)
    model.with_suffix(".yaml").write_text(SIDECAR)
    run = landcover.score(rasters=str(holed), model=model, output=tmp_path / "run")
    monkeypatch.setattr(array_blocks, "_EDGE", 8)
    lazy = landcover.score_array(_opened(holed).chunk({"y": 11, "x": 17}), model)
    assert len(lazy.label.chunks[1]) > 5
    assert np.array_equal(lazy.label, run.map())


def test_integers_with_a_sign_and_floats_without_data_count_as_a_run_counts_them(
    holed: Path, pixel_model: Path, tmp_path: Path
) -> None:
    pixels = _opened(holed).values.astype(np.float32)
    pixels[:, (pixels == 0).all(axis=0)] = np.nan
    path = write_scene(tmp_path / "floats.tif", pixels, nodata=np.nan)
    found = landcover.score_array(_opened(path), pixel_model)
    run = landcover.score(rasters=str(path), model=pixel_model, output=tmp_path / "run")
    assert np.array_equal(found.label, run.map())
