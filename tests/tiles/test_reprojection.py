"""Places of one CRS in another: x comes first, and a CRS that leads nowhere is named."""

from __future__ import annotations

import math

import geopandas
import pytest
import shapely

from landcover.errors import SourceError
from landcover.tiles.reprojection import DEGREES, bounds_in, in_crs, transformer_between

BUILDING = 'LOCAL_CS["Town hall",UNIT["metre",1]]'


def test_longitude_comes_before_latitude_and_there_and_back_is_the_same_place() -> None:
    x, y = transformer_between(DEGREES, "EPSG:26914").transform(-99.0, 45.0)
    assert (round(x), round(y)) == (500_000, 4_982_950)
    assert transformer_between("EPSG:26914", DEGREES).transform(x, y) == pytest.approx(
        (-99.0, 45.0)
    )


@pytest.mark.parametrize(
    ("own", "target"), [(BUILDING, DEGREES), (DEGREES, BUILDING), ("EPSG:0", DEGREES)]
)
def test_a_crs_that_leads_to_no_other_is_told(own: str, target: str) -> None:
    with pytest.raises(SourceError) as told:
        transformer_between(own, target)
    assert str(told.value).startswith(f"the CRS {own[:60]}: does not lead to {target[:60]}: ")
    assert len(str(told.value).splitlines()) == 1


def test_bounds_hold_what_bends_beyond_the_corners() -> None:
    """The southern side of a box in degrees is an arc in Albers, lowest on its central meridian."""
    west, south, east, north = bounds_in(DEGREES, "EPSG:5070", (-120.0, 30.0, -70.0, 50.0))
    to_albers = transformer_between(DEGREES, "EPSG:5070")
    lowest, corner = (to_albers.transform(lon, 30.0)[1] for lon in (-96.0, -120.0))
    assert south == pytest.approx(lowest, abs=2_000)
    assert south < corner - 100_000 and west < east and south < north


def test_within_a_crs_of_its_own_places_stay() -> None:
    assert transformer_between(BUILDING, BUILDING).transform(1, 2) == (1, 2)
    shapes = geopandas.GeoSeries([shapely.Point(1, 2)], crs=BUILDING)
    assert in_crs(shapes, BUILDING).iloc[0] == shapely.Point(1, 2)
    with pytest.raises(SourceError, match="does not lead to"):
        in_crs(shapes, DEGREES)


def test_bounds_that_have_no_place_in_another_crs_are_infinite() -> None:
    assert bounds_in(BUILDING, "EPSG:26914", (0, 0, 1, 1)) == (math.inf,) * 4
    assert bounds_in(BUILDING, BUILDING, (0, 0, 1, 1)) == (0, 0, 1, 1)
    west, south, east, north = bounds_in("EPSG:26914", DEGREES, (4e5, 4.9e6, 6e5, 5.0e6))
    assert -101 < west < -100 and 44 < south < 44.3
    assert -98 < east < -97 and 45 < north < 45.2


def test_nothing_is_said_where_bounds_have_no_place_in_another_crs(
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert bounds_in("EPSG:26918", "IAU_2015:49900", (0, 0, 1, 1)) == (math.inf,) * 4
    assert capfd.readouterr() == ("", "")
