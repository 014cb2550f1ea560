"""Which imagery leaves nothing open: neither rounding, nor which scene is beside which."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import numpy.typing as npt
from rasterio.crs import CRS

from oracle.reading import Axis, axes, near_half, resampled
from oracle.scenes import Scene


def settled(
    rng: np.random.Generator, scene: Scene, resolution: float | None, bands: int
) -> Scene | None:
    """Change pixels until none comes so near a half that single precision rounds another way."""
    if resolution is None or scene.pixels.dtype.kind == "f":
        return scene
    pixels = scene.pixels.copy()
    scaled = _axes(scene, resolution)
    if scaled is None:
        return scene
    valid = _valid(scene)
    empty = None if scene.nodata is None else pixels.dtype.type(scene.nodata)
    for _ in range(60):
        values = resampled(pixels[:bands].astype(np.float64), valid, *scaled)
        bad = near_half(values, pixels.dtype)
        if not bad.any():
            return replace(scene, pixels=pixels)
        for band, row, col in np.argwhere(bad):
            y, x = _one_of(rng, scaled[0].weights[row]), _one_of(rng, scaled[1].weights[col])
            if valid[y, x] and pixels[band, y, x] != empty:
                changed = int(pixels[band, y, x]) + (-2, -1, 1, 2)[rng.integers(4)]
                info = np.iinfo(pixels.dtype)
                if info.min < changed < info.max and changed != empty:
                    pixels[band, y, x] = changed
    return None


def _axes(scene: Scene, resolution: float) -> tuple[Axis, Axis] | None:
    wide, _, high, _ = scene.transform
    found, edge = axes(wide, high, scene.pixels.shape[1:], metres(scene.crs), resolution)
    return None if edge is None else found


def _valid(scene: Scene) -> npt.NDArray[np.bool_]:
    if scene.mask is not None:
        return scene.mask
    if scene.alpha:
        return np.asarray(scene.pixels[-1] > 0)
    if scene.nodata is None:
        return np.ones(scene.pixels.shape[1:], bool)
    return np.asarray((scene.pixels != scene.pixels.dtype.type(scene.nodata)).any(axis=0))


def clear(scenes: list[Scene], resolution: float | None) -> bool:
    """No scene is about half over another, or half a pixel off, or half a pixel too large."""
    own = scenes[0].transform[0]
    edge = own if resolution is None else resolution / metres(scenes[0].crs)
    for one, other in combinations(scenes, 2):
        (wide, left, high, top), (_, left2, _, top2) = one.transform, other.transform
        for away in ((left2 - left) / edge, (top - top2) / edge):
            if abs(away % 1 - 0.5) < 0.03:
                return False
        (rows, cols), (rows2, cols2) = one.pixels.shape[1:], other.pixels.shape[1:]
        across = min(left + wide * cols, left2 + wide * cols2) - max(left, left2)
        down = min(top, top2) - max(top - high * rows, top2 - high * rows2)
        shared = max(0.0, across) * max(0.0, down) / (wide * high)
        parts = shared / (rows * cols), shared / (rows2 * cols2)
        if any(0.4 < part < 0.6 for part in parts) or (parts[0] > 0.5) != (parts[1] > 0.5):
            return False
    return True


def metres(crs: str) -> float:
    return float(CRS.from_user_input(crs).linear_units_factor[1])


def _one_of(rng: np.random.Generator, shares: npt.NDArray[np.float64]) -> int:
    """One of the pixels that have a share."""
    places = np.flatnonzero(shares)
    return int(places[rng.integers(len(places))])
