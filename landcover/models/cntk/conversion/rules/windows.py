"""Where the windows of convolution and pooling lie: CNTK's arithmetic, one axis at a time.

The rules are those of ``ConvolveGeometry`` in CNTK 2.7. Automatic padding centres the windows: it
is neither TensorFlow's SAME nor symmetric, and may leave out the first samples (a negative pad).
"""

from __future__ import annotations

from dataclasses import dataclass

from landcover.models.cntk.conversion.onnx_builder import Dim


@dataclass(frozen=True, slots=True)
class Axis:
    """How windows slide along one axis.

    Args:
        extent: of the input.
        kernel: number of taps; stride and dilation: steps between windows and between taps.
        auto: whether the windows are centred, with as many as stride allows.
        lower, upper: explicit padding, for windows that are not centred.
        ceil: whether a last window that is only partly inside counts.
    """

    extent: Dim
    kernel: int
    stride: int = 1
    dilation: int = 1
    auto: bool = False
    lower: int = 0
    upper: int = 0
    ceil: bool = False

    @property
    def reach(self) -> int:
        """The number of samples from the first tap to the last."""
        return (self.kernel - 1) * self.dilation + 1

    @property
    def slides(self) -> bool:
        """Whether there is anything to do along this axis."""
        return (self.kernel, self.stride, self.lower, self.upper) != (1, 1, 0, 0)


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the windows of an axis came to lie.

    Args:
        windows: how many there are.
        before: padding before the first sample; negative: samples to leave out.
        after: padding after the last sample, at least 0.
    """

    windows: Dim
    before: int
    after: int


def place(axis: Axis) -> Placement | None:
    """Return where the windows lie, or None where no window fits or a free extent decides it."""
    if isinstance(axis.extent, str):
        return _place_free(axis)
    n, stride, reach = axis.extent, axis.stride, axis.reach
    span = n - 1 if axis.auto else n + axis.lower + axis.upper - reach
    if span < 0:
        return None
    windows = -(-span // stride) + 1 if axis.ceil else span // stride + 1
    extra = n - ((windows - 1) * stride + 1)
    before = (reach - 1) // 2 - int(extra / 2) if axis.auto else axis.lower
    after = (windows - 1) * stride + reach - n - before
    if before >= 0 and not axis.ceil:
        # The padding that needs no knowledge of the extent; what is too much of it is never read.
        after = max(after, reach - 1 - before) if axis.auto else axis.upper
    return Placement(windows, before, max(after, 0))


def _place_free(axis: Axis) -> Placement | None:
    if axis.ceil or (axis.auto and axis.stride > 2):
        return None
    before = (axis.reach - 1) // 2 if axis.auto else axis.lower
    after = axis.reach - 1 - before if axis.auto else axis.upper
    same = axis.stride == 1 and before + after == axis.reach - 1
    return Placement(axis.extent if same else _derived(axis.extent), before, after)


def _derived(extent: Dim) -> str:
    base, _, count = str(extent).partition("'")
    return f"{base}'{int(count or 0) + 1}"
