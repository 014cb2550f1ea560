"""Which label a tile gets from the classes at places in it, and why another one gets none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from landcover.classes import Scheme, classes_of, crosswalk, scheme
from landcover.errors import ConfigError
from landcover.labelling.settings import LabelSettings

Labels = npt.NDArray[np.int16]
"""Of tiles: the index of a class, or ``-1 - i`` for the reason ``REASONS[i]`` why there is none."""
Places = npt.NDArray[np.intp]

REASONS = (
    "no reference",
    "no class",
    "mixed",
    "beyond the scene",
    "at a border",
    "no data",
    "unreadable",
)
"""Why tiles are left out: nothing is known of their ground; it is of no class that is asked for; it is
of several; they reach beyond their scene; they lie at the border of another split, or in none; some of
their pixels hold no data; they cannot be read."""
# Of a place that counts: shares are sums of parts, and rounding is no reason.
_SLACK = 1e-9


class Asked(NamedTuple):
    """How a tile is looked at.

    Args:
        steps: places along each of its sides, at the centres of equal parts; None: as close as the
            pixels of the reference.
        share: of the places that must be of one class, above 0 up to 1.
    """

    steps: int | None
    share: float

    @classmethod
    def of(cls, settings: LabelSettings) -> Asked:
        """The three rules are one: so many places, and what part of them must agree."""
        steps = {"nine-point": 3, "centre": 1, "majority": None}[settings.rule]
        return cls(steps, settings.share if settings.rule == "majority" else 1.0)


def label(places: Places, classes: int, asked: Asked) -> Labels:
    """The labels of tiles.

    Args:
        places: dims (tile, place): the index of a class; ``classes`` where it is none that is asked
            for, ``classes + 1`` where there is no reference.
        classes: how many there are.
        asked: what part of the places must agree; of two with as many the first class counts.

    Returns:
        dims (tile,)
    """
    tiles, each = places.shape
    cells = np.arange(tiles)[:, None] * (classes + 2) + places
    counts = np.bincount(cells.ravel(), minlength=tiles * (classes + 2)).reshape(tiles, -1)
    most = counts[:, :classes].max(axis=1)
    unknown = counts[:, classes + 1]
    found: Labels = counts[:, :classes].argmax(axis=1).astype(np.int16)
    found[most < asked.share * each - _SLACK] = -1 - REASONS.index("mixed")
    found[most == 0] = -1 - REASONS.index("no class")
    found[unknown == each] = -1 - REASONS.index("no reference")
    return found


@dataclass(frozen=True)
class Legend:
    """The classes of tiles, and which of them each class of a reference stands for.

    Args:
        scheme: of the tiles.
        recoded: the index of a class of the tiles for each of the reference; ``len(scheme)`` for
            those that stand for none that is wanted, ``len(scheme) + 1`` in the last place, for no
            reference.
    """

    scheme: Scheme
    recoded: tuple[int, ...]

    def of(self, found: Places) -> Places:
        """Classes of a reference, by index, as those of tiles."""
        recoded: Places = np.array(self.recoded, np.intp)[found]
        return recoded


def legend_of(settings: LabelSettings, reference: Scheme) -> Legend:
    """The classes that are asked for, of a reference with some scheme.

    Raises:
        ConfigError: if there is no such scheme, no way to it, or no class of a name.
    """
    target, codes = _target(settings, reference)
    wanted = target.names if settings.classes is None else settings.classes
    names = {name.casefold() for name in wanted}
    unknown = [name for name in wanted if name.casefold() not in map(str.casefold, target.names)]
    if unknown:
        listed = ", ".join(target.names[:8]) + (", ..." if len(target) > 8 else "")
        told = [f"no class is called {name!r}; there are {listed}" for name in unknown]
        raise ConfigError(told, "labels.classes")
    index = {item.code: i for i, item in enumerate(target) if item.name.casefold() in names}
    recoded = [index.get(codes.get(code, -1), len(target)) for code in reference.codes]
    return Legend(target, (*recoded, len(target) + 1))


def _target(settings: LabelSettings, reference: Scheme) -> tuple[Scheme, Mapping[int, int]]:
    """The classes of tiles, and their codes by those of the reference."""
    if settings.groups is not None:
        return _grouped(settings.groups, reference)
    name = settings.scheme or ("nlcd6" if reference.name == "nlcd" else reference.name)
    if name == reference.name:
        return reference, {code: code for code in reference.codes}
    return scheme(name), crosswalk(reference.name, name)


def _grouped(
    groups: Mapping[str, tuple[int, ...]], reference: Scheme
) -> tuple[Scheme, Mapping[int, int]]:
    target = classes_of(tuple(groups))
    codes: dict[int, int] = {}
    mistakes = []
    for item, (name, members) in zip(target, groups.items(), strict=True):
        for code in members:
            if code not in reference.codes:
                mistakes.append(f"{name}: {code} is no code of scheme {reference.name!r}")
            elif code in codes:
                mistakes.append(f"{name}: {code} is in another group as well")
            codes[code] = item.code
    if mistakes:
        raise ConfigError(mistakes, "labels.groups")
    return target, codes
