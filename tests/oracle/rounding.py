"""What single precision leaves open: numbers, and how far off it may have each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

Floats: TypeAlias = npt.NDArray[np.float64]

UNIT = 2.0**-24
"""By how much of itself a number changes at most when it is rounded to single precision."""


@dataclass(frozen=True, eq=False)
class Rounded:
    """Numbers in double precision, and how far off single precision may have them.

    The errors run along with the numbers, each term of a sum being rounded once: a sum is off by
    what its terms are, and by 2**-24 of all their sizes. At worst n terms that are added one after
    the other are rounded n times; but vector units add in eight lanes or more, weights are of both
    signs here, so that partial sums walk about 0, and roundings are independent of one another: a
    test adds in eight lanes and stays below. So errors are large where a network is given numbers
    far beyond those it is made for, such as a fill value of 65535 in imagery about 1500, and nowhere
    else.

    Args:
        value: the numbers.
        error: of the same shape, not below 0.
    """

    value: Floats
    error: Floats

    def __getitem__(self, place: Any) -> Rounded:
        return Rounded(self.value[place], self.error[place])

    def __sub__(self, other: Rounded) -> Rounded:
        value = self.value - other.value
        return Rounded(value, self.error + other.error + UNIT * np.abs(value))

    def __truediv__(self, other: Rounded) -> Rounded:
        value = self.value / other.value
        size = np.abs(other.value)
        return Rounded(value, (self.error + np.abs(value) * other.error) / size)

    def __abs__(self) -> Rounded:
        return Rounded(np.abs(self.value), self.error)

    @property
    def _terms(self) -> Floats:
        """How far off these numbers are as terms of a sum, before their weights."""
        return np.asarray(self.error + UNIT * np.abs(self.value))

    def more(self, number: float) -> Rounded:
        """A number added to each."""
        return Rounded(self.value + number, self.error)

    def positive(self) -> Rounded:
        """0 in place of what is below it."""
        return Rounded(np.maximum(self.value, 0), self.error)

    def mean(self, axes: tuple[int, ...], *, keep: bool) -> Rounded:
        """The means over some axes."""
        value, error = (one.mean(axis=axes, keepdims=keep) for one in (self.value, self._terms))
        return Rounded(value, error)

    def weighted(self, weights: npt.NDArray[np.float32]) -> Rounded:
        """The sums of a dense layer: dims (n, in) and (in, out) make (n, out)."""
        exact = weights.astype(np.float64)
        rows = (one.reshape(len(one), -1) for one in (self.value, self._terms))
        value, error = (row @ w for row, w in zip(rows, (exact, np.abs(exact)), strict=True))
        return Rounded(value, error)

    def convolved(self, kernel: npt.NDArray[np.float32], pad: int) -> Rounded:
        """The sums of a convolution of dims (n, band, y, x), padded with zeros."""
        exact = kernel.astype(np.float64)
        pairs = (self.value, exact), (self._terms, np.abs(exact))
        value, error = (_convolved(images, weights, pad) for images, weights in pairs)
        return Rounded(value, error)


def _convolved(images: Floats, kernel: Floats, pad: int) -> Floats:
    padded = np.pad(images, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = sliding_window_view(padded, kernel.shape[2:], axis=(2, 3))
    return np.asarray(np.einsum("nbyxij,cbij->ncyx", windows, kernel, optimize=True))
