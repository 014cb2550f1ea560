"""Small networks whose answers can be worked out with NumPy, and scenes to score with them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import rasterio
from onnx import TensorProto, helper, numpy_helper
from rasterio.transform import from_origin

BANDS, CLASSES = 3, 4
# The class whose colour a pixel resembles most wins: logits are a linear function of the colour.
WEIGHTS = np.random.default_rng(7).normal(size=(CLASSES, BANDS)).astype(np.float32)


def network(pixel: bool, halo: int, size: int) -> onnx.ModelProto:
    kernel = np.zeros((CLASSES, BANDS, 2 * halo + 1, 2 * halo + 1), np.float32)
    kernel[:] = WEIGHTS[:, :, None, None] / (2 * halo + 1) ** 2
    nodes = [helper.make_node("Conv", ["image", "kernel"], ["features"])]
    if pixel:
        nodes.append(helper.make_node("Identity", ["features"], ["scores"]))
        shape: list[object] = ["n", CLASSES, size - 2 * halo, size - 2 * halo]
    else:
        nodes.append(helper.make_node("GlobalAveragePool", ["features"], ["mean"]))
        nodes.append(helper.make_node("Flatten", ["mean"], ["scores"]))
        shape = ["n", CLASSES]
    graph = helper.make_graph(
        nodes,
        "colours",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", BANDS, size, size])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(kernel, "kernel")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    onnx.checker.check_model(model)
    return model


SIDECAR = "classes: [water, trees, field, town]\nmean: 100\nscale: 0.02\n"


def write_scene(
    path: Path,
    pixels: np.ndarray,
    *,
    left: float = 500_000.0,
    nodata: int | None = None,
    compress: str | None = "deflate",
) -> Path:
    """Write pixels (band, y, x) as a tiled scene of 1 m in UTM zone 18."""
    count, height, width = pixels.shape
    profile = {
        "driver": "GTiff",
        "dtype": pixels.dtype,
        "count": count,
        "height": height,
        "width": width,
        "crs": "EPSG:26918",
        "transform": from_origin(left, 4_500_000, 1, 1),
        "nodata": nodata,
        "tiled": True,
        "blockxsize": 64,
        "blockysize": 64,
        "compress": compress,
    }
    with rasterio.open(path, "w", **profile) as file:
        file.write(pixels)
    return path


def mask(path: Path, rows: int) -> Path:
    """Write a mask of 64 x 64 pixels for a scene beside it, of which the first rows were not seen."""
    seen = np.full((64, 64), 255, np.uint8)
    seen[:rows] = 0
    shape = {"count": 1, "height": 64, "width": 64, "dtype": "uint8"}
    with rasterio.open(path, "w", driver="GTiff", **shape) as file:
        file.write(seen, 1)
        file.update_tags(INTERNAL_MASK_FLAGS_1="2")
    return path


def blobs(seed: int, height: int, width: int) -> np.ndarray:
    """Pixels (band, y, x) of patches of colour, none of them 0."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(1, 256, (BANDS, -(-height // 8), -(-width // 8)), np.uint8)
    return coarse.repeat(8, axis=1).repeat(8, axis=2)[:, :height, :width]


def expected_probabilities(pixels: np.ndarray) -> np.ndarray:
    """What the tile network says of pixels (n, band, y, x), worked out with NumPy: (n, class)."""
    mean = (pixels.astype(np.float64).mean(axis=(2, 3)) - 100) * 0.02
    logits = mean @ WEIGHTS.T.astype(np.float64)
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def expected_pixels(pixels: np.ndarray) -> np.ndarray:
    """Labels that the pixel network gives a whole scene (band, y, x), mirrored at its edges."""
    padded = np.pad(pixels.astype(np.float64), ((0, 0), (2, 2), (2, 2)), mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (5, 5), axis=(1, 2))
    mean = (windows.mean(axis=(3, 4)) - 100) * 0.02
    return np.tensordot(WEIGHTS.astype(np.float64), mean, axes=1).argmax(axis=0)
