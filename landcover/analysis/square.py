"""The square of pixels around each pixel of a map, and sums over it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from landcover.errors import ConfigError

_WIDEST = 99
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
