"""Constants of a graph of TensorFlow that a few numbers make, told without TensorFlow."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from landcover.models.formats.sizes import numbers_in
from landcover.models.runtimes.tensorflow.computing import data_inputs, tensor_name

Array: TypeAlias = npt.NDArray[Any]

# Numbers of an array that is worked out; a shape has four.
_SMALL: Final = 1_024

# Arithmetic on extents. Kinds of numbers do not matter: sizes are looked at, nothing is computed with them.
_ARITHMETIC: Final[Mapping[str, Callable[..., Any]]] = {
    **dict.fromkeys(("Identity", "Cast", "StopGradient", "Snapshot", "Reshape"), lambda x, *_: x),
    **dict.fromkeys(("Squeeze", "ExpandDims"), lambda x, *_: x),
    **dict.fromkeys(("Add", "AddV2"), np.add),
    **dict.fromkeys(("RealDiv", "Div", "FloorDiv", "TruncateDiv"), np.divide),
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Maximum": np.maximum,
    "Minimum": np.minimum,
    "Pow": np.power,
    "Neg": np.negative,
    "Abs": np.abs,
    "Square": np.square,
    "Exp": np.exp,
    "Floor": np.floor,
    "Ceil": np.ceil,
    "Prod": lambda x, *_: np.prod(x),
    "Sum": lambda x, *_: np.sum(x),
    "Max": lambda x, *_: np.max(x),
    "Pack": lambda *parts: np.concatenate([part.reshape(-1) for part in parts]),
    "ConcatV2": lambda *parts: np.concatenate([part.reshape(-1) for part in parts[:-1]]),
}

SAID_BY: Final[Mapping[str, tuple[int, ...]]] = {
    **dict.fromkeys(("Fill", "RandomUniform", "RandomStandardNormal", "TruncatedNormal"), (0,)),
    **dict.fromkeys(("RandomUniformInt", "StatelessRandomUniform", "StatelessRandomNormal"), (0,)),
    **dict.fromkeys(("StatelessRandomUniformV2", "StatelessRandomNormalV2"), (0,)),
    **dict.fromkeys(("StatelessTruncatedNormal", "StatelessTruncatedNormalV2"), (0,)),
    **dict.fromkeys(("BroadcastTo", "OneHot", "Bincount", "DenseBincount", "SparseToDense"), (1,)),
    **dict.fromkeys(("TensorListReserve", "Multinomial", "StatelessMultinomial", "Tile"), (1,)),
    **dict.fromkeys(("LinSpace", "HistogramFixedWidth", "ScatterNd", "UnsortedSegmentSum"), (2,)),
    **dict.fromkeys(("UnsortedSegmentMax", "UnsortedSegmentMin", "UnsortedSegmentProd"), (2,)),
    **dict.fromkeys(("TensorArrayV3", "ParameterizedTruncatedNormal", "Conv2DBackpropInput"), (0,)),
    **dict.fromkeys(("Conv2DBackpropInputV2", "Conv3DBackpropInputV2"), (0,)),
    **dict.fromkeys(("Pad", "PadV2", "MirrorPad", "ExtractGlimpse", "ScaleAndTranslate"), (1,)),
    **dict.fromkeys(("ResizeArea", "ResizeBicubic", "ResizeBilinear"), (1,)),
    **dict.fromkeys(("ResizeNearestNeighbor", "TensorListResize", "QuantizedResizeBilinear"), (1,)),
    **dict.fromkeys(("IRFFT", "IRFFT2D", "IRFFT3D", "RFFT", "RFFT2D", "RFFT3D"), (1,)),
    **dict.fromkeys(("SegmentMax", "SegmentMean", "SegmentMin", "SegmentProd", "SegmentSum"), (1,)),
    **dict.fromkeys(("ImageProjectiveTransformV2", "ImageProjectiveTransformV3"), (2,)),
    **dict.fromkeys(("SpaceToBatchND", "MatrixDiagV2", "MatrixDiagV3"), (2, 3)),
    "Range": (0, 1, 2),
    "CropAndResize": (3,),
    "DynamicStitch": (0,),
    "ParallelDynamicStitch": (0,),
}
"""The inputs that say the extents of a result, or some of them."""

# Of these it lists extents themselves, and all of a result's.
_WHOLE: Final = frozenset(
    [
        "Fill",
        "RandomUniform",
        "RandomStandardNormal",
        "TruncatedNormal",
        "RandomUniformInt",
        "StatelessRandomUniform",
        "StatelessRandomNormal",
        "StatelessRandomUniformV2",
        "StatelessRandomNormalV2",
        "StatelessTruncatedNormal",
        "StatelessTruncatedNormalV2",
        "BroadcastTo",
        "OneHot",
        "Bincount",
        "DenseBincount",
        "SparseToDense",
        "TensorListReserve",
        "Multinomial",
        "StatelessMultinomial",
        "Tile",
        "LinSpace",
        "HistogramFixedWidth",
        "ScatterNd",
        "UnsortedSegmentSum",
        "UnsortedSegmentMax",
        "UnsortedSegmentMin",
        "UnsortedSegmentProd",
        "TensorArrayV3",
    ]
)


def small_constants(nodes: Iterable[Any]) -> dict[str, Array]:
    """The small arrays that nodes hold, and those that arithmetic makes of them, by their tensors' names.

    Args:
        nodes: of a ``GraphDef``, in any order.
    """
    from tensorflow.python.framework.tensor_util import MakeNdarray

    values: dict[str, Array] = {}
    waiting = []
    for node in nodes:
        tensor = node.attr["value"].tensor if node.op == "Const" else None
        if tensor is not None and numbers_in(d.size for d in tensor.tensor_shape.dim) <= _SMALL:
            try:
                held = np.asarray(MakeNdarray(tensor))
            except (ValueError, TypeError, KeyError, OverflowError):
                continue
            if held.dtype.kind in "iuf":
                values[tensor_name(node.name)] = held.astype(np.float64)
        elif node.op in _ARITHMETIC:
            waiting.append(node)
    return _worked_out(waiting, values)


def grown(nodes: Iterable[Any], values: Mapping[str, Array]) -> Iterator[tuple[Any, int]]:
    """Nodes that make arrays of an extent that is told, and how many numbers those hold at least."""
    for node in nodes:
        inputs = [values.get(tensor_name(name)) for name in data_inputs(node)]
        if node.op == "Range" and len(inputs) == 3:
            yield node, _between(inputs)
        at = SAID_BY[node.op][0] if node.op in _WHOLE else None
        said = inputs[at] if at is not None and at < len(inputs) else None
        if said is not None:
            yield node, numbers_in(_whole(said))


def _worked_out(waiting: list[Any], values: dict[str, Array]) -> dict[str, Array]:
    users: dict[str, list[Any]] = {}
    for node in waiting:
        for name in data_inputs(node):
            users.setdefault(tensor_name(name), []).append(node)
    fresh = [*values]
    while fresh:
        for node in users.get(fresh.pop(), ()):
            name = tensor_name(node.name)
            inputs = [values.get(tensor_name(one)) for one in data_inputs(node)]
            if name in values or any(one is None for one in inputs):
                continue
            try:
                with np.errstate(all="ignore"):
                    made = np.asarray(_ARITHMETIC[node.op](*inputs), np.float64)
            except (ValueError, TypeError):
                continue
            if made.size <= _SMALL:
                values[name] = made
                fresh.append(name)
    return values


def _between(said: list[Array | None]) -> int:
    if any(one is None or not one.size for one in said):
        return 1
    first, last, by = (float(one.reshape(-1)[0]) for one in said if one is not None)
    count = abs((last - first) / by) if by else 1.0
    return int(count) if np.isfinite(count) else 2**63


def _whole(said: Array) -> list[int]:
    return [int(one) if np.isfinite(one) else 2**63 for one in said.reshape(-1).tolist()]
