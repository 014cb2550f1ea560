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
        # Where a square holds one class, which is nearly everywhere, there is nothing to count.
        places = np.flatnonzero(self.mixed(codes) & (codes != scheme.nodata))
        own = codes.ravel()[places]
        mine, most = np.zeros(len(places), np.uint16), np.zeros(len(places), np.uint16)
        winner = own.copy()
        for code in scheme.codes if len(places) else ():
            votes = self.summed_at(codes == code, places)
            more, same = votes > most, own == code
            most[more], winner[more] = votes[more], code
            mine[same] = votes[same]
        found = codes.copy()
        found.ravel()[places] = np.where(mine == most, own, winner)
        return found
