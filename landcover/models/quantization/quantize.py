"""From a model that a recipe tells of to the same network in 8-bit integers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from typing import Any, TypeAlias

import numpy as np

from landcover.errors import MissingExtra, ModelError
from landcover.local_files import scratch
from landcover.models.export import as_onnx
from landcover.models.fetch import local_path, shown
from landcover.models.formats.detection import detect
from landcover.models.preprocessing import numpy as steps_in_numpy
from landcover.models.preprocessing.specification import Pixels
from landcover.models.quantization.quantized import Quantizer
from landcover.models.recipe import Recipe
from landcover.models.runtimes.registry import start_runtime

Labelled: TypeAlias = Callable[[Pixels], Pixels]


def check_quantizable(recipe: Recipe) -> None:
    """Make sure that a model's runtime and this installation can quantize, before any work.

    Raises:
        ModelError: the runtime has no networks in 8-bit integers.
        MissingExtra: NNCF is not installed, which quantizes for OpenVINO.
    """
    if recipe.runtime not in _QUANTIZERS:
        able = " or ".join(_QUANTIZERS)
        reason = f"runtime {recipe.runtime!r} does not compute in i8: set model.runtime to {able}"
        raise ModelError(shown(recipe.path), reason)
    if recipe.runtime == "openvino" and not find_spec("nncf"):
        raise MissingExtra("precision i8 with runtime 'openvino'", "i8", "nncf")


@contextmanager
def quantizing(recipe: Recipe, pixels: Sequence[Pixels]) -> Iterator[Quantizer]:
    """Quantize the network of a model, by tiles that are like those it will see.

    Args:
        recipe: of the model.
        pixels: of the tiles, dims (n, band, y, x) each.

    Raises:
        ModelError: the model cannot be read, or not be quantized.
        MissingExtra: NNCF is not installed.
    """
    check_quantizable(recipe)
    name, steps = shown(recipe.path), recipe.steps()
    file = detect(local_path(recipe.path), name)
    graph = start_runtime(recipe.runtime, file, "f32", 0, name).open(file, recipe.head)
    size = graph.signature.batch or 1
    tiles = [tile for some in pixels for tile in some]
    inputs = [
        steps_in_numpy.before(np.stack(tiles[at : at + size]), steps, recipe.reads)
        for at in range(0, len(tiles) - size + 1, size)
    ]

    def labels(returned: Pixels) -> Pixels:
        around = steps.returning(returned.shape)  # it may have been cropped before
        return np.asarray(steps_in_numpy.after(np.asarray(returned), around).argmax(axis=1))

    with _QUANTIZERS[recipe.runtime](recipe, graph, inputs, labels) as quantizer:
        yield quantizer


@contextmanager
def _by_nncf(
    recipe: Recipe, graph: Any, inputs: Sequence[Pixels], labels: Labelled
) -> Iterator[Quantizer]:
    from landcover.models.quantization.openvino import OpenvinoQuantizer

    yield OpenvinoQuantizer(graph.bare(recipe.steps()), inputs, labels, shown(recipe.path))


@contextmanager
def _by_onnxruntime(
    recipe: Recipe, graph: Any, inputs: Sequence[Pixels], labels: Labelled
) -> Iterator[Quantizer]:
    from landcover.models.quantization.onnxruntime import OnnxQuantizer

    network = as_onnx(recipe.path, recipe.head)
    with scratch() as folder:
        yield OnnxQuantizer(network, inputs, labels, shown(recipe.path), folder)


_QUANTIZERS = {"openvino": _by_nncf, "onnxruntime": _by_onnxruntime}


def unquantized(recipe: Recipe) -> Recipe:
    """The recipe of the same model in f32."""
    return replace(recipe, precision="f32", quantized=None, quantized_digest=None)
