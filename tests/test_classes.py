"""Schemes, crosswalks and the classes of a model."""

from __future__ import annotations

import csv
import pickle
from pathlib import Path
from typing import Any

import pytest
import rasterio

from landcover.classes import LandClass, Scheme, classes_of, crosswalk, scheme, scheme_names
from landcover.errors import ConfigError

GUIDE = ("Barren", "Forest", "Shrub", "Cultivated", "Herbaceous", "Developed")


LEGENDS = Path(__file__).parent / "data" / "legends"


def _table(name: str) -> list[list[str]]:
    """The rows of a table that is kept apart from the package, without its head."""
    with (LEGENDS / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))[1:]


@pytest.mark.parametrize("name", ["nlcd", "nlcd6", "nlcd3", "cdl"])
def test_a_legend_is_as_a_whole_that_of_a_table_beside_it(name: str) -> None:
    told = [(item.code, item.name, item.rgb) for item in scheme(name)]
    table = _table(name)
    assert told == [(int(code), text, (int(r), int(g), int(b))) for code, text, r, g, b in table]


@pytest.mark.parametrize("one, other", [("nlcd", "nlcd6"), ("nlcd", "nlcd3"), ("nlcd6", "nlcd3")])
def test_a_crosswalk_is_as_a_whole_that_of_a_table_beside_it(one: str, other: str) -> None:
    table = {int(code): int(to) for code, to in _table(f"{one}-to-{other}")}
    assert dict(crosswalk(one, other)) == table


def test_the_nlcd_has_the_colours_of_published_rasters(shared: Path) -> None:
    found = {}
    for path in sorted((shared / "imagery/nlcd-rasters").glob("*.tif")):
        with rasterio.open(path) as file:
            if file.colorinterp[0].name == "palette":
                found[path.name] = file.colormap(1)
    shown = [colours for colours in found.values() if colours[11][:3] == (70, 107, 159)]
    for colours in shown:
        for item in scheme("nlcd"):
            if any(colours[item.code][:3]):
                assert colours[item.code][:3] == item.rgb, item


def test_the_nlcd_has_its_official_codes_names_and_colours() -> None:
    nlcd = scheme("nlcd")
    assert len(nlcd) == 20
    assert nlcd.by_code[12] == LandClass(12, "Perennial Ice/Snow", "#d1def8")
    assert nlcd.by_code[90] == LandClass(90, "Woody Wetlands", "#b8d9eb")
    assert nlcd.by_code[95].name == "Emergent Herbaceous Wetlands"


def test_the_six_classes_stand_in_the_order_of_the_guides_networks() -> None:
    assert scheme("nlcd6").names == GUIDE
    assert scheme("nlcd6").codes == (30, 40, 50, 80, 70, 20)


def test_all_schemes_can_be_stored_in_a_byte_with_255_free_for_nodata() -> None:
    assert scheme_names() == ["cdl", "nlcd", "nlcd3", "nlcd6"]
    for name in scheme_names():
        assert (scheme(name).dtype, scheme(name).nodata) == ("uint8", 255)


def test_the_cropland_data_layer_names_crops_and_land_cover() -> None:
    cdl = scheme("cdl")
    assert [cdl.by_code[code].name for code in (24, 61, 69, 75, 176, 204)] == [
        *("Winter Wheat", "Fallow/Idle Cropland", "Grapes", "Almonds"),
        *("Grassland/Pasture", "Pistachios"),
    ]
    assert cdl.by_code[121].rgb == (0x9C, 0x9C, 0x9C)


def test_an_unknown_scheme_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="no scheme is called 'corine'; there are cdl, nlcd"):
        scheme("corine")


def test_crosswalks_follow_the_guide() -> None:
    six = crosswalk("nlcd", "nlcd6")
    assert (six[24], six[90], six[52], six[74], six[95], six[81]) == (20, 40, 50, 70, 70, 80)
    assert not {11, 12} & six.keys()
    assert set(six.values()) == set(scheme("nlcd6").codes)


def test_everything_neither_developed_nor_cultivated_is_undeveloped() -> None:
    three = crosswalk("nlcd", "nlcd3")
    assert set(three) == set(scheme("nlcd").codes)
    assert {code for code, to in three.items() if to == 20} == {21, 22, 23, 24}
    assert {code for code, to in three.items() if to == 80} == {81, 82}
    for code, six in crosswalk("nlcd", "nlcd6").items():
        assert crosswalk("nlcd6", "nlcd3")[six] == three[code]


def test_a_crosswalk_that_would_have_to_invent_detail_is_refused() -> None:
    with pytest.raises(ConfigError, match="no crosswalk from 'nlcd3' to 'nlcd'"):
        crosswalk("nlcd3", "nlcd")


