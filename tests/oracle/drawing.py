"""Imagery of random cases."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from oracle.clarity import clear, metres, settled
from oracle.scenes import Scene, holes, layout

Pixels: TypeAlias = npt.NDArray[Any]


class _Kind(NamedTuple):
    """Pixels of a dtype: about this bright, by about so much, between these; values for nodata."""

    middle: float
    spread: float
    least: float
    most: float
    fills: tuple[float, ...]


_LOWEST = float(np.finfo(np.float32).min)
_KINDS = {
    "uint8": (_Kind(120, 40, 0, 255, (0, 255, 7)),),
    "int8": (_Kind(0, 40, -128, 127, (-128, 0)),),
    "uint16": (
        _Kind(1500, 600, 0, 10_000, (0, 65535)),
        _Kind(30_000, 9000, 0, 65535, (0, 65535, 3)),
    ),
    "int16": (_Kind(-200, 900, -9000, 9000, (-9999, -32768, 0)),),
    "int32": (_Kind(20_000, 8000, -200_000, 200_000, (-9999, -(2**31), 2**31 - 1)),),
    "float32": (
        _Kind(0.3, 0.2, -5, 5, (-9999, _LOWEST, np.nan, 0)),
        _Kind(-40, 25, -500, 500, (-9999, np.nan, 1e20)),
    ),
    "float64": (
        _Kind(0.3, 0.2, -5, 5, (-9999, np.nan)),
        _Kind(1500.25, 300.5, -1e4, 1e4, (-9999, _LOWEST)),
    ),
}
_CRS = {
    "EPSG:26914": (500_000.0, 4_000_000.0),
    "EPSG:32733": (731_123.4, 8_123_456.7),
    "EPSG:2249": (763_219.3, 2_954_321.9),  # feet
    "+proj=laea +lat_0=51.3 +lon_0=10.7 +x_0=4321000 +y_0=3210000 +ellps=GRS80 +units=m": (
        4_012_345.6,
        3_101_234.5,
    ),
}
_WITHOUT_METRES = "EPSG:4326"
_PLACES = ("beside", "below", "overlapping", "over", "gap", "corner", "apart", "far")


@dataclass(frozen=True, eq=False)
class Drawn:
    """Scenes of a case.

    Args:
        scenes: in the order in which they are listed.
        bands: with imagery.
        middle: about how bright they are.
        spread: and by how much they differ.
        resolution: metres a pixel that is asked for; None: the scenes' own.
    """

    scenes: tuple[Scene, ...]
    bands: int
    middle: float
    spread: float
    resolution: float | None


def draw_scenes(rng: np.random.Generator) -> Drawn:
    """Scenes about which the documentation leaves nothing open."""
    while True:
        drawn = _drawn(rng)
        if drawn is not None:
            return drawn


def _drawn(rng: np.random.Generator) -> Drawn | None:
    dtype = str(rng.choice(list(_KINDS)))
    kind = _KINDS[dtype][rng.integers(len(_KINDS[dtype]))]
    bands = int(rng.integers(1, 6))
    count = int(rng.choice([1, 2, 3], p=[0.45, 0.35, 0.2]))
    crs = str(rng.choice([*_CRS, _WITHOUT_METRES], p=[0.3, 0.2, 0.2, 0.2, 0.1]))
    own, resolution = _resolutions(rng, crs)
    ratio = 1.0 if resolution is None else resolution / metres(crs) / own
    plain = rng.random() < 0.2
    scenes: list[Scene] = []
    for name in _names(rng, count):
        size = _size(rng, ratio, scenes)
        pixels = _imagery(rng, dtype, kind, bands, *size)
        corner = _corner(rng, own, crs, scenes, size)
        where = (own, corner[0], own, corner[1])
        scene = Scene(name, pixels, where, crs, layout=layout(rng))
        scenes.append(scene if plain else _without_data(rng, scene, kind))
    if resolution is not None and rng.random() < 0.1:  # pixels that are not square
        wide = own * float(rng.choice([0.8, 1.25]))
        scenes = [replace(s, transform=(wide, *s.transform[1:])) for s in scenes[:1]]
    if count > 1 and rng.random() < 0.1:
        scenes[-1] = _of_its_own_kind(rng, scenes[-1])
    clear_ones = [settled(rng, scene, resolution, bands) for scene in scenes]
    if any(scene is None for scene in clear_ones) or not clear(scenes, resolution):
        return None
    kept = tuple(_apart(rng, scene) for scene in clear_ones if scene is not None)
    return Drawn(kept, bands, kind.middle, kind.spread, resolution)


def _names(rng: np.random.Generator, count: int) -> list[str]:
    return [str(name) for name in rng.permutation(["west", "a", "m_3607824"])[:count]]


def _resolutions(rng: np.random.Generator, crs: str) -> tuple[float, float | None]:
    """The edge of a pixel in units of the CRS, and the metres a pixel that are asked for."""
    if crs == _WITHOUT_METRES:
        return float(rng.choice([1e-5, 9.2592592592e-6])), None
    own = float(rng.choice([1.0, 0.6, 0.5, 0.3, 2.0, 10.0, 1 / 3]))
    if rng.random() < 0.5:
        return own, None
    ratio = float(rng.choice([1, 1.005, 2, 2, 4, 0.5, 0.6, 1 / 0.6, 1.5, 0.45, 1.37, 3.3]))
    ratio = 25.0 if rng.random() < 0.02 else ratio
    return own, own * metres(crs) * ratio


def _size(rng: np.random.Generator, ratio: float, before: list[Scene]) -> tuple[int, int]:
    """Rows and columns of the file."""
    rows, cols = rng.integers(14, 80 if ratio < 5 else 20, 2) * max(0.4, ratio)
    if rng.random() < 0.05:
        rows = int(rng.integers(1, 9))  # a sliver
    return max(1, int(rows)), max(1, int(cols))


def _imagery(
    rng: np.random.Generator, dtype: str, kind: _Kind, bands: int, height: int, width: int
) -> Pixels:
    """Patches with noise on them."""
    edge = int(rng.integers(3, 12))
    coarse = rng.normal(0, 0.8, (bands, -(-height // edge), -(-width // edge)))
    patches = coarse.repeat(edge, axis=1).repeat(edge, axis=2)[:, :height, :width]
    values = kind.middle + kind.spread * (patches + rng.normal(0, 0.6, (bands, height, width)))
    values = np.clip(values, kind.least, kind.most)
    return np.rint(values).astype(dtype) if dtype[0] in "iu" else values.astype(dtype)


def _corner(
    rng: np.random.Generator, own: float, crs: str, before: list[Scene], size: tuple[int, int]
) -> tuple[float, float]:
    """x and y of the upper-left corner."""
    if not before:
        if crs == _WITHOUT_METRES:
            return -97.123456 + float(rng.random()), 36.5 + float(rng.random())
        left, top = _CRS[crs]
        return left + float(rng.integers(0, 1000)) / 10, top + float(rng.integers(0, 1000)) / 10
    other = before[rng.integers(len(before))]
    _, left, _, top = other.transform
    height, width = other.pixels.shape[1:]
    slip = float(rng.choice([0, 0, 0.3, -0.2]))
    aside = int(rng.integers(-size[0] // 3, height // 3 + 1))
    right, down = {
        "beside": (width, aside),
        "below": (aside, height),
        "overlapping": (width - max(1, width // 6), aside),
        "over": (2, 1),
        "gap": (width + int(rng.integers(1, 5)), aside),
        "corner": (-size[1], -size[0]),
        "apart": (width * 3, height),
        "far": (width * 300, height * 200),
    }[str(rng.choice(_PLACES, p=[0.26, 0.2, 0.16, 0.06, 0.12, 0.08, 0.06, 0.06]))]
    return left + (right + slip) * own, top - (down + slip) * own


def _without_data(rng: np.random.Generator, scene: Scene, kind: _Kind) -> Scene:
    """Make holes in a scene, in one of the ways to say so."""
    pixels = scene.pixels.copy()
    bands, height, width = pixels.shape
    valid = holes(rng, height, width)
    floats = pixels.dtype.kind == "f"
    how = str(rng.choice(["value", "value", "mask", "alpha", "odd" if floats else "value"]))
    if how == "mask":
        return replace(scene, mask=valid)
    if how == "alpha" and str(pixels.dtype) in ("uint8", "uint16"):
        full = np.iinfo(pixels.dtype).max
        alpha = np.where(valid, full, 0).astype(pixels.dtype)
        return replace(scene, pixels=np.concatenate([pixels, alpha[None]]), alpha=True)
    if how == "odd":  # NaN or infinite, in some bands only, and nothing is declared
        values = np.array([np.nan, np.inf, -np.inf], pixels.dtype)
        for band in rng.permutation(bands)[: rng.integers(1, bands + 1)]:
            pixels[band][~valid] = rng.choice(values, int((~valid).sum()))
        return replace(scene, pixels=pixels)
    fill = kind.fills[rng.integers(len(kind.fills))]
    pixels[:, ~valid] = fill
    # Pixels with the value in one band are not without data. (So far off that single precision
    # has no digits left for the others, they would tell nothing.)
    if abs(fill - kind.middle) < 100 * kind.spread and bands > 1:
        partly = rng.random((height, width)) < 0.01
        pixels[rng.integers(bands)][partly] = fill
    return replace(scene, pixels=pixels, nodata=float(fill))


def _apart(rng: np.random.Generator, scene: Scene) -> Scene:
    """Some scenes have a file for each band."""
    plain = scene.mask is None and not scene.alpha and len(scene.pixels) > 1
    return replace(scene, apart=bool(plain and rng.random() < 0.1))


def _of_its_own_kind(rng: np.random.Generator, scene: Scene) -> Scene:
    """Another dtype, which no other scene is completed by."""
    if scene.pixels.dtype == np.uint8 and not scene.alpha:
        return replace(scene, pixels=scene.pixels.astype(np.uint16))
    return scene
