"""What benchmarks score: generated imagery in several formats, and networks with random weights.

All of it is made once and kept in a folder: the same arguments give the same files.
"""

from __future__ import annotations

import json
import tempfile
from math import ceil, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import rasterio
import rasterio.shutil
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from rasterio.transform import from_origin

from benchmarks.measuring import in_child
from landcover.datasets.landscape import write_landscape

EDGE = 224
FOLDER = Path(tempfile.gettempdir()) / "landcover-benchmarks"

# Tiles of a scene that differ from one another; larger scenes repeat them.
_DIFFERENT = 400

Pixels = npt.NDArray[np.uint8]

# What ImageNet networks of Keras get: colours less these means, blue first (keras.applications,
# imagenet_utils.preprocess_input, mode "caffe").
_MEANS = {"mean": [123.68, 116.779, 103.939], "channel_order": "bgr"}
_SIDECAR = {**_MEANS, "classes": "nlcd6", "input_size": EDGE}


# Of random weights labels say nothing: what i8 does to them is no matter.
ANY_LABELS = {"at_least": 0.1}


def tiles(count: int, folder: Path = FOLDER) -> Pixels:
    """Tiles of a generated landscape, turned and mirrored: uint8, dims (tile, band, y, x)."""
    # There are eight ways to turn and mirror a tile; those at a landscape's rim have nodata.
    across = ceil(sqrt(count / 8) / 0.7) + 2
    kept = folder / f"tiles-{across}.npy"
    if not kept.exists():
        place = folder / f"landscape-{across}"
        cut = _whole_tiles(write_landscape(place, across * EDGE).imagery)
        turned = [np.rot90(cut, turns, (2, 3)) for turns in range(4)]
        np.save(kept, np.concatenate([*turned, *(one[:, :, ::-1] for one in turned)]))
    found: Pixels = np.load(kept)
    if len(found) < count:
        raise ValueError(f"the landscape gave {len(found)} tiles, {count} were wanted")
    return found[:count]


def _whole_tiles(imagery: Path) -> Pixels:
    """The tiles of a raster without nodata, three bands: dims (tile, band, y, x)."""
    with rasterio.open(imagery) as file:
        across = file.width // EDGE
        pixels = file.read([1, 2, 3]).reshape(3, across, EDGE, across, EDGE)
        valid = file.dataset_mask().reshape(across, EDGE, across, EDGE).all((1, 3))
    found: Pixels = pixels.transpose(1, 3, 0, 2, 4)[valid]
    return found


def image_folder(count: int, folder: Path = FOLDER) -> Path:
    """A folder with so many PNG tiles of 224 x 224 pixels, three bands."""
    place = folder / f"png-{count}"
    if not (place / f"{count - 1:05}.png").exists():
        place.mkdir(parents=True, exist_ok=True)
        for number, pixels in enumerate(tiles(count, folder)):
            Image.fromarray(np.moveaxis(pixels, 0, 2)).save(place / f"{number:05}.png")
    return place


def scene(kind: str, count: int, folder: Path = FOLDER) -> Path:
    """A scene of at least so many tiles, three bands of uint8.

    Args:
        kind: "plain" (tiled, not compressed), "deflate" or "jpeg" (Cloud Optimized GeoTIFFs).
        count: tiles.
        folder: where it is kept.
    """
    across = ceil(sqrt(count))
    path = folder / f"{kind}-{across}.tif"
    if not path.exists():
        some = min(count, _DIFFERENT)
        grid = tiles(some, folder)[np.arange(across**2) % some]
        rows = grid.reshape(across, across, 3, EDGE, EDGE).transpose(2, 0, 3, 1, 4)
        _write(path, rows.reshape(3, across * EDGE, across * EDGE), kind)
    return path


def _write(path: Path, pixels: npt.NDArray[Any], kind: str) -> None:
    shape = {"count": 3, "height": pixels.shape[1], "width": pixels.shape[2], "dtype": "uint8"}
    place = {"crs": "EPSG:26918", "transform": from_origin(300_000, 4_900_000, 1, 1)}
    tiled = {"tiled": True, "blockxsize": 256, "blockysize": 256}
    plain = path if kind == "plain" else path.with_suffix(".plain.tif")
    with rasterio.open(plain, "w", driver="GTiff", **shape, **place, **tiled) as file:
        file.write(pixels)
    if kind != "plain":
        more = {"predictor": "yes"} if kind == "deflate" else {"quality": 85}
        rasterio.shutil.copy(plain, path, driver="COG", compress=kind, **more)
        plain.unlink()


