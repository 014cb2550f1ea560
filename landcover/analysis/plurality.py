"""Maps smoothed by a vote of the pixels around."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from landcover.analysis.square import Square
from landcover.classes import Scheme
from landcover.runs.map_format.area import Codes


@dataclass(frozen=True)
class Plurality(Square):
    """Every pixel takes the class that is commonest around it.

    The pixels of a square vote, each for its class, and the one in the middle several times. Where
    several classes have most votes, the pixel keeps its own if it is among them, else the first of the
    scheme wins. Pixels without a class neither vote nor get one; at the rim of the map fewer vote.

    Args:
        window: pixels along the side of the square, odd.
        centre: how many votes the middle has.

    Raises:
        ConfigError: if a number is out of its range.
    """

    centre: int = 2

    def apply(self, codes: Codes, scheme: Scheme) -> Codes:
        """The smoothed map of codes: dims (y, x), both."""
        own = np.zeros(codes.shape, np.uint16)
        present = [item.code for item in scheme if (codes == item.code).any()]
        for code in present:
            mask = codes == code
            own[mask] = self.summed(mask.astype(np.uint16))[mask]
        best, found = own, codes.copy()
        for code in present:
            votes = self.summed((codes == code).astype(np.uint16))
            more = (votes > best) & (codes != scheme.nodata)
            best[more], found[more] = votes[more], code
        return found
