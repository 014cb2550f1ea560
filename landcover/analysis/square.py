"""The square of pixels around each pixel of a map, and sums over it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from landcover.errors import ConfigError

_WIDEST = 99
Mask = npt.NDArray[np.bool_]
Values = TypeVar("Values", bound=npt.NDArray[Any])


@dataclass(frozen=True)
class Square:
    """A square whose middle counts several times.

    Args:
        window: pixels along the side of the square, odd.
        centre: how many times the middle counts.

    Raises:
        ConfigError: if a number is out of its range.
    """

    window: int = 3
    centre: int = 1

    def __post_init__(self) -> None:
        mistakes = []
        if not (1 < self.window <= _WIDEST and self.window % 2):
            mistakes.append(
                f"a window is 3, 5, 7 or more pixels wide, up to {_WIDEST}, not {self.window}"
            )
        if not 1 <= self.centre <= self.window**2:
            mistakes.append(
                f"the middle of a window of {self.window} x {self.window} has 1 to {self.window**2} "
                f"votes, not {self.centre}"
            )
        if mistakes:
            raise ConfigError(mistakes, "smoothing")

    @property
    def margin(self) -> int:
        """How far around a pixel others decide on it."""
        return self.window // 2

    def summed(self, values: Values) -> Values:
        """The sum around each pixel: dims (y, x) or (y, x, class), as the values; beyond the rim is 0."""
        height, width = values.shape[:2]
        sides = [(self.margin, self.margin)] * 2 + [(0, 0)] * (values.ndim - 2)
        padded = np.pad(values, sides)
        down = padded[:height].copy()
        for row in range(1, self.window):
            down += padded[row : row + height]
        total: Any = values * values.dtype.type(self.centre - 1)
        for col in range(self.window):
            total += down[:, col : col + width]
        return total  # type: ignore[no-any-return]

    def summed_at(self, mask: Mask, places: npt.NDArray[np.intp]) -> npt.NDArray[np.uint16]:
        """How often a mask is true around some pixels: dims (place,).

        Args:
            mask: dims (y, x).
            places: of the pixels in the flat mask.
        """
        if not mask.any():
            return np.zeros(len(places), np.uint16)
        if self.window * len(places) > mask.size:
            return self.summed(mask.astype(np.uint16)).ravel()[places]
        width = mask.shape[1] + 2 * self.margin
        padded = np.pad(mask, self.margin).ravel()
        corner = (
            places + places // mask.shape[1] * 2 * self.margin
        )  # of the square, in the padded mask
        found: npt.NDArray[np.uint16] = mask.ravel()[places] * np.uint16(self.centre - 1)
        for row in range(self.window):
            for col in range(self.window):
                found += padded[corner + (row * width + col)]
        return found

    def mixed(self, values: Values) -> Mask:
        """Where the square holds several values: dims (y, x), as the values."""
        height, width = values.shape
        padded = np.pad(values, self.margin, mode="edge")  # of the square, in any case
        least, most = padded[:height].copy(), padded[:height].copy()
        for row in range(1, self.window):
            np.minimum(least, padded[row : row + height], out=least)
            np.maximum(most, padded[row : row + height], out=most)
        found = np.zeros(values.shape, np.bool_)
        for col in range(self.window):
            found |= least[:, col : col + width] != values
            found |= most[:, col : col + width] != values
        return found
