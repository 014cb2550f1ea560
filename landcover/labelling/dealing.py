"""Scenes dealt out to splits; those that show the same ground go together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import shapely


def dealt_scenes(
    outlines: Sequence[Any], keys: Sequence[int], tiles: Sequence[int], wanted: Sequence[float]
) -> list[int]:
    """Deal scenes out to splits; those that show the same ground go together.

    Args:
        outlines: of scenes, in the plane.
        keys: random numbers, one each: in the order of these they are dealt.
        tiles: how many each has.
        wanted: shares of the splits, by their places; 0 for those that are not made.

    Returns:
        the place of the split of each; -1 for all where there are fewer places than splits.
    """
    groups = _together(outlines)
    order = sorted(groups, key=lambda group: min(keys[one] for one in group))
    splits = [place for place, share in enumerate(wanted) if share > 0]
    if len(order) < len(splits):
        return [-1] * len(outlines)
    total, held = sum(tiles), [0.0] * len(wanted)
    found = [-1] * len(outlines)
    for number, group in enumerate(order):
        lack = [share * total - has for share, has in zip(wanted, held, strict=True)]
        to = splits[number] if number < len(splits) else max(splits, key=lack.__getitem__)
        held[to] += sum(tiles[one] for one in group)
        for one in group:
            found[one] = to
    return found


def _together(outlines: Sequence[Any]) -> list[list[int]]:
    """Scenes that show the same ground: more than half of the smaller of two."""
    group = list(range(len(outlines)))

    def first(one: int) -> int:
        while group[one] != one:
            one = group[one]
        return one

    tree = shapely.STRtree(outlines)
    for one, other in tree.query(outlines, predicate="intersects").T.tolist():
        if one < other:
            least = min(outlines[one].area, outlines[other].area)
            if outlines[one].intersection(outlines[other]).area > least / 2:
                group[first(other)] = first(one)
    found: dict[int, list[int]] = {}
    for one in range(len(outlines)):
        found.setdefault(first(one), []).append(one)
    return list(found.values())
