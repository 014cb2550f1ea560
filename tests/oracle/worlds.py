"""The case of a number: imagery, a network, and the ground that is asked for."""

from __future__ import annotations

import numpy as np

from oracle import cases
from oracle.cases import Case
from oracle.regions import with_region


def draw(seed: int) -> Case:
    """The case of a number; of six, one is asked for in a region only."""
    case = cases.draw(seed)
    rng = np.random.default_rng([2018, seed])
    return with_region(rng, case) if rng.random() < 1 / 6 else case
