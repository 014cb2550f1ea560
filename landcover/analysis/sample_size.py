"""How many points a stratified sample takes, and how they are shared among the strata."""

from __future__ import annotations

import math
from collections.abc import Mapping

from landcover.errors import ConfigError

_MOST = 2.0**31  # the root of more pixels than any map has
FEWEST = 50
"""Points of a stratum that are the least, as Olofsson et al. (2014), section 5.1.2, advise (50 to 100)."""


def sample_size(
    sizes: Mapping[str, float], expected: Mapping[str, float], standard_error: float
) -> int:
    """How many points give the overall accuracy a standard error.

    Olofsson et al. (2014), equation 13, for a map that has many more pixels than points: the square
    of the sum of W_i sqrt(U_i (1 - U_i)) over the standard error, with W_i the share of stratum i.

    Args:
        sizes: of the strata, in any unit.
        expected: the user's accuracy U_i that each stratum is thought to have, in (0, 1).
        standard_error: of the overall accuracy, in (0, 1).

    Raises:
        ConfigError: if a number is out of its range.
    """
    mistakes = [
        f"an expected user's accuracy lies between 0 and 1, not at {value:g} as for {name!r}"
        for name, value in expected.items()
        if not 0 < value < 1
    ]
    if not 0 < standard_error < 1:
        mistakes.append(f"a standard error lies between 0 and 1, not at {standard_error:g}")
    if mistakes:
        raise ConfigError(mistakes, "the sample")
    whole = sum(sizes.values())
    spread = sum(
        size / whole * math.sqrt(expected[name] * (1 - expected[name]))
        for name, size in sizes.items()
    )
    # What asks for more points than there are is told so where they are shared.
    return math.ceil(min(spread / standard_error, _MOST) ** 2)


def allocated(sizes: Mapping[str, int], points: int, fewest: int = FEWEST) -> dict[str, int]:
    """Share points among strata.

    Every stratum gets ``fewest`` (or all of its pixels, where it has less), since rare classes would
    get next to none by their size; what is left is shared by size among those that are entitled to
    more (Olofsson et al. 2014, section 5.1.2).

    Args:
        sizes: of the strata, in pixels.
        points: of the whole sample.
        fewest: points of a stratum, two or more.

    Raises:
        ConfigError: if a stratum is a single pixel, or there are not enough points.
    """
    single = [name for name, size in sizes.items() if size < 2]
    mistakes = [
        f"class {name!r} has a single pixel, and no sample of one has a standard error: smooth the "
        "map (landcover smooth), and sample that"
        for name in single
    ]
    if fewest < 2:
        mistakes.append(f"each stratum needs two points or more, not {fewest}")
    least = {name: min(fewest, size) for name, size in sizes.items()}
    if points < sum(least.values()):
        mistakes.append(
            f"{points} points are not enough for {len(sizes)} strata of {fewest} or more each: draw "
            f"{sum(least.values())}, or allow fewer in each (--minimum)"
        )
    if mistakes:
        raise ConfigError(mistakes, "the sample")
    return _shared(sizes, points, least)


def _shared(sizes: Mapping[str, int], points: int, least: Mapping[str, int]) -> dict[str, int]:
    """Points in proportion to sizes, but ``least`` where that is more, and no more than there are."""
    fixed: dict[str, int] = {}
    while True:
        free = {name: size for name, size in sizes.items() if name not in fixed}
        left, whole = points - sum(fixed.values()), sum(free.values())
        exact = {name: left * size / whole for name, size in free.items()}
        bound = {name: least[name] for name, value in exact.items() if value < least[name]}
        bound |= {name: sizes[name] for name, value in exact.items() if value > sizes[name]}
        if not bound:
            break
        fixed |= bound
        if len(fixed) == len(sizes):
            return {name: fixed[name] for name in sizes}
    found = {name: math.floor(value) for name, value in exact.items()}
    rest = sorted(exact, key=lambda name: (found[name] - exact[name], name))
    for name in rest[: left - sum(found.values())]:
        found[name] += 1
    return {name: fixed.get(name, found.get(name, 0)) for name in sizes}
