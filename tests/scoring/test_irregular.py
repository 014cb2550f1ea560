"""Runs as irregular as the world: pixels of 0.6 m, codes that are no indices, a hole anywhere, halos beyond the model's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import rasterio
import rioxarray
from onnx import TensorProto, helper, numpy_helper
from rasterio.transform import from_origin

import landcover
from landcover.classes import scheme
from landcover.errors import ConfigError

CODES = np.array(scheme("nlcd6").codes)
NAMES = np.array(scheme("nlcd6").names)
WEIGHTS = np.random.default_rng(11).normal(size=(6, 3)).astype(np.float32)
LEFT, TOP, EDGE = 731_123.4, 4_012_345.6, 0.6
HEIGHT, WIDTH, HALO = 211, 173, 2


def _network(path: Path, pixel: bool, rows: int, cols: int) -> Path:
    """Six classes by the colours of 5 x 5 pixels; a label a pixel, or one a tile."""
    kernel = np.broadcast_to(WEIGHTS[:, :, None, None] / 25, (6, 3, 5, 5)).copy()
    nodes = [helper.make_node("Conv", ["image", "kernel"], ["features"])]
    shape: list[object] = ["n", 6, rows - 2 * HALO, cols - 2 * HALO]
    if not pixel:
        nodes.append(helper.make_node("GlobalAveragePool", ["features"], ["mean"]))
        nodes.append(helper.make_node("Flatten", ["mean"], ["flat"]))
        shape = ["n", 6]
    nodes.append(helper.make_node("Softmax", [nodes[-1].output[0]], ["shares"], axis=1))
    reads = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, rows, cols])
    returns = helper.make_tensor_value_info("shares", TensorProto.FLOAT, shape)
    weights = [numpy_helper.from_array(kernel, "kernel")]
    graph = helper.make_graph(nodes, "colours", [reads], [returns], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, path)
    told = "classes: nlcd6\nmean: [90, 110, 100]\nscale: [0.03, 0.02, 0.025]\nbands: [3, 1, 2]\n"
    path.with_suffix(".yaml").write_text(told)
    return path


@pytest.fixture(scope="module")
def pixel_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its window is wider than high."""
    return _network(tmp_path_factory.mktemp("net") / "pixels.onnx", True, 44, 53)


@pytest.fixture(scope="module")
def square_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _network(tmp_path_factory.mktemp("net") / "pixels.onnx", True, 44, 44)


