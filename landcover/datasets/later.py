"""How generated ground looks when it is flown again, some years later."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from landcover.datasets.noise import Floats, Noise

_SPACING, _RADIUS = 500.0, 150.0  # metres from one building site to the next, and of the largest
# What plants return in a dry summer, as a factor: more red, less near infrared.
_DRY = np.array([1.16, 1.06, 1.04, 0.88], np.float32)


@dataclass(frozen=True)
class Later:
    """What differs on the later of two dates.

    Fields have other crops, the light is another, and so is the noise of the sensor.

    Args:
        built: at which share of places, one to 500 x 500 m, something was built, in [0, 1]: streets
            and lots within up to 150 m. 0.25 makes about 3 % of the ground newly developed.
        dryness: how dry the summer is: 0 as before, 1 with plants that return 16 % more red and 12 %
            less near infrared in the middle, more on some grounds than on others.
    """

    built: float = 0.25
    dryness: float = 1.0

    def sites(self, noise: Noise, x: Floats, y: Floats) -> npt.NDArray[np.bool_]:
        """Whether places in metres lie within a building site, dims (y, x)."""
        return noise.domes("building sites", x, y, _SPACING, _RADIUS, self.built).height > 0

    def drought(self, noise: Noise, x: Floats, y: Floats) -> Floats:
        """By which factor plants are brighter: dims (band, y, x)."""
        here = self.dryness * (1 + 0.5 * noise.fractal("drought", x, y, 400, 3))
        factor: Floats = _DRY[:, None, None] ** here.astype(np.float32)
        return factor
