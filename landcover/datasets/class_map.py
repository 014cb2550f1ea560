"""Which class lies where in a generated landscape: zones, parcels, lots and roads.

Natural covers have winding borders. Parcels (farmland) and lots (towns) are cultivated or developed
as a whole, so that their borders are straight. Districts, about a kilometre wide, give parcels and
streets their direction, and country roads follow the borders of districts.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from landcover.datasets.later import Later
from landcover.datasets.noise import Floats, Noise, turned

# The order of the classes in this module and in ``landcover.classes.scheme("nlcd6")``.
BARREN, FOREST, SHRUB, CULTIVATED, HERBACEOUS, DEVELOPED = range(6)

_CELL = 4.0  # metres a cell of the coarse map of zones
_FEATURE = 900.0  # metres between the centres of neighbouring zones of a class
# What part of the scene each class shall have, in the order above.
_SHARES = np.array([0.08, 0.28, 0.12, 0.22, 0.14, 0.16])
_ROAD = 4.0  # metres from a country road's middle to its edge
_STREET = 9.0  # metres across a street


class Lots(NamedTuple):
    """A brick pattern of plots, each pixel's place in it; arrays of one shape, lengths in metres.

    Args:
        column: int32, the plot's column in the pattern, unlike that of any neighbour in its row.
        row: int32, the plot's row.
        u: along the plot's length, from its middle.
        v: across, from its middle.
        length: of a plot.
        depth: of a plot.
        turn: radians from the axes of the scene to those of the plot.
    """

    column: npt.NDArray[np.int32]
    row: npt.NDArray[np.int32]
    u: Floats
    v: Floats
    length: float
    depth: float
    turn: Floats

    @property
    def edge(self) -> Floats:
        """Distance to the plot's own edge."""
        return np.minimum(self.length / 2 - np.abs(self.u), self.depth / 2 - np.abs(self.v))


class Layout(NamedTuple):
    """What lies where in a block of ground.

    Args:
        label: uint8, index of the class in the order of this module.
        parcels: farmland.
        lots: land in towns.
        street: bool, a street of a town or a country road.
        dense: bool, a district with large buildings.
    """

    label: npt.NDArray[np.uint8]
    parcels: Lots
    lots: Lots
    street: npt.NDArray[np.bool_]
    dense: npt.NDArray[np.bool_]


class ClassMap:
    """A coarse map of the classes, refined block by block with :meth:`layout`.

    Args:
        noise: the random numbers.
        size: edge of the scene, in metres.
        later: what differs on a later date; None: the first one.
    """

    def __init__(self, noise: Noise, size: int, later: Later | None = None) -> None:
        self.noise, self.size, self.later = noise, size, later
        strength = _strengths(noise, size)
        self._any = strength.argmax(0).astype(np.uint8)
        strength[[CULTIVATED, DEVELOPED]] = -np.inf
        self._wild = strength.argmax(0).astype(np.uint8)

    def layout(self, x: Floats, y: Floats) -> Layout:
        """What lies at these places, in metres from the scene's upper-left corner."""
        bend = 70 * self.noise.fractal("bend x", x, y, 700, 2)
        sway = 70 * self.noise.fractal("bend y", x, y, 700, 2)
        district = self.noise.nearest("district", x + bend, y + sway, 1100)
        turn = np.pi * self.noise.of_cell("turn", district.column, district.row)
        dense = self.noise.of_cell("dense", district.column, district.row) < 0.3
        parcels = _plots(x, y, turn, 210.0, 130.0)
        lots, street = _town(x, y, turn)
        road = district.border < _ROAD
        fray = 22 * self.noise.fractal("fray x", x, y, 130, 5)
        tear = 22 * self.noise.fractal("fray y", x, y, 130, 5)
        label = self._at(self._wild, x + fray, y + tear)
        label[self._at(self._any, *_middle(x, y, parcels)) == CULTIVATED] = CULTIVATED
        middle = _middle(x, y, lots)
        town = self._at(self._any, *middle) == DEVELOPED
        if self.later is not None:
            town |= self.later.sites(self.noise, *middle)
        label[town | road] = DEVELOPED
        return Layout(label, parcels, lots, (street & town) | road, dense)

    def _at(self, zones: npt.NDArray[np.uint8], x: Floats, y: Floats) -> npt.NDArray[np.uint8]:
        last = len(zones) - 1
        columns, rows = (np.clip(v / _CELL, 0, last).astype(np.int32) for v in (x, y))
        found: npt.NDArray[np.uint8] = zones[rows, columns]
        return found


def _strengths(noise: Noise, size: int) -> Floats:
    """Dims (class, y, x): the class of the largest value holds a cell; shares are as wanted."""
    places = (np.arange(0, size + _CELL, _CELL) + _CELL / 2).astype(np.float32)
    x, y = np.meshgrid(places, places)
    fields = np.stack([noise.fractal(f"zone {c}", x, y, _FEATURE, 3) for c in range(len(_SHARES))])
    sample = fields[:, ::4, ::4]
    bias = np.zeros((len(_SHARES), 1, 1), np.float32)
    for _ in range(60):  # enough for every share to come within a percent of what is wanted
        held = np.bincount((sample + bias).argmax(0).ravel(), minlength=len(_SHARES))
        bias[:, 0, 0] += 0.8 * (_SHARES - held / held.sum())
    return fields + bias


def _plots(x: Floats, y: Floats, turn: Floats, length: float, depth: float) -> Lots:
    u, v = turned(x, y, turn)
    row = np.floor(v / depth).astype(np.int32)
    shift = ((row * 7) % 10) / 10 * length  # rows are bricks: their plots do not line up
    column = np.floor((u + shift) / length).astype(np.int32)
    return Lots(
        column,
        row,
        (u + shift - (column + 0.5) * length).astype(np.float32),
        (v - (row + 0.5) * depth).astype(np.float32),
        length,
        depth,
        turn,
    )


def _town(x: Floats, y: Floats, turn: Floats) -> tuple[Lots, npt.NDArray[np.bool_]]:
    """Lots of 20 x 32 m, twelve to a block with streets around it; and where the streets are."""
    across, blocks = 20.0, _plots(x, y, turn, 6 * 20.0 + _STREET, 2 * 32.0 + _STREET)
    street = blocks.edge < _STREET / 2
    part = np.clip(np.floor(blocks.u / across), -3, 2).astype(np.int32)
    side = (blocks.v >= 0).astype(np.int32)
    u = blocks.u - (part + np.float32(0.5)) * across
    v = blocks.v - np.where(side == 1, np.float32(16), np.float32(-16))
    column, row = blocks.column * 6 + part + 3, blocks.row * 2 + side
    return Lots(column, row, u, v, across, 32.0, turn), street


def _middle(x: Floats, y: Floats, lots: Lots) -> tuple[Floats, Floats]:
    """Where the middle of each pixel's plot lies in the scene."""
    east, south = turned(lots.u, lots.v, -lots.turn)
    return x - east, y - south
