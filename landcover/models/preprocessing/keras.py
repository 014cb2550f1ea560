"""The steps around a network in Keras's own operations: they run where the network does."""

from __future__ import annotations

from typing import Any

import numpy as np

from landcover.models.preprocessing.specification import Pixels, Wrapping


def plain(pixels: Pixels) -> Pixels:
    """Pixels as JAX and PyTorch take them: contiguous and in the byte order of the machine.

    Numbers of 64 bits, which JAX would cut to 32 by rules of its own, become float32 here; that is
    the first step for all others too, which are sent as they are, as most of them are shorter.

    Args:
        pixels: dims (n, band, y, x), of any dtype.
    """
    native = pixels.dtype.newbyteorder("=")
    # PyTorch warns of arrays that must not be written to.
    return np.require(pixels, np.float32 if native.itemsize > 4 else native, ["C", "W"])


def before(ops: Any, pixels: Any, wrapping: Wrapping, dtype: str) -> Any:
    """From pixels to what the network reads.

    Args:
        ops: ``keras.ops``.
        pixels: dims (n, band, y, x), float32.
        wrapping: the steps.
        dtype: of the network's input.
    """
    value = pixels
    if wrapping.shifts:
        value = ops.subtract(value, wrapping.shift)
    if wrapping.scales:
        value = ops.multiply(value, wrapping.factor)
    if wrapping.reorders:
        value = ops.take(value, np.asarray(wrapping.order, np.int32), axis=1)
    if wrapping.layout == "NHWC":
        value = ops.transpose(value, (0, 2, 3, 1))
    elif wrapping.layout == "NHW":
        value = ops.squeeze(value, axis=1)
    return ops.cast(value, dtype)


def after(ops: Any, returned: Any, wrapping: Wrapping) -> Any:
    """From what the network returns to probabilities, float32.

    Args:
        ops: ``keras.ops``.
        returned: the batch first.
        wrapping: the steps.
    """
    value = ops.cast(returned, "float32")
    output = wrapping.output
    if output is None:
        return value
    if output.softmax:
        value = ops.softmax(value, axis=output.class_axis)
    if output.order() != tuple(range(output.rank)):
        value = ops.transpose(value, output.order())
    return value if output.pixel or output.rank == 2 else ops.squeeze(value, axis=(2, 3))
