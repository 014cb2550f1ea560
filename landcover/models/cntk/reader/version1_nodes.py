"""What the nodes of legacy files are: their content, in the words of v2.

Each entry of :data:`NODES` has v2's name for the operation and a function that reads the content of
the node, as far as the version of the file has it, into v2's attributes. The layout is that of the
nodes' ``Save`` methods in the sources of CNTK; versions are CNTK's model versions 1 to 31.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from landcover.models.cntk.reader.dictionary import (
    ALL_AXES,
    ALL_STATIC_AXES,
    INFERRED,
    Axis,
    Dictionary,
    Shape,
)
from landcover.models.cntk.reader.legacy_stream import LegacyStream
from landcover.models.formats.protobuf import Malformed

Content: TypeAlias = Callable[[LegacyStream, int], Dictionary]

_MAX, _AVERAGE = 1, 2
_CHANNELS_FIRST: Final = 1


def _nothing(stream: LegacyStream, version: int) -> Dictionary:
    return {}


def _times(stream: LegacyStream, version: int) -> Dictionary:
    rank = stream.int64() if version >= 3 else 1
    if version >= 12:
        stream.int32()  # a hint for inferring shapes
    return {"outputRank": rank}


def _dropout(stream: LegacyStream, version: int) -> Dictionary:
    if version >= 16:
        stream.take(16)  # the state of the random numbers
    return {}


def _windows(stream: LegacyStream, version: int) -> Dictionary:
    """Read what convolution and pooling have in common since version 5."""
    found: Dictionary = {"kernelShape": stream.shape(), "mapCount": stream.shape()}
    found["strides"] = stream.shape()
    found["sharing"] = stream.booleans()
    found["autoPadding"] = stream.booleans()
    found["lowerPad"] = stream.shape()
    found["upperPad"] = stream.shape()
    found["poolKind"] = stream.int32()
    _check_layout(stream.int32())
    stream.take(8)  # how much memory to use
    found["transpose"] = stream.boolean() if version >= 9 else False
    found["outputShape"] = stream.shape() if version >= 20 else Shape((0,))
    found["ceilOutDim"] = stream.boolean() if version >= 21 else False
    found["includePad"] = stream.boolean() if version >= 23 else False
    return found


def _convolution(stream: LegacyStream, version: int) -> Dictionary:
    if version < 5:
        return _flat_convolution(stream)
    found = _windows(stream, version)
    found["flat"] = stream.boolean()
    found["dilation"] = stream.shape() if version >= 18 else Shape((1,))
    return found


def _flat_convolution(stream: LegacyStream) -> Dictionary:
    width, height = stream.int64(), stream.int64()
    across, down = stream.int64(), stream.int64()
    stream.take(4)  # the number of maps: the weights have it, too
    _check_layout(stream.int32())
    padded = stream.boolean()
    stream.take(8)  # how much memory to use
    return {
        "kernelShape": Shape((1, height, width)),
        "strides": Shape((1, down, across)),
        "sharing": [True],
        "autoPadding": [padded],
        "flat": True,
    }


def _pooling(stream: LegacyStream, version: int) -> Dictionary:
    if version < 5:
        raise Malformed(f"pooling of version {version}, which came in with version 5")
    found = _windows(stream, version)
    if found["poolKind"] not in (_MAX, _AVERAGE):
        raise Malformed(f"pooling of unknown kind {found['poolKind']}")
    found["poolingWindowShape"] = found["kernelShape"]
    found["poolingType"] = found["poolKind"] - _MAX
    return found


def _flat_pooling(kind: int) -> Content:
    def read(stream: LegacyStream, version: int) -> Dictionary:
        _check_layout(stream.int32())
        width, height = stream.int32(), stream.int64()
        across, down = stream.int64(), stream.int64()
        return {
            "poolingType": kind - _MAX,
            "poolingWindowShape": Shape((height, width)),
            "strides": Shape((down, across)),
        }

    return read


def _unpooling(stream: LegacyStream, version: int) -> Dictionary:
    found = _windows(stream, version)
    return {**found, "unpoolingWindowShape": found["kernelShape"], "poolingType": 0}


def _roi_pooling(stream: LegacyStream, version: int) -> Dictionary:
    found: Dictionary = {"roiOutputShape": stream.shape()}
    found["poolingType"] = stream.int32() - _MAX if version >= 26 else 0
    found["spatialScale"] = stream.float64() if version >= 26 else 0.0625
    return found


def _reshape(stream: LegacyStream, version: int) -> Dictionary:
    begin, end = stream.int32(), stream.int32()  # from 1 on; 0 is the first or past the last axis
    new = Shape(extent or INFERRED for extent in stream.shape())
    found: Dictionary = {"newShape": new, "beginAxis": Axis(max(begin - 1, 0), "")}
    return {**found, "endAxis": Axis(end - 1, "")} if end > 0 else found


def _reduction(stream: LegacyStream, version: int) -> Dictionary:
    count = stream.int32() if version >= 27 else 1
    axes = [_reduced_axis(stream.int32()) for _ in range(min(max(count, 0), 64))]
    found: Dictionary = {"axisVec": axes, "reductionOpName": stream.text()}
    found["reductionKeepDimensions"] = stream.boolean() if version >= 24 else axes[0].index >= 0
    return found


def _normalization(stream: LegacyStream, version: int) -> Dictionary:
    if version < 6:
        raise Malformed("batch normalization of before version 6")
    found: Dictionary = {"spatial": stream.boolean(), "inverted": version < 13}
    stream.take(16)  # time constants of training
    layout = stream.int32()
    if found["spatial"]:
        _check_layout(layout)
    stream.take(1 if version == 19 else 8)  # the number of samples seen in training
    found["epsilon"] = stream.float64()
    stream.take(1)  # which engine
    return found


def _splice(stream: LegacyStream, version: int) -> Dictionary:
    return {"axis": _axis(stream.int32() if version >= 3 else 1)}


def _slice(stream: LegacyStream, version: int) -> Dictionary:
    count = stream.int32() if version >= 22 else 1
    found: Dictionary = {
        "axisVec": [],
        "beginIndexVec": [],
        "endIndexVec": [],
        "sliceStridesVec": [],
    }
    for _ in range(min(max(count, 0), 64)):
        begin, extent = stream.int64(), stream.int64()
        found["beginIndexVec"].append(begin)
        found["endIndexVec"].append(begin + extent)
        found["axisVec"].append(_axis(stream.int32() if version >= 3 else 1))
        found["sliceStridesVec"].append(stream.int32() if version >= 27 else 1)
    return found


def _transposition(stream: LegacyStream, version: int) -> Dictionary:
    first, second = (stream.int32(), stream.int32()) if version >= 3 else (1, 2)
    if version >= 25 and first == 0 == second:
        order = [Axis(stream.int64(), "") for _ in range(stream.count(8))]
        return {"axisVec": order}
    return {"axis1": _axis(first), "axis2": _axis(second)}


def _crop(stream: LegacyStream, version: int) -> Dictionary:
    offset = [stream.float64(), stream.float64()]
    if not all(number.is_integer() and 0 <= number < 2**31 for number in offset):
        raise Malformed("a crop whose offset is to be found from the network")
    return {"offset": [int(number) for number in offset]}


def _lost(stream: LegacyStream, version: int) -> Dictionary:
    raise Malformed("the legacy format does not keep the settings of this operation")


def _axis(number: int) -> Axis:
    if number < 1:
        raise Malformed(f"the axis {number}, which is that of a sequence")
    return Axis(number - 1, "")


def _reduced_axis(number: int) -> Axis:
    if number in (0, -1):
        return Axis(ALL_STATIC_AXES if number == 0 else ALL_AXES, "")
    return _axis(number)


def _check_layout(layout: int) -> None:
    if layout != _CHANNELS_FIRST:
        raise Malformed(
            "images with the channels innermost (the legacy layout); save the model with "
            "imageLayout = cudnn"
        )


_WITHOUT_CONTENT: Final = (
    "Abs Acos Asin Asinh Atan Atanh Clip Cosh CosDistance CrossEntropyWithSoftmax ElementTimes "
    "Equal Exp Floor Gather Greater GreaterEqual Hardmax Less LessEqual Log LogPlus LogSoftmax "
    "Logistic Minus Negate NotEqual Pass Plus Pow Reciprocal Sigmoid Sin Sinh Softmax Sqrt "
    "StableSigmoid StopGradient StraightThrough Tan Tanh"
)

NODES: Final[dict[str, tuple[str, Content]]] = {
    **{name: (name, _nothing) for name in _WITHOUT_CONTENT.split()},
    **{name: (name, _lost) for name in ("ConstantOp", "OneHot", "Squeeze", "TopK")},
    "Padding": ("Pad", _lost),
    "AveragePooling": ("Pooling", _flat_pooling(_AVERAGE)),
    "BatchNormalization": ("BatchNormalization", _normalization),
    "ClassificationError": ("ClassificationError", _nothing),
    "ColumnElementTimes": ("ElementTimes", _nothing),
    "Convolution": ("Convolution", _convolution),
    "Cosine": ("Cos", _nothing),
    "Crop": ("Crop", _crop),
    "DiagTimes": ("ElementTimes", _nothing),
    "Dropout": ("Dropout", _dropout),
    "ErrorPrediction": ("ClassificationError", _nothing),
    "ExponentialLinearUnit": ("ELU", _nothing),
    "If": ("Select", _nothing),
    "MaxPooling": ("Pooling", _flat_pooling(_MAX)),
    "MaxUnpooling": ("Unpooling", _unpooling),
    "PerDimMeanVarNormalization": ("PerDimMeanVarNormalization", _nothing),
    "Pooling": ("Pooling", _pooling),
    "ROIPooling": ("ROIPooling", _roi_pooling),
    "RectifiedLinear": ("ReLU", _nothing),
    "ReduceElements": ("ReduceElements", _reduction),
    "Reshape": ("Reshape", _reshape),
    "RowStack": ("Splice", _splice),
    "Scale": ("ElementTimes", _nothing),
    "Slice": ("Slice", _slice),
    "SquareError": ("SquaredError", _nothing),
    "SumElements": ("SumAll", _nothing),
    "Times": ("Times", _times),
    "TransposeDimensions": ("TransposeAxes", _transposition),
    "TransposeTimes": ("TransposeTimes", _times),
}
