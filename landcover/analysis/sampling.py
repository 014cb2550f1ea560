"""A stratified random sample of the pixels (or tiles) of a run's map, and what people made of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from landcover.analysis.areas import areas
from landcover.analysis.map_blocks import Progress, map_blocks, map_names, no_progress
from landcover.analysis.sample_size import FEWEST, allocated, sample_size
from landcover.errors import ConfigError, MissingExtra, OutputError
from landcover.runs.directory import RunDirectory
from landcover.tiles.reprojection import in_crs

if TYPE_CHECKING:
    import geopandas as gpd

EXPECTED = 0.8
"""The user's accuracy that a class is thought to have where nothing is said of it."""


def draw_sample(
    run: RunDirectory,
    *,
    size: int | None = None,
    standard_error: float | None = None,
    sizes: Mapping[str, int] | None = None,
    expected: Mapping[str, float] | None = None,
    fewest: int = FEWEST,
    seed: int = 0,
    progress: Progress = no_progress,
) -> gpd.GeoDataFrame:
    """Draw pixels of a run's map at random, class by class, each pixel of a class as likely as any.

    The strata are the classes of the map. How many points there are is given for each class
    (``sizes``), or as a whole (``size``), or follows from a standard error of the overall accuracy;
    :func:`landcover.analysis.sample_size.allocated` says how they are shared among classes.

    Args:
        run: the directory of a run that is done.
        size: points of the whole sample.
        standard_error: of the overall accuracy, in its place: Olofsson et al. (2014), equation 13.
        sizes: points by class, in place of both; classes that are not named get none and have to be
            absent from the map.
        expected: the user's accuracy each class is thought to have, for ``standard_error``; 0.8
            where a class is not named.
        fewest: points that every class gets.
        seed: the same one draws the same points.
        progress: called after each block of the map, which is read twice.

    Returns:
        a row a point, in random order, in the CRS of the map (of the first where several have
        several): ``point`` (from 1), ``stratum``, ``stratum_pixels`` and ``stratum_hectares`` (of the
        whole stratum), ``stratum_points`` (drawn from it), ``map_hectares``, ``mapped``, ``code``,
        ``reference`` (empty, for who looks at the place) and the middle of the pixel.

    Raises:
        ConfigError: if the numbers cannot be.
        OutputError: if the run is not done, has no map, or it cannot be read.
        MissingExtra: if geopandas is not installed.
    """
    try:
        import geopandas
    except ModuleNotFoundError as error:
        raise MissingExtra("a sample", "report", "geopandas") from error
    map_names(run)
    table = areas(run, progress=progress)
    strata = table[table["pixels"] > 0]
    if strata.empty:
        raise OutputError(run.path, "has a map without any class: there is nothing to draw from")
    pixels = {str(name): int(count) for name, count in strata["pixels"].items()}
    points = _points(run, pixels, size, standard_error, sizes, expected or {}, fewest)
    rng = np.random.default_rng(seed)
    picked = {
        run.scheme.names.index(name): np.sort(rng.choice(pixels[name], count, replace=False))
        for name, count in points.items()
        if count
    }
    frames = []
    for crs, frame in _picked(run, picked, progress).items():
        placed = geopandas.points_from_xy(frame.pop("x"), frame.pop("y"), crs=crs)
        frames.append(geopandas.GeoDataFrame(frame, geometry=placed))
    found = pd.concat([in_crs(frame, frames[0].crs) for frame in frames], ignore_index=True)
    names = found.pop("index").map(dict(enumerate(run.scheme.names)))
    found = found.assign(
        stratum=names,
        stratum_pixels=names.map(strata["pixels"]),
        stratum_hectares=names.map(strata["hectares"]),
        stratum_points=names.map(points),
        map_hectares=float(table["hectares"].sum()),
        mapped=names,
        code=names.map(strata["code"]),
        reference=pd.Series([None] * len(found), dtype=object),
    )
    mixed = found.iloc[rng.permutation(len(found))].reset_index(drop=True)
    mixed.insert(0, "point", range(1, len(mixed) + 1))
    return mixed


def _points(
    run: RunDirectory,
    pixels: Mapping[str, int],
    size: int | None,
    standard_error: float | None,
    sizes: Mapping[str, int] | None,
    expected: Mapping[str, float],
    fewest: int,
) -> dict[str, int]:
    """Points by class."""
    if sum(one is not None for one in (size, standard_error, sizes)) != 1:
        raise ConfigError(
            ["say how many points, or a standard error, or points by class"], "the sample"
        )
    unknown = [name for name in (*(sizes or ()), *expected) if name not in run.scheme.names]
    if unknown:
        known = ", ".join(run.scheme.names[:8])
        raise ConfigError([f"the map has no class {unknown[0]!r}: there is {known}"], "the sample")
    if sizes is not None:
        return _given(pixels, sizes)
    if size is None:
        thought = {name: expected.get(name, EXPECTED) for name in pixels}
        size = sample_size(pixels, thought, float(standard_error or 0))
        size = max(size, sum(min(fewest, count) for count in pixels.values()))
    if size > sum(pixels.values()):
        reason = (
            f"the map has {sum(pixels.values()):,} pixels with a class, fewer than {size:,} points"
        )
        raise ConfigError([reason], "the sample")
    return allocated(pixels, size, fewest)


def _given(pixels: Mapping[str, int], sizes: Mapping[str, int]) -> dict[str, int]:
    mistakes = []
    for name, count in pixels.items():
        wanted = sizes.get(name, 0)
        if wanted < 2:
            mistakes.append(
                f"class {name!r} is on the map and needs two points or more, not {wanted}"
            )
        elif wanted > count:
            mistakes.append(f"class {name!r} has {count:,} pixels, fewer than {wanted:,} points")
    if mistakes:
        raise ConfigError(mistakes, "the sample")
    return {name: sizes[name] for name in pixels}


def _picked(
    run: RunDirectory, picked: Mapping[int, npt.NDArray[np.int64]], progress: Progress
) -> dict[str, pd.DataFrame]:
    """Where the pixels lie that were picked by their rank in a class: tables of x, y, index by CRS."""
    seen = np.zeros(len(run.scheme) + 1, np.int64)
    found: dict[str, list[pd.DataFrame]] = {}
    for block in map_blocks(run, progress):
        counts = np.bincount(block.classes.ravel(), minlength=len(seen))
        for index, ranks in picked.items():
            first, last = np.searchsorted(ranks, (seen[index], seen[index] + counts[index]))
            if first < last:
                places = np.flatnonzero(block.classes == index)[ranks[first:last] - seen[index]]
                rows, cols = np.divmod(places, block.classes.shape[1])
                a, _, c, _, e, f = block.part.transform
                place = {"x": c + a * (cols + 0.5), "y": f + e * (rows + 0.5)}
                frame = pd.DataFrame({**place, "index": index})
                found.setdefault(block.grid.crs, []).append(frame)
        seen += counts
    return {crs: pd.concat(frames, ignore_index=True) for crs, frames in found.items()}
