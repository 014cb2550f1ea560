"""How a CRS shows the ground: by formulas of its projection."""

from __future__ import annotations

import numpy as np
import pyproj
import pytest
from hypothesis import given
from hypothesis import strategies as st

from landcover.tiles.rasters.crs import stretch_at

SPHERE = 6371007.181  # of MODIS, whose tiles are sinusoidal


@given(lon=st.floats(-60, 60), lat=st.floats(-75, 75))
def test_the_sinusoidal_projection_shears_and_keeps_areas(lon: float, lat: float) -> None:
    """Snyder 1987, page 247: x = R lon cos(lat), y = R lat, whose derivatives tell the angle."""
    crs = f"+proj=sinu +R={SPHERE} +units=m +type=crs"
    x, y = SPHERE * np.radians(lon) * np.cos(np.radians(lat)), SPHERE * np.radians(lat)
    found = stretch_at(crs, x, y, 1.0)
    sheared = np.degrees(np.arctan(abs(np.radians(lon) * np.sin(np.radians(lat)))))
    assert found.shear == pytest.approx(sheared, abs=0.01)
    assert found.across == pytest.approx(1, rel=1e-5)
    assert found.areal == pytest.approx(1, rel=1e-3)


def test_utm_shears_nothing_and_shows_its_middle_smaller() -> None:
    x, y = pyproj.Transformer.from_crs(4326, 32618, always_xy=True).transform(-75, 45)
    found = stretch_at("EPSG:32618", x, y, 1.0)
    assert found.shear < 1e-3
    assert (found.across, found.down) == pytest.approx((0.9996, 0.9996), rel=1e-5)