@pytest.fixture(scope="module")
def tile_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _network(tmp_path_factory.mktemp("net") / "tiles.onnx", False, 40, 34)


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    """Patches of colour, with a hole that lies at no multiple of anything."""
    rng = np.random.default_rng(4)
    coarse = rng.integers(1, 256, (3, HEIGHT // 7 + 1, WIDTH // 9 + 1), np.uint8)
    found = coarse.repeat(7, axis=1).repeat(9, axis=2)[:, :HEIGHT, :WIDTH].copy()
    found[:, 37:98, 61:139] = 0
    found[1, 5:20, 3:30] = 0  # one band alone says nothing
    return found


@pytest.fixture
def scene(tmp_path: Path, pixels: np.ndarray) -> Path:
    profile: dict[str, Any] = {
        "driver": "GTiff",
        "dtype": "uint8",
        "count": 3,
        "nodata": 0,
        "crs": "EPSG:26914",
        "transform": from_origin(LEFT, TOP, EDGE, EDGE),
    }
    size = {"height": HEIGHT, "width": WIDTH}
    with rasterio.open(tmp_path / "scene.tif", "w", **profile, **size) as file:
        file.write(pixels)
    return tmp_path / "scene.tif"


def _probabilities(pixels: np.ndarray) -> np.ndarray:
    """What the network returns for a whole scene mirrored at its edges: (class, y, x)."""
    read = pixels[[2, 0, 1]].astype(np.float64)
    mean, scale = np.array([90, 110, 100]), np.array([0.03, 0.02, 0.025])
    read = (read - mean[:, None, None]) * scale[:, None, None]
    padded = np.pad(read, ((0, 0), (2, 2), (2, 2)), mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (5, 5), axis=(1, 2))
    logits = np.tensordot(WEIGHTS.astype(np.float64), windows.mean(axis=(3, 4)), axes=1)
    raised = np.exp(logits - logits.max(axis=0))
    return raised / raised.sum(axis=0)


def _score(scene: Path, model: Path, output: Path, **overrides: Any) -> landcover.Run:
    told = {key.replace("__", "."): value for key, value in overrides.items()}
    return landcover.score(rasters=str(scene), model=model, output=output, overrides=told)


@pytest.mark.parametrize(
    "source",
    [
        {},
        {"halo": 2},
        {"halo": 7},
        {"stride": 26},
        {"halo": 11, "task": 3},
        {"task": 4},
        {"task": 5, "grid": "ground"},
    ],
)
def test_pixels_get_codes_whatever_is_read_around_them(
    source: dict[str, Any],
    scene: Path,
    pixels: np.ndarray,
    pixel_model: Path,
    square_model: Path,
    tmp_path: Path,
) -> None:
    told = {f"source__{key}": value for key, value in source.items()}
    square = "stride" in source
    run = _score(scene, square_model if square else pixel_model, tmp_path / "run", **told)
    probabilities = _probabilities(pixels)
    held = (pixels != 0).any(axis=0)
    expected = np.where(held, CODES[probabilities.argmax(axis=0)], 255)
    with rasterio.open(tmp_path / "run" / "map.tif") as file:
        found = file.read(1)
        assert tuple(file.transform)[:6] == pytest.approx((EDGE, 0, LEFT, 0, -EDGE, TOP))
    assert np.array_equal(found, expected)
    halo = source.get("halo", (44 - source["stride"]) // 2 if square else HALO)
    core = (44 - 2 * halo, (44 if square else 53) - 2 * halo)
    _check_tiles(run, probabilities, held, core)
    for part in (tmp_path / "run" / "pixels").iterdir():
        with rasterio.open(part) as file:
            col, row = ~from_origin(LEFT, TOP, EDGE, EDGE) @ (file.transform.c, file.transform.f)
            y, x = round(row), round(col)
            assert (row, col) == pytest.approx((y, x), abs=1e-6)
            own = file.read(1)
        own = own[max(0, -y) :, max(0, -x) :]
        seen = expected[max(0, y) :, max(0, x) :][: own.shape[0], : own.shape[1]]
        assert ((own == seen) | (own == 255)).all() and (own != 255).any()


def _check_tiles(
    run: landcover.Run, probabilities: np.ndarray, held: np.ndarray, core: tuple[int, int]
) -> None:
    """Labels, codes, scores and places of the tiles of a network that labels pixels."""
    tiles, best = run.tiles(), probabilities.argmax(axis=0)
    assert len(tiles) == run.summary["tiles"]["scored"] > 0
    begins = set()
    for tile in tiles.itertuples():
        y, x = round((TOP - tile.ymax) / EDGE), round((tile.xmin - LEFT) / EDGE)
        begins.add((y - tile.row * core[0], x - tile.col * core[1]))
        within = slice(max(0, y), y + core[0]), slice(max(0, x), x + core[1])
        labels = best[within][held[within]]
        label = np.bincount(labels, minlength=6).argmax()
        assert (tile.label, tile.code) == (NAMES[label], CODES[label])
        top = probabilities.max(axis=0)[within][held[within]][labels == label]
        assert tile.score == pytest.approx(top.mean(), abs=1e-5)
        assert (tile.xmin, tile.ymax) == pytest.approx((LEFT + EDGE * x, TOP - EDGE * y))
        assert tile.xmax - tile.xmin == pytest.approx(EDGE * core[1])
        assert tile.ymax - tile.ymin == pytest.approx(EDGE * core[0])
    [(first_row, first_col)] = begins
    ground = run.summary["config"]["source"]["grid"] == "ground"
    assert (first_row < 0 and first_col < 0) if ground else (first_row, first_col) == (0, 0)


def test_a_halo_below_the_models_is_refused(
    scene: Path, square_model: Path, tmp_path: Path
) -> None:
    for told in ({"source__halo": 1}, {"source__halo": 0}, {"source__stride": 44}):
        with pytest.raises(ConfigError, match="less than the 2 pixels that the model reads"):
            _score(scene, square_model, tmp_path / "run", **told)
    assert not (tmp_path / "run").exists()


def test_tiles_get_codes_and_the_map_has_them_where_tiles_lie(
    scene: Path, pixels: np.ndarray, tile_model: Path, tmp_path: Path
) -> None:
    run = _score(scene, tile_model, tmp_path / "run", output__probabilities=True, source__task=7)
    tiles = run.tiles()
    expected = np.full((6, 6), 255)
    read = np.pad(pixels, ((0, 0), (0, 29), (0, 31)), mode="reflect")
    for tile in tiles.itertuples():
        y, x = 40 * tile.row, 34 * tile.col
        window = _window(read[:, y : y + 40, x : x + 34])
        label = window.argmax()
        assert (tile.label, tile.code) == (NAMES[label], CODES[label])
        assert np.allclose(tile.probabilities, window, atol=1e-5)
        assert tile.score == pytest.approx(window.max(), abs=1e-5)
        expected[tile.row, tile.col] = CODES[label]
    empty = [(y, x) for y in range(6) for x in range(6) if expected[y, x] == 255]
    held = (pixels != 0).any(axis=0)
    assert empty == [
        (y, x)
        for y in range(6)
        for x in range(6)
        if not held[40 * y : 40 * y + 40, 34 * x : 34 * x + 34].any()
    ]
    with rasterio.open(tmp_path / "run" / "map.tif") as file:
        assert np.array_equal(file.read(1), expected)
        assert file.transform.a == pytest.approx(34 * EDGE)
        assert file.transform.e == pytest.approx(-40 * EDGE)
    counts = run.summary["tiles"]
    assert counts["planned"] == 36 and counts["scored"] + counts["skipped"] == 36
    plain = _score(scene, tile_model, tmp_path / "plain")
    assert "probabilities" not in plain.tiles().columns


def _window(pixels: np.ndarray) -> np.ndarray:
    """The probabilities that the tile network gives 40 x 34 pixels."""
    read = pixels[[2, 0, 1]].astype(np.float64)
    mean, scale = np.array([90, 110, 100]), np.array([0.03, 0.02, 0.025])
    read = (read - mean[:, None, None]) * scale[:, None, None]
    windows = np.lib.stride_tricks.sliding_window_view(read, (5, 5), axis=(1, 2))
    logits = WEIGHTS.astype(np.float64) @ windows.mean(axis=(1, 2, 3, 4))
    raised = np.exp(logits - logits.max())
    return raised / raised.sum()


@pytest.mark.parametrize("chunks", [None, {"y": 50, "x": 47}])
@pytest.mark.parametrize("kind", ["pixel", "tile"])
def test_an_array_gets_the_codes_of_the_run(
    kind: str,
    chunks: dict[str, int] | None,
    scene: Path,
    pixel_model: Path,
    tile_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = pixel_model if kind == "pixel" else tile_model
    run = _score(scene, model, tmp_path / "run")
    monkeypatch.setattr("landcover.scoring.array_blocks._EDGE", 64)
    opened: Any = rioxarray.open_rasterio(scene)
    array = opened.load().isel(band=[2, 0, 1])  # in the order that the model names
    before = array.copy(deep=True)
    found = landcover.score_array(array if chunks is None else array.chunk(chunks), model)
    expected = run.map()
    assert np.array_equal(found.label, expected)
    assert np.allclose(found.y, expected.y) and np.allclose(found.x, expected.x)
    assert set(np.unique(found.label)) > {255} and array.identical(before)
    if kind == "tile":
        tiles = run.tiles()
        assert np.allclose(found.score.values[tiles.row, tiles.col], tiles.score, atol=1e-5)
    assert np.array_equal(np.isnan(found.score), found.label == 255)


def test_the_resolution_of_the_run_wins_over_that_of_the_model(
    scene: Path, pixel_model: Path, tmp_path: Path
) -> None:
    with rasterio.open(scene) as file:
        bounds = file.bounds
    for told, edge in (
        ({"model__resolution": 1.1}, 1.1),
        ({"model__resolution": 1.1, "source__resolution": 0.9}, 0.9),
    ):
        output = tmp_path / f"{edge}"
        _score(scene, pixel_model, output, **told)
        with rasterio.open(output / "map.tif") as file:
            assert (file.transform.a, file.transform.e) == pytest.approx((edge, -edge))
            assert (file.bounds.left, file.bounds.top) == (bounds.left, bounds.top)
            assert abs(file.bounds.right - bounds.right) <= edge / 2
            assert abs(file.bounds.bottom - bounds.bottom) <= edge / 2
