"""What a map of changes shows: its classes are transitions, with codes, names and colours."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

import numpy as np

from landcover.analysis.change.alignment import Labels
from landcover.analysis.change.decision import Judged
from landcover.classes import LandClass, Scheme
from landcover.errors import ConfigError
from landcover.runs.map_format.area import Codes

UNCHANGED, FLICKER = 0, 1
_FIRST = 2
_QUIET = {UNCHANGED: "#ececec", FLICKER: "#9a9a9a"}
_MOST = 254  # classes of which all transitions have codes in a map


@dataclass(frozen=True)
class Legend:
    """The codes of transitions: the same for the same classes, whichever occur.

    Args:
        classes: what is compared.
    """

    classes: Scheme

    @cached_property
    def scheme(self) -> Scheme:
        """Unchanged (0), flicker (1), and from 2 on each class to each other one.

        A transition has the colour of the class that it leads to, darker or lighter by where from.

        Raises:
            ConfigError: if there are too many classes, or names that read alike as transitions.
        """
        if len(self.classes) > _MOST:
            reason = f"{len(self.classes)} classes have too many transitions for one map: {_MOST} at most"
            raise ConfigError([reason], "change")
        items = [LandClass(UNCHANGED, "unchanged", _QUIET[UNCHANGED])]
        items.append(LandClass(FLICKER, "flicker", _QUIET[FLICKER]))
        for place, before in enumerate(self.classes):
            for to, after in enumerate(self.classes):
                if place != to:
                    color = _shaded(after.rgb, place / max(len(self.classes) - 1, 1))
                    name = f"{before.name} to {after.name}"
                    items.append(LandClass(self.code(place, to), name, color))
        return Scheme("transitions", tuple(items))

    def code(self, before: int, after: int) -> int:
        """The code of a transition between two classes of the scheme."""
        return _FIRST + before * (len(self.classes) - 1) + after - (after > before)

    def pair(self, code: int) -> tuple[int, int]:
        """The two classes of a transition."""
        before, rest = divmod(code - _FIRST, len(self.classes) - 1)
        return before, rest + (rest >= before)

    def codes(self, judged: Judged, first: Labels, last: Labels, threshold: float) -> Codes:
        """The map: dims (y, x), in the dtype of :attr:`scheme`.

        Args:
            judged: what became of the places.
            first: the class of each at the first date, dims (y, x).
            last: likewise at the last one.
            threshold: how probable a change has to be.
        """
        before, after = first.astype(np.int32), last.astype(np.int32)
        codes = _FIRST + before * (len(self.classes) - 1) + after - (after > before)
        decided = judged.changed & (judged.score >= threshold)
        codes = np.where(decided, codes, UNCHANGED)
        codes[judged.flicker] = FLICKER
        codes[~judged.known] = self.scheme.nodata
        return codes.astype(self.scheme.dtype)

    def style(self, present: Collection[int]) -> bytes:
        """A style by which QGIS shows the map, from a file ``.qml`` beside it.

        Args:
            present: the codes that are listed.
        """
        root = Element("qgis", version="3.28", styleCategories="Symbology")
        pipe = SubElement(root, "pipe")
        attributes = {"type": "paletted", "band": "1", "opacity": "1", "alphaBand": "-1"}
        palette = SubElement(
            SubElement(pipe, "rasterrenderer", {**attributes, "nodataColor": ""}), "colorPalette"
        )
        for code in sorted(present):
            item = self.scheme.by_code[code]
            entry = {"value": str(code), "color": item.color, "alpha": "255", "label": item.name}
            SubElement(palette, "paletteEntry", entry)
        ElementTree.indent(root)
        text = ElementTree.tostring(root, encoding="unicode")
        doctype = "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"
        return (doctype + text + "\n").encode()


def _shaded(rgb: tuple[int, int, int], share: float) -> str:
    """A colour between darker and lighter forms of itself."""
    toward, amount = (0, 0.35 * (1 - 2 * share)) if share < 0.5 else (255, 0.35 * (2 * share - 1))
    mixed = [round(one + (toward - one) * amount) for one in rgb]
    return "#" + "".join(f"{one:02x}" for one in mixed)
