from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio

from landcover.classes import scheme
from landcover.datasets.landscape import Landscape, write_landscape
from landcover.datasets.later import Later

SIZE = 1000  # not a multiple of the blocks


@pytest.fixture(scope="module")
def landscape(tmp_path_factory: pytest.TempPathFactory) -> Landscape:
    return write_landscape(tmp_path_factory.mktemp("landscape"), SIZE, seed=1)


def test_imagery_and_reference_share_a_grid_of_one_metre(landscape: Landscape) -> None:
    with rasterio.open(landscape.imagery) as imagery, rasterio.open(landscape.reference) as codes:
        assert imagery.shape == codes.shape == (SIZE, SIZE)
        assert imagery.transform == codes.transform
        assert imagery.crs == codes.crs == "EPSG:26919"
        assert imagery.res == (1, 1)
        assert (imagery.count, imagery.dtypes[0], imagery.nodata) == (4, "uint8", 0)
        assert imagery.descriptions == ("red", "green", "blue", "nir")
        assert (codes.count, codes.dtypes[0], codes.nodata) == (1, "uint8", 255)


def test_nodata_surrounds_a_tilted_square_and_occurs_nowhere_else(landscape: Landscape) -> None:
    pixels, codes = _read(landscape)
    without = codes == 255
    assert without[0, -1] and without[-1, 0] and not without[SIZE // 2, SIZE // 2]
    assert 0.01 < without.mean() < 0.06
    assert np.array_equal((pixels == 0).all(0), without)
    assert np.array_equal((pixels == 0).any(0), without)


def test_the_reference_holds_all_classes_of_the_guide_and_their_colours(
    landscape: Landscape,
) -> None:
    with rasterio.open(landscape.reference) as reference:
        codes = reference.read(1)
        colors = reference.colormap(1)
    shares = {item.name: (codes == item.code).mean() for item in scheme("nlcd6")}
    assert set(np.unique(codes)) == {*scheme("nlcd6").codes, 255}
    assert min(shares.values()) > 0.04, shares
    assert all(colors[item.code][:3] == item.rgb for item in scheme("nlcd6"))


def test_plants_are_bright_in_the_near_infrared_and_bare_ground_is_not(
    landscape: Landscape,
) -> None:
    pixels, codes = _read(landscape)
    red, near = pixels[0].astype(float), pixels[3].astype(float)
    index = (near - red) / np.maximum(near + red, 1)
    means = {item.name: index[codes == item.code].mean() for item in scheme("nlcd6")}
    assert means["Forest"] > means["Herbaceous"] > means["Barren"] + 0.05


def test_the_same_seed_gives_the_same_pixels_and_another_seed_does_not(
    landscape: Landscape, tmp_path: Path
) -> None:
    again = write_landscape(tmp_path / "again", SIZE, seed=1)
    other = write_landscape(tmp_path / "other", 300, seed=2)
    assert again.imagery.read_bytes() == landscape.imagery.read_bytes()
    assert not np.array_equal(_read(other)[1], _read(landscape)[1][:300, :300])


def _read(landscape: Landscape) -> tuple[np.ndarray, np.ndarray]:
    with rasterio.open(landscape.imagery) as imagery, rasterio.open(landscape.reference) as codes:
        return imagery.read(), codes.read(1)


def test_on_a_later_date_there_are_new_towns_other_crops_and_drier_plants(
    landscape: Landscape, tmp_path: Path
) -> None:
    before, old = _read(landscape)
    after, new = _read(write_landscape(tmp_path, SIZE, seed=1, later=Later()))
    built = old != new
    codes = {item.name: item.code for item in scheme("nlcd6")}
    assert 0.005 < built.mean() < 0.08
    assert set(np.unique(new[built])) == {codes["Developed"]}
    assert codes["Forest"] in old[built]
    shift = after.astype(float) - before
    for name, least in (("Herbaceous", 8), ("Developed", 0)):
        here = ~built & (old == codes[name])
        red, near = shift[0][here].mean(), shift[3][here].mean()
        assert (red > least and near < -least) if least else abs(red) < 4 > abs(near)
    fields = ~built & (old == codes["Cultivated"])
    assert np.abs(shift[0][fields]).mean() > 20


def test_where_nothing_was_built_and_the_summer_is_no_drier_the_classes_stay(
    landscape: Landscape, tmp_path: Path
) -> None:
    same = write_landscape(tmp_path, SIZE, seed=1, later=Later(built=0, dryness=0))
    assert np.array_equal(_read(landscape)[1], _read(same)[1])
