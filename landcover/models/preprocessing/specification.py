"""What is put around a network so that pixels go in as they are and probabilities come out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

Layout: TypeAlias = Literal["NCHW", "NHWC", "NHW"]
"""Order of a network's input: N image, C band, H row, W column; "NHW" has a single band."""

Form: TypeAlias = Literal["scores", "probability", "numbers"]

Activation: TypeAlias = Literal["softmax", "sigmoid", "none"]

Size: TypeAlias = tuple[int, int]

Shape: TypeAlias = tuple[int | None, ...]

Pixels: TypeAlias = npt.NDArray[Any]
"""Dims (n, band, y, x), in the dtype of the imagery."""

Probabilities: TypeAlias = npt.NDArray[np.float32]
"""Dims (n, class) or (n, class, y, x)."""


@dataclass(frozen=True)
class Signature:
    """What a network reads, as far as its file says.

    Args:
        shape: of its input, the batch first; None for a dimension that is free.
        dtype: of its input, as numpy names it.
        channels_last: how its framework orders images where nothing else tells.
        order: of the input's dimensions, where the file says it.
    """

    shape: Shape
    dtype: str
    channels_last: bool = False
    order: Layout | None = None

    @property
    def batch(self) -> int | None:
        """How many images the network insists on, or None if any number will do."""
        return self.shape[0]

    def layout(self, bands: int | None = None) -> Layout:
        """The order of the input's dimensions.

        Args:
            bands: how many bands are known to be read. Without it, and where the file says nothing,
                a window is held to be square; of one that is not in either order, a framework that
                puts channels last does so, and else the smaller dimension is held to be the bands.

        Raises:
            ValueError: an input of this rank is no image.
        """
        if len(self.shape) == 3:
            return "NHW"
        if len(self.shape) != 4:
            raise ValueError(f"its input has {len(self.shape)} dimensions, an image batch has 4")
        if self.order is not None:
            return self.order
        _, first, middle, last = self.shape
        if bands is not None and (first in (bands, None)) != (last in (bands, None)):
            return "NCHW" if first in (bands, None) else "NHWC"
        if (first is None) != (last is None):
            # The one that is known counts bands, unless it is as long as the row or column next to it.
            known = last if first is None else first
            return "NHWC" if (last is None) == (known == middle) else "NCHW"
        if first is not None and middle is not None and (first == middle) != (middle == last):
            return "NHWC" if first == middle else "NCHW"
        if self.channels_last or first is None or last is None or first == last:
            return "NHWC" if self.channels_last else "NCHW"
        return "NCHW" if first < last else "NHWC"


@dataclass(frozen=True)
class Output:
    """How a network's output becomes probabilities.

    Args:
        form: "scores": a number a class; "probability": one number, of the second of two classes;
            "numbers": the number of the class.
        classes: how many there are.
        rank: how many axes the output has, the batch included.
        class_axis: which of them runs over the classes; None where none does, because there is a
            single number, or because a network that returns (n, y, x) has no axis for it.
        cells: rows and columns of what it returns, which may share one axis; None: a label a tile.
        activation: what the network leaves to do: "softmax" or "sigmoid" of logits.
        threshold: of a single probability, from which on the label is the second class.
        quantization: it returns whole numbers q that stand for (q - zero) * scale: (scale, zero).
        stride: pixels of the window from one cell to the next.
        halo: pixels on each side of the window that get no label.
    """

    form: Form
    classes: int
    rank: int
    class_axis: int | None
    cells: Size | None = None
    activation: Activation = "none"
    threshold: float = 0.5
    quantization: tuple[float, float] | None = None
    stride: int = 1
    halo: int = 0

    @property
    def pixel(self) -> bool:
        """A label a pixel; otherwise a label a tile."""
        return self.cells is not None

    @property
    def channels(self) -> int:
        """How many numbers it has for each label."""
        return self.classes if self.form == "scores" else 1

    def order(self) -> tuple[int, ...]:
        """The permutation of its axes that puts the classes behind the batch."""
        first = () if self.class_axis is None else (self.class_axis,)
        return (0, *first, *(axis for axis in range(1, self.rank) if axis not in first))

    @property
    def places(self) -> tuple[int, int] | None:
        """Which of its axes run over rows and columns; None where they share one, or there are none."""
        axes = self.order()[1 if self.class_axis is None else 2 :]
        return (axes[0], axes[1]) if self.cells is not None and len(axes) == 2 else None


@dataclass(frozen=True, eq=False)
class Steps:
    """All steps around a network.

    In: pixels with dims (n, band, y, x) become float32, then (pixel - mean) * scale, then the bands
    take the network's order, then its layout and type. Out: see :class:`Output`; without one the
    network's output is returned as it is, as float32.

    Args:
        layout: of the network's input.
        size: rows and columns of its window, in pixels.
        mean: one number a band, in the order of the pixels given.
        scale: likewise.
        order: for each band of the network, which of the bands given it is.
        output: what is done with the network's output.
        mean_image: in place of ``mean``: a number for every pixel, dims (band, y, x), in the order
            of the pixels given.
    """

    layout: Layout
    size: Size
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    order: tuple[int, ...]
    output: Output | None = None
    mean_image: npt.NDArray[np.float32] | None = None

    @property
    def bands(self) -> int:
        """How many bands the network reads."""
        return len(self.order)

    @property
    def shifts(self) -> bool:
        """Whether a mean is subtracted at all."""
        return self.mean_image is not None or any(self.mean)

    @property
    def shift(self) -> npt.NDArray[np.float32]:
        """What is subtracted from pixels with dims (n, band, y, x): dims (1, band, y or 1, x or 1)."""
        return _per_band(self.mean) if self.mean_image is None else self.mean_image[np.newaxis]

    @property
    def scales(self) -> bool:
        """Whether pixels are scaled at all."""
        return any(value != 1 for value in self.scale)

    @property
    def factor(self) -> npt.NDArray[np.float32]:
        """What pixels are multiplied with, dims (1, band, 1, 1)."""
        return _per_band(self.scale)

    @property
    def reorders(self) -> bool:
        """Whether the network's bands are in another order than those given."""
        return self.order != tuple(range(self.bands))

    @property
    def written(self) -> tuple[range, range] | None:
        """Rows and columns of what the network returns that get a label; None where that is not it."""
        output = self.output
        if output is None or output.cells is None or output.places is None or output.stride > 1:
            return None
        starts = [
            output.halo - (edge - count) // 2
            for edge, count in zip(self.size, output.cells, strict=True)
        ]
        ends = [
            start + edge - 2 * output.halo for start, edge in zip(starts, self.size, strict=True)
        ]
        return range(starts[0], ends[0]), range(starts[1], ends[1])

    def returning(self, shape: Sequence[int | None]) -> Steps:
        """The steps around the same network after it was cropped to what gets a label.

        Args:
            shape: of what it returns now.

        Raises:
            ValueError: that is less than what gets a label.
        """
        if self.output is None or self.written is None or self.output.places is None:
            return self
        rows, columns = (shape[axis] for axis in self.output.places)
        if rows is None or columns is None:
            return self
        needed = [len(one) for one in self.written]
        if rows < needed[0] or columns < needed[1]:
            raise ValueError(f"it labels {rows} x {columns} pixels, not {needed[0]} x {needed[1]}")
        return replace(self, output=replace(self.output, cells=(rows, columns)))


def _per_band(values: tuple[float, ...]) -> npt.NDArray[np.float32]:
    return np.asarray(values, np.float32).reshape(1, -1, 1, 1)
