"""How each class of a generated landscape looks from above: red, green, blue and near infrared.

Brightness is in digital numbers of 8-bit aerial imagery (0 to 255). The sun stands in the
south-east, as on a summer morning of the northern hemisphere: shadows fall to the north-west.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from landcover.datasets.class_map import (
    BARREN,
    CULTIVATED,
    DEVELOPED,
    FOREST,
    HERBACEOUS,
    SHRUB,
    Layout,
    Lots,
)
from landcover.datasets.later import Later
from landcover.datasets.noise import Floats, Noise

_Color = tuple[float, float, float, float]

# Red, green, blue, near infrared: plants are bright in the last, asphalt and soil are not.
_BROADLEAF: _Color = (72, 100, 62, 178)
_CONIFER: _Color = (44, 68, 54, 118)
_SHRUBS: _Color = (78, 98, 62, 150)
_HEATH: _Color = (154, 142, 104, 150)
_MEADOW: _Color = (124, 142, 88, 186)
_DRY_MEADOW: _Color = (168, 164, 112, 172)
_SAND: _Color = (202, 188, 164, 196)
_GRAVEL: _Color = (158, 146, 130, 152)
_ASPHALT: _Color = (112, 112, 116, 100)
_LAWN: _Color = (106, 132, 80, 184)
_DRIVE: _Color = (168, 164, 158, 150)
_SHADOW: _Color = (44, 50, 58, 44)
_HEDGE: _Color = (70, 92, 60, 150)
# Maize, young maize, ripe wheat, bare soil, stubble, lucerne.
_CROPS: Sequence[_Color] = (
    (82, 112, 68, 208),
    (114, 128, 88, 176),
    (196, 178, 130, 170),
    (140, 114, 96, 106),
    (176, 156, 126, 136),
    (100, 132, 80, 204),
)
_ROOFS: Sequence[_Color] = (
    (132, 96, 84, 120),
    (104, 100, 100, 108),
    (160, 150, 142, 150),
    (92, 82, 80, 98),
    (150, 118, 96, 134),
)
_HALLS: Sequence[_Color] = ((224, 224, 222, 214), (184, 184, 188, 176), (146, 140, 138, 140))


@dataclass(frozen=True, eq=False)
class Ground:
    """A block of ground to be painted: coordinates in metres, dims (y, x), and what lies there.

    On a later date than the first one it looks otherwise.
    """

    x: Floats
    y: Floats
    noise: Noise
    layout: Layout
    later: Later | None = None

    def dated(self, name: str) -> str:
        """The name of a field of noise that is another one on a later date."""
        return name if self.later is None else f"{name} later"


def paint(ground: Ground) -> Floats:
    """Return the block's brightness before sensor noise, dims (band, y, x), bands R, G, B, NIR."""
    label = ground.layout.label
    picture = np.zeros((4, *label.shape), np.float32)
    for index, painter in _PAINTERS.items():
        here = label == index
        if here.any():
            picture[:, here] = painter(ground)[:, here]
    light = ground.noise.fractal(ground.dated("light"), ground.x, ground.y, 1200, 2)
    picture *= 1 + 0.05 * light
    if ground.later is not None:
        plants = ~np.isin(label, (BARREN, DEVELOPED))
        picture[:, plants] *= ground.later.drought(ground.noise, ground.x, ground.y)[:, plants]
    return picture


def _forest(ground: Ground) -> Floats:
    x, y, noise = ground.x, ground.y, ground.noise
    crowns = noise.domes("crowns", x, y, 7.5, 6.5, 0.97)
    stand = noise.fractal("stand", x, y, 160, 3)
    conifer = _step(stand + 1.2 * crowns.tint - 0.75, 0.25)
    leaves = _mix(_flat(_BROADLEAF, x), _flat(_CONIFER, x), conifer)
    leaves = leaves * (0.88 + 0.26 * crowns.tint) * _relief(crowns.height, 0.30)
    return _mix(leaves, _flat(_SHADOW, x), 0.8 * _step(0.8 - crowns.height, 0.8))


def _shrub(ground: Ground) -> Floats:
    x, y, noise = ground.x, ground.y, ground.noise
    thick = noise.fractal("thicket", x, y, 70, 2)
    soil = _mix(_flat(_HEATH, x), _flat(_DRY_MEADOW, x), _step(thick, 0.8))
    soil = soil * (1 + 0.10 * noise.fractal("soil", x, y, 9, 2))
    return _planted(ground, soil, "shrubs", (5.5, 3.4, 0.62), _SHRUBS)


