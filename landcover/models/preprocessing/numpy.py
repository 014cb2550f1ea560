"""The steps between pixels and probabilities in numpy, for a library that has no graph of ours."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from landcover.models.preprocessing.specification import Pixels, Probabilities, Wrapping


def before(pixels: Pixels, wrapping: Wrapping) -> npt.NDArray[np.float32]:
    """From pixels to what the network reads.

    Args:
        pixels: dims (n, band, y, x), of any dtype.
        wrapping: the steps.

    Returns:
        float32, C-contiguous, in the layout of the network.
    """
    value: npt.NDArray[np.float32] = pixels.astype(np.float32)
    if wrapping.shifts:
        value -= wrapping.shift
    if wrapping.scales:
        value *= wrapping.factor
    if wrapping.reorders:
        value = value[:, list(wrapping.order)]
    if wrapping.layout == "NHWC":
        value = value.transpose(0, 2, 3, 1)
    elif wrapping.layout == "NHW":
        value = value[:, 0]
    return np.ascontiguousarray(value)


def after(returned: npt.NDArray[Any], wrapping: Wrapping) -> Probabilities:
    """From what the network returns to probabilities.

    Args:
        returned: the batch first.
        wrapping: the steps.

    Returns:
        float32 with dims (n, class) or (n, class, y, x); as it is where the steps have no output.
    """
    value: Probabilities = np.asarray(returned, np.float32)
    output = wrapping.output
    if output is None:
        return value
    if output.softmax:
        value = np.exp(value - value.max(axis=output.class_axis, keepdims=True))
        value /= value.sum(axis=output.class_axis, keepdims=True)
    value = value.transpose(output.order())
    return value if output.pixel or output.rank == 2 else value[:, :, 0, 0]
