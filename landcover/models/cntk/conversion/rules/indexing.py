"""Rules for operations that look things up: gather, one-hot, top-k, regions of interest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from landcover.models.cntk.conversion.onnx_builder import Value
from landcover.models.cntk.conversion.step import Step
from landcover.models.cntk.reader.dictionary import Axis

_MOST_CLASSES: Final = 1 << 20


def gather(step: Step) -> Value:
    """The entries of a table, along its first C-order axis, that the indices name."""
    indices, table = step.take(2)
    if table.batched or not table.rank:
        step.refuse(f"looks up in a table of shape {table.shape} that differs between images")
    places = step.emit("Cast", [indices], to=np.dtype(np.int64))
    tensor = step.emit("Gather", [table, places], axis=0)
    return step.result(tensor, (*indices.shape, *table.shape[1:]), table, indices.batched)


def one_hot(step: Step) -> Value:
    """1 at the position that x names along a new axis, 0 elsewhere."""
    (x,) = step.take(1)
    classes = step.attribute("numClass", int)
    if not 1 <= classes <= _MOST_CLASSES:
        step.refuse(f"{classes} classes")
    place = step.axis(step.attribute("onehotAxis", Axis), x.rank + 1)
    lead = int(x.batched)
    positions = step.emit("Cast", [x], to=np.dtype(np.int64))
    apart = step.emit("Unsqueeze", [positions, np.array([place + lead])])
    each = np.arange(classes).reshape(classes, *(1,) * (x.rank - place))
    # Not ONNX's OneHot: that counts from the end where x is negative, and CNTK has no 1 there.
    tensor = step.emit("Cast", [step.emit("Equal", [apart, each])], to=x.dtype)
    return step.result(tensor, (*x.shape[:place], classes, *x.shape[place:]), x)


def top_k(step: Step) -> Sequence[Value]:
    """The largest values along an axis, in falling order, and where they were."""
    (x,) = step.take(1)
    (axis,) = step.axes(x)
    count, extent = step.attribute("numItems", int), x.shape[axis]
    if count < 1 or (isinstance(extent, int) and count > extent):
        step.refuse(f"the {count} largest of {extent}")
    values, places = step.emit_all("TopK", [x, np.array([count])], 2, axis=axis + int(x.batched))
    shape = [*x.shape[:axis], count, *x.shape[axis + 1 :]]
    positions = step.emit("Cast", [places], to=x.dtype)
    return [step.result(values, shape, x), step.result(positions, shape, x)]


def roi_pooling(step: Step) -> Value:
    """The maximum of each cell of a grid over regions (x1, y1, x2, y2 in pixels) of an image."""
    x, regions = step.take(2)
    step.of_one_type(x, regions)
    if step.attribute("poolingType", int, 0) != 0:
        step.refuse("averages over regions of interest; only their maximum is converted")
    grid = step.numbers("roiOutputShape")
    if x.rank != 3 or regions.rank != 2 or regions.shape[1] != 4 or len(grid) != 2:
        step.refuse(f"pools regions of shape {regions.shape} of an input of shape {x.shape}")
    if min(grid) < 1 or not (x.batched and regions.batched) or x.dtype == np.float64:
        step.refuse("regions of interest are converted per image, in float32, to a known grid")
    count, channels = step.known(regions)[0], step.known(x)[0]
    corners = step.emit("Reshape", [regions, np.array([-1, 4])])
    scale = step.attribute("spatialScale", float, 1.0)
    numbered = step.emit("Concat", [_numbers(step, x, count), corners], axis=1)
    pooled = step.emit("MaxRoiPool", [x, numbered], pooled_shape=list(grid), spatial_scale=scale)
    tensor = step.emit("Reshape", [pooled, np.array([-1, count, channels, *grid])])
    return step.result(tensor, (count, channels, *grid), x)


def _numbers(step: Step, x: Value, count: int) -> str:
    """Return, for each region of each image, the number of the image: (batch * count, 1)."""
    size = step.emit("Gather", [step.emit("Shape", [x]), np.array(0)], axis=0)
    images = step.emit("Range", [np.array(0), size, np.array(1)])
    column = step.emit("Reshape", [images, np.array([-1, 1])])
    repeated = step.emit("Expand", [column, np.array([1, count])])
    flat = step.emit("Reshape", [repeated, np.array([-1, 1])])
    return step.emit("Cast", [flat], to=x.dtype)


RULES: Final[dict[str, Callable[[Step], Value | Sequence[Value]]]] = {
    "Gather": gather,
    "OneHot": one_hot,
    "TopK": top_k,
    "ROIPooling": roi_pooling,
}