def _herbaceous(ground: Ground) -> Floats:
    x, y, noise = ground.x, ground.y, ground.noise
    dry = _step(noise.fractal("dry", x, y, 220, 4), 0.9)
    grass = _mix(_flat(_MEADOW, x), _flat(_DRY_MEADOW, x), dry)
    tufts = noise.fractal("tufts", x, y, 14, 3)
    grass = grass * (1 + 0.07 * tufts + 0.05 * noise.fractal("wet", x, y, 60, 2))
    return _planted(ground, grass, "lone trees", (60.0, 6.0, 0.18), _BROADLEAF)


def _barren(ground: Ground) -> Floats:
    x, y, noise = ground.x, ground.y, ground.noise
    height = noise.fractal("quarry", x, y, 130, 4)
    stones = noise.fractal("stones", x, y, 5, 2)
    soil = _mix(_flat(_SAND, x), _flat(_GRAVEL, x), _step(noise.fractal("sand", x, y, 90, 3), 0.7))
    scrub = noise.domes("scrub", x, y, 13, 2.2, 0.12)
    soil = soil * _relief(30 * height, 0.10) * (1 + 0.07 * stones)
    return _mix(soil, _flat(_SHRUBS, x), scrub.height > 0)


def _cultivated(ground: Ground) -> Floats:
    x, y, noise = ground.x, ground.y, ground.noise
    parcel = ground.layout.parcels
    crop = _pick(_CROPS, noise, ground.dated("crop"), parcel)
    period = 5 + 5 * noise.of_cell("drill", parcel.column, parcel.row)
    # Rows run along the plot; at its ends, where machines turn, they run across.
    along = np.where(parcel.length / 2 - np.abs(parcel.u) < 12, parcel.u, parcel.v)
    rows = np.sin(2 * np.pi * along / period)
    wheels = np.abs(np.mod(parcel.v, 24) - 12) < 1
    shade = 1 + 0.09 * rows + 0.05 * noise.fractal("yield", x, y, 50, 3)
    shade += 0.24 * (noise.of_cell("parcel", parcel.column, parcel.row) - 0.5)
    shade += 0.04 * noise.smooth("slope", x, y, 140)
    field = crop * np.where(wheels, shade * 0.88, shade)
    ragged = parcel.edge + noise.smooth("hedge", x, y, 12)
    hedge = _flat(_HEDGE, x) * (1 + 0.2 * noise.smooth("leaves", x, y, 4))
    bank = np.where(noise.smooth("gaps", x, y, 90) > -0.1, hedge, _flat(_DRY_MEADOW, x))
    return _mix(field, bank, ragged < 3)


def _developed(ground: Ground) -> Floats:
    lots, noise = ground.layout.lots, ground.noise
    grain = 1 + 0.05 * noise.fractal("grain", ground.x, ground.y, 6, 2)
    yards, halls = _yards(ground, lots), _halls(ground, lots)
    built = np.where(ground.layout.dense, halls, yards)
    return _mix(built, _streets(ground), ground.layout.street) * grain


def _streets(ground: Ground) -> Floats:
    wear = 1 + 0.10 * ground.noise.smooth("wear", ground.x, ground.y, 60)
    return _flat(_ASPHALT, ground.x) * wear


def _yards(ground: Ground, lots: Lots) -> Floats:
    """A house with a driveway and trees on each lot."""
    x, noise = ground.x, ground.noise
    lawn = _flat(_LAWN, x) * (1 + 0.30 * (noise.of_cell("lawn", lots.column, lots.row) - 0.5))
    yard = _planted(ground, lawn, "trees", (11.0, 5.0, 0.42), _BROADLEAF)
    side = np.where(noise.of_cell("side", lots.column, lots.row) < 0.5, -1, 1)
    toward = np.where(lots.row % 2 == 0, -lots.v, lots.v)  # grows towards the street
    drive = (np.abs(lots.u - 6.5 * side) < 1.6) & (toward > -3)
    yard = np.where(drive, _flat(_DRIVE, x), yard)
    wide = 5.0 + 2.5 * noise.of_cell("wide", lots.column, lots.row)
    deep = 4.0 + 2.0 * noise.of_cell("deep", lots.column, lots.row)
    roof = _pick(_ROOFS, noise, "roof", lots)
    return _house(lots, yard, roof, (wide, deep), 4.0, True)