def network(name: str, folder: Path = FOLDER) -> Path:
    """A network by its name: "idle" (an ONNX file), or one of :func:`keras_network`."""
    return idle_network(folder) if name == "idle" else keras_network(name, folder)


def keras_network(name: str, folder: Path = FOLDER) -> Path:
    """A Keras file and its sidecar: "resnet50" (random weights) or "small" (three layers).

    It is made by a process of its own, so that this one stays without TensorFlow.
    """
    path = folder / f"{name}.keras"
    if not path.exists():
        samples = folder / "samples.npy"
        folder.mkdir(parents=True, exist_ok=True)
        np.save(samples, tiles(32, folder))
        in_child("benchmarks.networks", name, str(path), str(samples))
        path.with_suffix(".yaml").write_text(json.dumps(_SIDECAR))
    return path


def fast_network(folder: Path = FOLDER) -> tuple[Path, int]:
    """An ONNX file of three convolutions, some thousand tiles a second and core, and its window's edge."""
    edge, path = 64, folder / "fast.onnx"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        random, nodes, weights, last = np.random.default_rng(1), [], [], "image"
        for layer, (reads, gives) in enumerate([(3, 16), (16, 32), (32, 64)]):
            numbers = random.normal(0, (2 / (9 * reads)) ** 0.5, (gives, reads, 3, 3))
            weights.append(numpy_helper.from_array(numbers.astype(np.float32), f"w{layer}"))
            told = {"strides": [2, 2], "pads": [1, 1, 1, 1]}
            nodes.append(helper.make_node("Conv", [last, f"w{layer}"], [f"c{layer}"], **told))
            nodes.append(helper.make_node("Relu", [f"c{layer}"], [f"r{layer}"]))
            last = f"r{layer}"
        nodes.append(helper.make_node("GlobalAveragePool", [last], ["mean"]))
        nodes.append(helper.make_node("Flatten", ["mean"], ["features"]))
        weights.append(numpy_helper.from_array(random.normal(size=(64, 6)).astype(np.float32), "w"))
        nodes.append(helper.make_node("MatMul", ["features", "w"], ["scores"]))
        image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, edge, edge])
        scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", 6])
        graph = helper.make_graph(nodes, "fast", [image], [scores], weights)
        opset = helper.make_opsetid("", 17)
        onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=9), str(path))
        sidecar = {"mean": 100, "scale": 0.02, "activation": "softmax", "classes": "nlcd6"}
        path.with_suffix(".yaml").write_text(json.dumps(sidecar))
    return path, edge


def idle_network(folder: Path = FOLDER, edge: int = EDGE) -> Path:
    """An ONNX file that looks at one pixel of a tile: what is left is the cost of all else."""
    path = folder / ("idle.onnx" if edge == EDGE else f"idle-{edge}.onnx")
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        nodes = [
            helper.make_node("Slice", ["image", "first", "second", "axes"], ["pixel"]),
            helper.make_node("Flatten", ["pixel"], ["values"]),
            helper.make_node("Cast", ["values"], ["scores"], to=TensorProto.FLOAT),
        ]
        image = helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", 3, edge, edge])
        scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", 3])
        constants = {"first": [0, 0], "second": [1, 1], "axes": [2, 3]}
        kept = [numpy_helper.from_array(np.array(v, np.int64), k) for k, v in constants.items()]
        graph = helper.make_graph(nodes, "idle", [image], [scores], kept)
        opset = helper.make_opsetid("", 17)
        onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=9), str(path))
        path.with_suffix(".yaml").write_text(json.dumps({"activation": "softmax"}))
    return path


def colour_network(path: Path, edge: int, *, pixel: bool) -> Path:
    """An ONNX network that labels what it sees by its colour, in four classes: hardly any work.

    Args:
        path: of the network; its sidecar goes beside it.
        edge: of its window, in pixels.
        pixel: whether it labels each pixel, or the mean over the window.
    """
    weights = np.random.default_rng(1).normal(size=(4, 3, 1, 1)).astype(np.float32)
    nodes = [helper.make_node("Conv", ["image", "weights"], ["features"])]
    if not pixel:
        nodes.append(helper.make_node("GlobalAveragePool", ["features"], ["mean"]))
        nodes.append(helper.make_node("Flatten", ["mean"], ["scores"]))
    name, shape = ("features", [edge, edge]) if pixel else ("scores", [])
    graph = helper.make_graph(
        nodes,
        "colours",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, edge, edge])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 4, *shape])],
        [numpy_helper.from_array(weights, "weights")],
    )
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), str(path))
    sidecar = {"mean": 100, "scale": 0.02, "activation": "softmax"}
    path.with_suffix(".yaml").write_text(json.dumps(sidecar))
    return path
