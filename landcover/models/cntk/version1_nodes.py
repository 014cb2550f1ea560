"""What the nodes of legacy files are: their content, in the words of v2.

Each entry of :data:`NODES` has v2's name for the operation and a function that reads the content of
the node, as far as the version of the file has it, into v2's attributes. The layout is that of the
nodes' ``Save`` methods in the sources of CNTK; versions are CNTK's model versions 1 to 31.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from landcover.models.cntk.cursor import Cursor
from landcover.models.cntk.dictionary import INFERRED, Axis, Dictionary, Shape
from landcover.models.cntk.step import ALL_AXES, ALL_STATIC_AXES
from landcover.models.cntk.wire import WireError

Content: TypeAlias = Callable[[Cursor, int], Dictionary]

_MAX, _AVERAGE = 1, 2
_CHANNELS_FIRST: Final = 1


def _nothing(cursor: Cursor, version: int) -> Dictionary:
    return {}


def _times(cursor: Cursor, version: int) -> Dictionary:
    rank = cursor.int64() if version >= 3 else 1
    if version >= 12:
        cursor.int32()  # a hint for inferring shapes
    return {"outputRank": rank}


def _dropout(cursor: Cursor, version: int) -> Dictionary:
    if version >= 16:
        cursor.take(16)  # the state of the random numbers
    return {}


def _windows(cursor: Cursor, version: int) -> Dictionary:
    """Read what convolution and pooling have in common since version 5."""
    found: Dictionary = {"kernelShape": cursor.shape(), "mapCount": cursor.shape()}
    found["strides"] = cursor.shape()
    found["sharing"] = cursor.booleans()
    found["autoPadding"] = cursor.booleans()
    found["lowerPad"] = cursor.shape()
    found["upperPad"] = cursor.shape()
    found["poolKind"] = cursor.int32()
    _check_layout(cursor.int32())
    cursor.take(8)  # how much memory to use
    found["transpose"] = cursor.boolean() if version >= 9 else False
    found["outputShape"] = cursor.shape() if version >= 20 else Shape((0,))
    found["ceilOutDim"] = cursor.boolean() if version >= 21 else False
    found["includePad"] = cursor.boolean() if version >= 23 else False
    return found


def _convolution(cursor: Cursor, version: int) -> Dictionary:
    if version < 5:
        return _flat_convolution(cursor)
    found = _windows(cursor, version)
    found["flat"] = cursor.boolean()
    found["dilation"] = cursor.shape() if version >= 18 else Shape((1,))
    return found


def _flat_convolution(cursor: Cursor) -> Dictionary:
    width, height = cursor.int64(), cursor.int64()
    across, down = cursor.int64(), cursor.int64()
    cursor.take(4)  # the number of maps: the weights have it, too
    _check_layout(cursor.int32())
    padded = cursor.boolean()
    cursor.take(8)  # how much memory to use
    return {
        "kernelShape": Shape((1, height, width)),
        "strides": Shape((1, down, across)),
        "sharing": [True],
        "autoPadding": [padded],
        "flat": True,
    }


def _pooling(cursor: Cursor, version: int) -> Dictionary:
    if version < 5:
        raise WireError(f"pooling of version {version}, which came in with version 5")
    found = _windows(cursor, version)
    if found["poolKind"] not in (_MAX, _AVERAGE):
        raise WireError(f"pooling of unknown kind {found['poolKind']}")
    found["poolingWindowShape"] = found["kernelShape"]
    found["poolingType"] = found["poolKind"] - _MAX
    return found


def _flat_pooling(kind: int) -> Content:
    def read(cursor: Cursor, version: int) -> Dictionary:
        _check_layout(cursor.int32())
        width, height = cursor.int32(), cursor.int64()
        across, down = cursor.int64(), cursor.int64()
        return {
            "poolingType": kind - _MAX,
            "poolingWindowShape": Shape((height, width)),
            "strides": Shape((down, across)),
        }

    return read


def _unpooling(cursor: Cursor, version: int) -> Dictionary:
    found = _windows(cursor, version)
    return {**found, "unpoolingWindowShape": found["kernelShape"], "poolingType": 0}


def _roi_pooling(cursor: Cursor, version: int) -> Dictionary:
    found: Dictionary = {"roiOutputShape": cursor.shape()}
    found["poolingType"] = cursor.int32() - _MAX if version >= 26 else 0
    found["spatialScale"] = cursor.float64() if version >= 26 else 0.0625
    return found


def _reshape(cursor: Cursor, version: int) -> Dictionary:
    begin, end = cursor.int32(), cursor.int32()  # from 1 on; 0 is the first or past the last axis
    new = Shape(extent or INFERRED for extent in cursor.shape())
    found: Dictionary = {"newShape": new, "beginAxis": Axis(max(begin - 1, 0), "")}
    return {**found, "endAxis": Axis(end - 1, "")} if end > 0 else found


def _reduction(cursor: Cursor, version: int) -> Dictionary:
    count = cursor.int32() if version >= 27 else 1
    axes = [_reduced_axis(cursor.int32()) for _ in range(min(max(count, 0), 64))]
    found: Dictionary = {"axisVec": axes, "reductionOpName": cursor.text()}
    found["reductionKeepDimensions"] = cursor.boolean() if version >= 24 else axes[0].index >= 0
    return found


def _normalization(cursor: Cursor, version: int) -> Dictionary:
    if version < 6:
        raise WireError("batch normalization of before version 6")
    found: Dictionary = {"spatial": cursor.boolean(), "inverted": version < 13}
    cursor.take(16)  # time constants of training
    layout = cursor.int32()
    if found["spatial"]:
        _check_layout(layout)
    cursor.take(1 if version == 19 else 8)  # the number of samples seen in training
    found["epsilon"] = cursor.float64()
    cursor.take(1)  # which engine
    return found


def _splice(cursor: Cursor, version: int) -> Dictionary:
    return {"axis": _axis(cursor.int32() if version >= 3 else 1)}


def _slice(cursor: Cursor, version: int) -> Dictionary:
    count = cursor.int32() if version >= 22 else 1
    found: Dictionary = {
        "axisVec": [],
        "beginIndexVec": [],
        "endIndexVec": [],
        "sliceStridesVec": [],
    }
    for _ in range(min(max(count, 0), 64)):
        begin, extent = cursor.int64(), cursor.int64()
        found["beginIndexVec"].append(begin)
        found["endIndexVec"].append(begin + extent)
        found["axisVec"].append(_axis(cursor.int32() if version >= 3 else 1))
        found["sliceStridesVec"].append(cursor.int32() if version >= 27 else 1)
    return found


def _transposition(cursor: Cursor, version: int) -> Dictionary:
    first, second = (cursor.int32(), cursor.int32()) if version >= 3 else (1, 2)
    if version >= 25 and first == 0 == second:
        order = [Axis(cursor.int64(), "") for _ in range(cursor.count(8))]
        return {"axisVec": order}
    return {"axis1": _axis(first), "axis2": _axis(second)}


def _crop(cursor: Cursor, version: int) -> Dictionary:
    offset = [cursor.float64(), cursor.float64()]
    if not all(number.is_integer() and 0 <= number < 2**31 for number in offset):
        raise WireError("a crop whose offset is to be found from the network")
    return {"offset": [int(number) for number in offset]}


def _lost(cursor: Cursor, version: int) -> Dictionary:
    raise WireError("the legacy format does not keep the settings of this operation")


def _axis(number: int) -> Axis:
    if number < 1:
        raise WireError(f"the axis {number}, which is that of a sequence")
    return Axis(number - 1, "")


def _reduced_axis(number: int) -> Axis:
    if number in (0, -1):
        return Axis(ALL_STATIC_AXES if number == 0 else ALL_AXES, "")
    return _axis(number)


def _check_layout(layout: int) -> None:
    if layout != _CHANNELS_FIRST:
        raise WireError(
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
