"""Seeded noise as pure functions of ground coordinates, so that blocks of a scene meet seamlessly.

All functions take coordinates in metres, two float32 arrays of one shape, and return float32 arrays
of that shape. Random numbers come from periodic tables of 256 x 256 values, one for each name.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.floating[Any]]

_PERIOD = 256
# The octaves of fractal noise are turned against each other to hide the lattice they lie on.
_TURN = 0.6435


class Nearest(NamedTuple):
    """The nearest of scattered points: its lattice cell, and how far the border to the next is.

    Args:
        column: int32, the cell's column.
        row: int32, the cell's row.
        border: distance to the line midway between this point and the second nearest, in metres.
    """

    column: npt.NDArray[np.int32]
    row: npt.NDArray[np.int32]
    border: Floats


class Domes(NamedTuple):
    """Half spheres standing on the ground, as crowns of trees do.

    Args:
        height: above the ground in metres, 0 between the domes.
        tint: a number in [0, 1) for each dome, 0 between them.
    """

    height: Floats
    tint: Floats


@dataclass(frozen=True)
class Noise:
    """A family of noise fields: the same seed and name give the same field."""

    seed: int

    def of_cell(self, name: str, column: npt.NDArray[Any], row: npt.NDArray[Any]) -> Floats:
        """A random number in [0, 1) for each cell of a lattice, given by int32 columns and rows."""
        last = _PERIOD - 1
        numbers: Floats = _table(self.seed, name)[row & last, column & last]
        return numbers

    def smooth(self, name: str, x: Floats, y: Floats, wavelength: float) -> Floats:
        """Smooth noise in [-1, 1] whose features are about a wavelength (metres) apart."""
        (column, tx), (row, ty) = _split(x, wavelength), _split(y, wavelength)
        tx, ty = tx * tx * (3 - 2 * tx), ty * ty * (3 - 2 * ty)
        upper = self._between(name, column, row, tx)
        lower = self._between(name, column, row + 1, tx)
        return 2 * (upper + (lower - upper) * ty) - 1

    def fractal(self, name: str, x: Floats, y: Floats, wavelength: float, octaves: int) -> Floats:
        """The sum of octaves, each of half the wavelength and strength of the one before.

        Its values lie in (-2, 2), most of them in [-1, 1].
        """
        total, strength = np.zeros_like(x), 1.0
        for octave in range(octaves):
            east, south = turned(x, y, np.float32(_TURN * octave))
            total += strength * self.smooth(f"{name}{octave}", east, south, wavelength)
            wavelength, strength = wavelength / 2, strength / 2
        return total

    def nearest(self, name: str, x: Floats, y: Floats, spacing: float) -> Nearest:
        """The nearest of points scattered one to a cell of ``spacing`` metres (a Voronoi map)."""
        found = _Closest.far(x)
        (column, _), (row, _) = _split(x, spacing), _split(y, spacing)
        for j in (-1, 0, 1):
            for i in (-1, 0, 1):
                east, south = self._point(name, column + i, row + j, spacing)
                found = found.with_point(column + i, row + j, east, south, x, y)
        return found.result()

    def domes(
        self, name: str, x: Floats, y: Floats, spacing: float, radius: float, share: float
    ) -> Domes:
        """Domes one to a cell of ``spacing`` metres, in a ``share`` (0 to 1) of the cells.

        ``radius`` is that of the largest, at most ``spacing``; the smallest have half of it.
        """
        height, tint = np.zeros_like(x), np.zeros_like(x)
        (column, _), (row, _) = _split(x, spacing), _split(y, spacing)
        for j in (-1, 0, 1):
            for i in (-1, 0, 1):
                east, south = self._point(name, column + i, row + j, spacing)
                own = self.of_cell(f"{name} tint", column + i, row + j)
                size = radius * (0.5 + 0.5 * self.of_cell(f"{name} size", column + i, row + j))
                size = np.where(self.of_cell(f"{name} there", column + i, row + j) < share, size, 0)
                rise = np.sqrt(np.maximum(size**2 - (x - east) ** 2 - (y - south) ** 2, 0))
                tint = np.where(rise > height, own, tint)
                height = np.maximum(height, rise)
        return Domes(height, tint)

    def _between(
        self, name: str, column: npt.NDArray[np.int32], row: npt.NDArray[np.int32], t: Floats
    ) -> Floats:
        left = self.of_cell(name, column, row)
        return left + (self.of_cell(name, column + 1, row) - left) * t

    def _point(
        self, name: str, column: npt.NDArray[np.int32], row: npt.NDArray[np.int32], spacing: float
    ) -> tuple[Floats, Floats]:
        east = (column + self.of_cell(f"{name} x", column, row)) * np.float32(spacing)
        south = (row + self.of_cell(f"{name} y", column, row)) * np.float32(spacing)
        return east.astype(np.float32), south.astype(np.float32)


def turned(x: Floats, y: Floats, angle: Floats | np.floating[Any]) -> tuple[Floats, Floats]:
    """Coordinates along axes that are turned by ``angle`` radians; turned by ``-angle``, they return."""
    cosine, sine = np.cos(angle), np.sin(angle)
    return x * cosine + y * sine, y * cosine - x * sine


@dataclass(frozen=True, eq=False)
class _Closest:
    """The two nearest points seen so far, and the first one's cell."""

    column: npt.NDArray[np.int32]
    row: npt.NDArray[np.int32]
    first: tuple[Floats, Floats, Floats]  # squared distance, x, y
    second: tuple[Floats, Floats, Floats]

    @classmethod
    def far(cls, x: Floats) -> _Closest:
        cell, nowhere = np.zeros(x.shape, np.int32), np.zeros_like(x)
        away = (np.full_like(x, 1e12), nowhere, nowhere)
        return cls(cell, cell, away, away)

    def with_point(
        self,
        column: npt.NDArray[np.int32],
        row: npt.NDArray[np.int32],
        east: Floats,
        south: Floats,
        x: Floats,
        y: Floats,
    ) -> _Closest:
        new = ((x - east) ** 2 + (y - south) ** 2, east, south)
        best, good = new[0] < self.first[0], new[0] < self.second[0]
        pairs = zip(self.first, self.second, new, strict=True)
        firsts, seconds = zip(
            *((np.where(best, n, f), np.where(best, f, np.where(good, n, s))) for f, s, n in pairs),
            strict=True,
        )
        return _Closest(
            np.where(best, column, self.column), np.where(best, row, self.row), firsts, seconds
        )

    def result(self) -> Nearest:
        (d1, x1, y1), (d2, x2, y2) = self.first, self.second
        apart = np.maximum(np.hypot(x2 - x1, y2 - y1), 1e-3)
        return Nearest(self.column, self.row, (d2 - d1) / (2 * apart))


def _split(values: Floats, step: float) -> tuple[npt.NDArray[np.int32], Floats]:
    """Cells of ``step`` metres, and the place within the cell in [0, 1)."""
    scaled = values / np.float32(step)
    whole = np.floor(scaled)
    return whole.astype(np.int32), scaled - whole


@cache
def _table(seed: int, name: str) -> Floats:
    generator = np.random.default_rng([seed, zlib.crc32(name.encode())])
    return generator.random((_PERIOD, _PERIOD), dtype=np.float32)
