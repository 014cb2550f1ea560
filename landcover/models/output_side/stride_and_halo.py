"""Stride and halo of a network that labels pixels: told, read from its graph, or tried out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, floor

from landcover.config import ModelSettings
from landcover.errors import ModelError
from landcover.models.graph_analysis.output_stride import Cells
from landcover.models.preprocessing.interpolation import first_centre
from landcover.models.preprocessing.specification import Size

_KEYS = "output_stride (and halo) in the sidecar or the configuration"


@dataclass(frozen=True)
class Place:
    """Where what a network returns lies in its window.

    Args:
        stride: pixels from one element to the next; 1: a label a pixel.
        halo: pixels on each side of the window that get no label.
    """

    stride: int
    halo: int


def place_of(
    edges: Size,
    counts: Size,
    find: Callable[[int], Cells | None],
    told: ModelSettings,
    shown: str,
) -> Place:
    """Find out where in its window what a network returns lies.

    Args:
        edges: rows and columns of the window.
        counts: rows and columns that it returns.
        find: finds the cells of rows (0) or columns (1); asked only where it is not clear.
        told: what is told about it.
        shown: the model's name in messages.

    Raises:
        ModelError: it cannot be found out, or what is told does not fit.
    """
    settled = told.output_stride is not None and told.halo is not None
    found = [
        _Axis(edge, count, None if edge == count or settled else find(axis))
        for axis, (edge, count) in enumerate(zip(edges, counts, strict=True))
    ]
    if told.output_stride is not None:
        strides = {told.output_stride}
    else:
        strides = {_stride(axis, shown) for axis in found}
    stride = strides.pop()
    if strides or not all(axis.fits(stride) for axis in found):
        raise ModelError(shown, f"{_returns(edges, counts)}: {_reason(told.output_stride)}")
    return Place(stride, _halo(found, stride, told.halo, shown))


@dataclass(frozen=True)
class _Axis:
    """Pixels of the window along an axis, elements returned, and what was found out about them."""

    edge: int
    count: int
    cells: Cells | None

    def fits(self, stride: int) -> bool:
        """Whether so many elements a stride apart lie in the window."""
        return first_centre(self.edge, self.count, stride) >= 0

    def first(self, stride: int) -> float:
        """Where the first element lies: in the middle of the window; of pixels that cannot, the pixel before."""
        centre = first_centre(self.edge, self.count, stride)
        return floor(centre) if stride == 1 else centre


def _stride(axis: _Axis, shown: str) -> int:
    """The stride of an axis that is not told; what was found must agree with a place in the middle."""
    if axis.edge == axis.count:
        return 1
    cells = axis.cells
    returns = f"reads {axis.edge} pixels and returns {axis.count}"
    if axis.count > axis.edge:
        reason = (
            "which have no pixels of their own: name the layer before it enlarges them in 'head'"
        )
        raise ModelError(shown, f"{returns}, {reason}, or export it without that")
    stride = 0 if cells is None else max(1, round(cells.stride))
    if cells is not None and abs(cells.stride / stride - 1) <= 0.2 and axis.fits(stride):
        # Networks with padding on one side only lie up to half a cell beside the middle.
        beside = abs(cells.first - axis.first(stride))
        if beside <= stride / 2 + cells.blur + (0.25 if stride == 1 else 0.5):
            return stride
        raise ModelError(
            shown,
            f"{returns}, {stride} apart, of which the first lies at pixel {round(cells.first, 2):g}, not in the "
            "middle of its window: export it with as much left out on one side as on the other, or, if that "
            f"is not so, set {_KEYS}",
        )
    raise ModelError(
        shown,
        f"{returns}: whether it labels the middle of its "
        "window or every so many pixels of it cannot be told, or it does neither: set "
        f"{_KEYS}",
    )


def _halo(axes: list[_Axis], stride: int, told: int | None, shown: str) -> int:
    """How many pixels on each side of the window get no label.

    Those beyond the centres of the outermost elements, for which there is nothing to interpolate
    between. Of a network with an output stride also those whose elements see beyond the window, as
    long as half of the window is left; those of a network without one say that it has been trained
    to label its window's edge.
    """
    outside = max(ceil(first_centre(axis.edge, axis.count, stride)) for axis in axes)
    least, edge = outside, min(axis.edge for axis in axes)
    if told is not None:
        if told < least or 2 * told >= edge:
            reason = (
                f"halo is told to be {told}: it must be {least} or more, less than {edge / 2:g}"
            )
            raise ModelError(shown, reason)
        return told
    if stride > 1:
        for axis in axes:
            if axis.cells is not None and axis.cells.reach is not None:
                first = first_centre(axis.edge, axis.count, stride)
                cut = max(0, ceil((axis.cells.reach - axis.cells.first - 0.5) / stride))
                least = max(least, ceil(first + stride * cut))
        # All elements lie on one lattice, which begins in the scene's corner.
        least = least if edge - 2 * least >= edge / 2 else outside
        lost = int(first_centre(edge, min(axes, key=lambda a: a.edge).count, stride))
        least += -(least - (lost - (stride - 1) // 2)) % stride
    if 2 * least >= edge:
        raise ModelError(shown, "labels no pixel of its window: set input_size to a larger one")
    return least


def _returns(edges: Size, counts: Size) -> str:
    read, labelled = (" x ".join(map(str, size)) for size in (edges, counts))
    return f"reads {read} pixels and returns {labelled}"


def _reason(stride: int | None) -> str:
    if stride is None:
        return f"not the same stride or not the same number less on each side: set {_KEYS}"
    return f"these do not lie evenly in the window, output_stride {stride} apart: correct it"
