"""The classes of several runs as one list: a name stands for one class, whichever run has it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.colors import to_hex

from landcover.classes import Scheme
from landcover.report.views import Classes

NOTHING = 255
"""In a picture: a pixel without a class."""
_MOST = NOTHING - 1
_REST = ("rarer classes", "#808080")
TRANSITIONS = "transitions"
"""The name of the scheme of a map of changes."""
_QUIET = ("unchanged", "flicker")

# M. Okabe and K. Ito, "Color universal design" (2008): told apart in all forms of colour blindness.
_OKABE_ITO = (
    *("#e69f00", "#56b4e9", "#009e73", "#f0e442"),
    *("#0072b2", "#d55e00", "#cc79a7", "#000000"),
)


@dataclass(frozen=True)
class ShownClass:
    """A class of the report.

    Args:
        name: as the runs have it.
        color: "#rrggbb", of its scheme.
        safe: "#rrggbb", of a palette whose colours differ to colour-blind people too.
        transition: whether it says what became of a place, and not what it is.
    """

    name: str
    color: str
    safe: str
    transition: bool = False


@dataclass(frozen=True)
class ShownClasses:
    """The classes that occur in some view, at most 254: rarer ones are one class together.

    Args:
        classes: in the order of the first run's scheme, then those of the others.
        indices: of each name its place in ``classes``.
    """

    classes: tuple[ShownClass, ...]
    indices: dict[str, int]

    @classmethod
    def of(cls, schemes: Sequence[Scheme], views: Sequence[Classes]) -> ShownClasses:
        """Those that occur.

        Args:
            schemes: of the runs.
            views: likewise, dims (y, x): classes by index, ``len(scheme)`` where there is none.
        """
        colors: dict[str, str] = {}
        seen: dict[str, int] = {}
        for scheme, view in zip(schemes, views, strict=True):
            counts = np.bincount(view.ravel(), minlength=len(scheme) + 1)
            for item, count in zip(scheme, counts.tolist(), strict=False):
                if count:
                    colors.setdefault(item.name, item.color)
                    seen[item.name] = seen.get(item.name, 0) + count
        names = list(colors)
        if len(names) > _MOST:
            kept = {*sorted(names, key=lambda name: -seen[name])[: _MOST - 1]}
            names = [name for name in names if name in kept]
        indices = {name: names.index(name) if name in names else len(names) for name in colors}
        pairs = [(name, colors[name]) for name in names]
        pairs += [_REST] if len(names) < len(colors) else []
        changes = {item.name for scheme in schemes if scheme.name == TRANSITIONS for item in scheme}
        return cls(tuple(_with_safe_colors(pairs, changes)), indices)

    def picture(self, view: Classes, scheme: Scheme) -> npt.NDArray[np.uint8]:
        """A view by places in ``classes``: dims (y, x), 255 where there is no class."""
        table = [self.indices.get(name, NOTHING) for name in scheme.names]
        found: npt.NDArray[np.uint8] = np.array([*table, NOTHING], np.uint8)[view]
        return found


def _with_safe_colors(pairs: Sequence[tuple[str, str]], changes: set[str]) -> list[ShownClass]:
    """Classes of names and colours; what did not change keeps its grey."""
    kinds = [
        "" if name not in changes else "quiet" if name in _QUIET else "change" for name, _ in pairs
    ]
    safe = {kind: iter(_safe_colors(kinds.count(kind))) for kind in ("", "change")}
    return [
        ShownClass(name, color, color if kind == "quiet" else next(safe[kind]), kind != "")
        for kind, (name, color) in zip(kinds, pairs, strict=True)
    ]


def _safe_colors(count: int) -> list[str]:
    """Colours for so many classes; of more than eight each is lighter than the one before."""
    if count <= len(_OKABE_ITO):
        return list(_OKABE_ITO[:count])
    steps = matplotlib.colormaps["cividis"](np.linspace(0, 1, count))
    return [to_hex(color) for color in steps]