def _halls(ground: Ground, lots: Lots) -> Floats:
    """Every other pair of lots holds a hall, the others are for parking."""
    x, noise = ground.x, ground.noise
    even = (lots.column // 2 + lots.row) % 2 == 0
    slots = (np.abs(np.mod(lots.u, 5.0) - 2.5) < 0.5) & (np.abs(np.mod(lots.v, 11.0) - 5.5) < 4)
    cars = noise.of_cell("cars", (lots.u / 2.5).astype(np.int32), (lots.v / 5).astype(np.int32))
    cars = cars + noise.of_cell("rank", lots.column, lots.row)
    tarmac = _flat(_ASPHALT, x) * 1.12
    tarmac = np.where(slots, _flat(_DRIVE, x), tarmac)
    tarmac = np.where(slots & (cars > 1.2), tarmac * 1.35, tarmac)
    pair = lots._replace(column=lots.column // 2, u=lots.u + 20 * (lots.column % 2) - 10)
    roof = _pick(_HALLS, noise, "hall", pair)
    whole = _house(pair, tarmac, roof, (np.full_like(x, 17), np.full_like(x, 13)), 7.0, False)
    return _mix(tarmac, whole, even)


def _house(
    lots: Lots,
    yard: Floats,
    roof: Floats,
    form: tuple[Floats, Floats],
    height: float,
    ridged: bool,
) -> Floats:
    """Put a roof and its shadow on each lot; ``form``: half length and half depth."""
    (wide, deep), (u, v) = form, (lots.u, lots.v)
    reach = height / np.sqrt(2)  # shadows are as long as the house is high
    east = -np.cos(lots.turn) - np.sin(lots.turn)
    south = np.sin(lots.turn) - np.cos(lots.turn)
    shadow = (np.abs(u - reach * east) < wide) & (np.abs(v - reach * south) < deep)
    facing = np.sign(v) * (np.cos(lots.turn) - np.sin(lots.turn))
    lit = 1 + (0.20 * facing if ridged else 0.0)
    picture = _mix(yard, yard * 0.45, shadow)
    return _mix(picture, roof * lit, (np.abs(u) < wide) & (np.abs(v) < deep))


def _planted(
    ground: Ground, soil: Floats, name: str, form: tuple[float, float, float], color: _Color
) -> Floats:
    """Soil with bushes or trees and their shadows; ``form``: spacing, radius, share of the places."""
    plants = ground.noise.domes(name, ground.x, ground.y, *form)
    cast = ground.noise.domes(name, ground.x + form[1] / 2, ground.y + form[1] / 2, *form)
    leaves = _flat(color, ground.x) * (0.8 + 0.4 * plants.tint) * _relief(plants.height, 0.25)
    return _mix(_mix(soil, soil * 0.5, cast.height > 0.5), leaves, plants.height > 0)


def _relief(height: Floats, strength: float) -> Floats:
    """How much brighter slopes are that face the sun, as a factor."""
    down, right = np.gradient(height)
    factor: Floats = np.clip(1 - strength * (down + right) / np.sqrt(2), 0.45, 1.45)
    return factor.astype(np.float32)


def _pick(colors: Sequence[_Color], noise: Noise, name: str, lots: Lots) -> Floats:
    """One of the colours for each plot, dims (band, y, x)."""
    which = (noise.of_cell(name, lots.column, lots.row) * len(colors)).astype(np.intp)
    table = np.array(colors, np.float32).T
    picked: Floats = table[:, which]
    return picked


def _flat(color: _Color, like: Floats) -> Floats:
    return np.broadcast_to(np.array(color, np.float32)[:, None, None], (4, *like.shape))


def _mix(
    first: Floats, second: Floats, share: npt.NDArray[np.floating] | npt.NDArray[np.bool_]
) -> Floats:
    return (first + (second - first) * share).astype(np.float32)


def _step(values: Floats, width: float) -> Floats:
    """0 below ``-width``, 1 above it, a ramp between."""
    ramp: Floats = np.clip(values / (2 * width) + 0.5, 0, 1)
    return ramp


_PAINTERS: dict[int, Callable[[Ground], Floats]] = {
    BARREN: _barren,
    FOREST: _forest,
    SHRUB: _shrub,
    CULTIVATED: _cultivated,
    HERBACEOUS: _herbaceous,
    DEVELOPED: _developed,
}