def test_a_models_own_classes_have_their_index_as_code_and_fitting_colours() -> None:
    own = classes_of(["unknown", "Water", "trees and shrubs", "barren or impervious"])
    assert own.codes == (0, 1, 2, 3)
    assert own.by_name["Water"].color == scheme("nlcd").by_code[11].color
    assert len({item.color for item in own}) == 4


def test_words_are_found_in_names_without_spaces() -> None:
    colors = [item.color for item in classes_of(["SeaLake", "annual_crop", "HIGHWAY"])]
    assert colors == ["#466b9f", "#ab6c28", "#8c8c8c"]


def test_colours_never_repeat_however_many_classes_there_are() -> None:
    own = classes_of([f"forest {n}" for n in range(40)] + [f"thing {n}" for n in range(200)])
    assert len({item.color for item in own}) == 240


def test_more_classes_than_a_byte_holds_make_a_map_of_two_bytes() -> None:
    assert classes_of([str(n) for n in range(255)]).dtype == "uint8"
    large = classes_of([str(n) for n in range(256)])
    assert (large.dtype, large.nodata) == ("uint16", 65535)


def test_names_of_a_scheme_bring_its_codes_in_the_models_order() -> None:
    some = classes_of(["developed", "Forest"], "nlcd6")
    assert (some.codes, some.names) == ((20, 40), ("Developed", "Forest"))
    assert classes_of(GUIDE, "nlcd6") == scheme("nlcd6")


def test_all_mistakes_in_names_are_reported_at_once() -> None:
    with pytest.raises(ConfigError, match=r"no class 'Sea'.*no class 'Lava'"):
        classes_of(["Sea", "Forest", "Lava"], "nlcd6")
    with pytest.raises(ConfigError, match="'a' is named more than once"):
        classes_of(["a", "b", "a"])
    with pytest.raises(ConfigError, match="no classes"):
        classes_of([])
    with pytest.raises(
        ConfigError, match=r"the name 'b{49}\.\.\. \(453 more .* 501 char.* is 500$"
    ):
        classes_of(["a" * 500, "b" * 501])


def test_schemes_survive_pickling_and_json() -> None:
    nlcd = scheme("nlcd")
    assert pickle.loads(pickle.dumps(nlcd)) == nlcd
    assert Scheme.from_json(nlcd.to_json()) == nlcd


def test_a_colour_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="'red' is not"):
        LandClass(1, "x", "red")
    for color in ("#12345", "#1234567", "#12345G", "123456"):
        with pytest.raises(ValueError, match="is not '#rrggbb'"):
            LandClass(1, "x", color)
    with pytest.raises(ValueError, match="code -1 is negative"):
        LandClass(-1, "x", "#123456")


@pytest.mark.parametrize(
    "change",
    [
        {"code": 0.02},
        {"code": 1.0},
        {"code": True},
        {"code": "1"},
        {"code": None},
        {"name": 5},
        {"name": None},
        {"name": ["water"]},
        {"color": 7},
    ],
)
def test_classes_of_a_file_have_whole_numbers_and_names(change: dict[str, Any]) -> None:
    good = {"code": 1, "name": "water", "color": "#466b9f"}
    with pytest.raises((TypeError, ValueError)):
        Scheme.from_json({"name": "own", "classes": [good | change]})
    with pytest.raises(TypeError, match="name 5 is no text"):
        Scheme.from_json({"name": 5, "classes": [good]})


def test_thousands_of_classes_have_thousands_of_colours() -> None:
    many = classes_of([f"class {n}" for n in range(5000)])
    assert len({item.color for item in many}) == 5000
    assert (many.dtype, many.nodata) == ("uint16", 65535)


def test_a_map_of_codes_up_to_254_takes_a_byte_and_one_of_more_takes_two() -> None:
    def made(*codes: int) -> Scheme:
        return Scheme("own", tuple(LandClass(code, f"c{code}", "#123456") for code in codes))

    assert (made(0, 254).dtype, made(0, 254).nodata) == ("uint8", 255)
    assert (made(0, 255).dtype, made(0, 255).nodata) == ("uint16", 65535)
    assert (made(65534).dtype, made(65534).nodata) == ("uint16", 65535)
    with pytest.raises(ConfigError, match="code 65535 is too large: maps hold codes up to 65534"):
        made(3, 65535)
    with pytest.raises(ConfigError, match="code 7 stands for several classes"):
        Scheme("own", (LandClass(7, "a", "#123456"), LandClass(7, "b", "#123457")))
