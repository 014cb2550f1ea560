"""Frozen graphs of TensorFlow as ONNX: converted for a window once per host, compared, and kept in the cache.

What can be left out of a network is worked out on ONNX graphs (:mod:`landcover.models.cropping`). tf2onnx
writes them, OpenVINO runs both, and a network that does not return the same is not used.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import TypeAlias

import numpy as np
import onnx

from landcover.errors import OutputError
from landcover.models.cache import cached
from landcover.models.openvino_library import openvino, read_network
from landcover.models.preprocessing.specification import Shape
from landcover.models.runtimes.memory import out_of_memory
from landcover.models.runtimes.tensorflow.start import tensorflow
from landcover.versions import version_of, versioned

log = logging.getLogger(__name__)

Compiled: TypeAlias = Callable[[openvino.Model], openvino.CompiledModel]

_OPSET = 18
# Libraries by which it is decided whether a network is converted, and to what.
_DECIDE = ("tf2onnx", "tensorflow", "onnx", "numpy", "protobuf", "openvino")
# Of the largest number that the network returns: so far may rounding take the two from each other.
_ROUNDING = 1e-4


class _NotNow(Exception):
    """A network is not converted for a reason that may pass; this is not kept."""


def onnx_of(frozen: Path, shape: Shape, compiled: Compiled) -> onnx.ModelProto | None:
    """The ONNX form of a frozen graph for windows of one size.

    Args:
        frozen: a frozen graph with one input and one output, named by what decides its content.
        shape: of its input, rows and columns known; a batch of None stays open.
        compiled: from a network of OpenVINO to one that runs in f32.

    Returns:
        None where tf2onnx or TensorFlow is missing, the graph cannot be converted, or what it was
        converted to returns something else.
    """
    if version_of("tf2onnx") is None:
        return None
    wanted = f"{frozen.stem} {shape} {_OPSET} {' '.join(map(versioned, _DECIDE))}"
    key = hashlib.sha256(wanted.encode()).hexdigest()[:32]
    try:
        path = cached(f"converted/{key}.onnx", partial(_write, frozen, shape, compiled))
    except (_NotNow, OutputError) as error:  # it would have saved time, no more
        log.debug("%s is not converted: %s", frozen, error)
        return None
    return onnx.load(path) if path.stat().st_size else None


def _write(frozen: Path, shape: Shape, compiled: Compiled, path: Path) -> None:
    """Write the ONNX form; an empty file where there is none that returns the same."""
    try:
        made = _converted(frozen.read_bytes(), shape).SerializeToString()
        same = _same(str(frozen), made, shape, compiled)
    except Exception as error:
        if isinstance(error, (ImportError, OSError)) or out_of_memory(error):
            raise _NotNow(str(error)) from error
        log.debug("%s is not converted: %s %s", frozen, type(error).__name__, error)
        same = False
    path.write_bytes(made if same else b"")


def _converted(frozen: bytes, shape: Shape) -> onnx.ModelProto:
    tf = tensorflow()
    import tf2onnx

    logging.getLogger("tf2onnx").setLevel(logging.CRITICAL)
    definition = tf.compat.v1.GraphDef.FromString(frozen)
    read = {name.split(":")[0].lstrip("^") for node in definition.node for name in node.input}
    (image,) = (node.name for node in definition.node if node.op == "Placeholder")
    (output,) = (node.name for node in definition.node if node.name not in read)
    for node in definition.node:  # what only waits for another node, as for a variable's, is left
        numbers = [name for name in node.input if not name.startswith("^")]
        del node.input[:]
        node.input.extend(numbers)
        if node.name == image:
            node.attr["shape"].shape.CopyFrom(tf.TensorShape(shape).as_proto())
    needed = tf.compat.v1.graph_util.extract_sub_graph(definition, [output])
    ends = [f"{image}:0"], [f"{output}:0"]
    model, _ = tf2onnx.convert.from_graph_def(needed, "network", *ends, opset=_OPSET)
    found: onnx.ModelProto = model
    return found


def _same(frozen: str, made: bytes, shape: Shape, compiled: Compiled) -> bool:
    """Whether two forms of a network return the same of noise, but for rounding."""
    networks = []
    for kind, source in (("tf", frozen), ("onnx", BytesIO(made))):
        network = read_network(kind, source)
        network.reshape(openvino.PartialShape([shape[0] or 1, *shape[1:]]))
        networks.append(compiled(network))
    reads = networks[0].inputs[0]
    rng, extents = np.random.default_rng(0), tuple(reads.shape)
    for noise in (rng.normal(0, 1, extents), rng.uniform(0, 255, extents)):
        images = noise.astype(reads.element_type.to_dtype())
        one, other = (np.asarray(network([images])[0], np.float64) for network in networks)
        largest = np.abs(one[np.isfinite(one)]).max(initial=0)
        if one.shape != other.shape or not np.allclose(
            one, other, rtol=0, atol=_ROUNDING * largest, equal_nan=True
        ):
            return False
    return True
