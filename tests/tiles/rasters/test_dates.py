"""When a scene was taken is read from where the configuration says, or asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import rasterio
from pydantic import ValidationError
from support.rasters import imagery, write

from landcover.config import DateSettings, SourceSettings
from landcover.errors import SourceError
from landcover.tiles.rasters import RasterSource


def dates(*files: str, date: Any) -> list[str]:
    how = DateSettings.model_validate(date)
    return [scene.date for scene in RasterSource(files, tile=16, date=how).scenes()]


def scene(folder: Path, name: str, **tags: str) -> str:
    path = write(folder / name, imagery(1, 20, 20))
    with rasterio.open(path, "r+") as file:
        file.update_tags(**tags)
    return path


@pytest.mark.parametrize(
    ("name", "date"),
    [
        ("m_3607824_se_17_1_20160915.tif", "2016-09-15"),
        ("county-2016-09-15_rgb.tif", "2016-09-15"),
        ("S2A_MSIL1C_20170802T105031_N0205_R051_20170802T105034.tif", "2017-08-02"),
        ("2016.09.15.tif", "2016-09-15"),
    ],
)
def test_auto_is_the_date_in_the_name_of_the_file(tmp_path: Path, name: str, date: str) -> None:
    assert dates(scene(tmp_path, name), date="auto") == [date]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("county.tif", "its name holds no date such as 20160915"),
        ("county_20161315.tif", "its name holds no date"),
        ("2018-08-04/county.tif", "its name holds no date"),
        ("tile_120160915.tif", "its name holds no date"),
        ("m_20160915_20161108.tif", r"holds several dates \(2016-09-15, 2016-11-08\); say which"),
    ],
)
def test_what_a_name_leaves_open_is_asked_for(tmp_path: Path, name: str, said: str) -> None:
    with pytest.raises(SourceError, match=said):
        dates(scene(tmp_path, name), date="auto")


def test_a_pattern_finds_the_date_in_the_path(tmp_path: Path) -> None:
    old = scene(tmp_path, "2016/a_20160915_20161108.tif")
    new = scene(tmp_path, "2018/b_20180804_20181001.tif")
    assert dates(old, new, date=r"/[a-z]_(?P<date>\d{6})") == ["2016-09", "2018-08"]
    assert dates(old, new, date={"pattern": r"/(?P<date>\d{4})/"}) == ["2016", "2018"]
    with pytest.raises(
        SourceError, match=r"b_.*its path holds no date as source\.date asks for it"
    ):
        dates(old, new, date=r"/a_(?P<date>\d{8})")
    with pytest.raises(SourceError, match=r"its date '5_20' \(source.date\) is none"):
        dates(old, date=r"(?P<date>5_20)")


def test_a_tag_may_hold_the_date(tmp_path: Path) -> None:
    file = scene(
        tmp_path, "a.tif", TIFFTAG_DATETIME="2016:09:15 10:11:12", TAKEN="2016-09-14T10:11Z"
    )
    assert dates(file, date={"tag": "TIFFTAG_DATETIME"}) == ["2016-09-15"]
    assert dates(file, date={"tag": "TAKEN"}) == ["2016-09-14"]
    with pytest.raises(
        SourceError, match=r"has no tag 'DATE' \(source.date.tag\); there are: .*TAKEN"
    ):
        dates(file, date={"tag": "DATE"})


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"date": r"\d{8}"}, "neither 'auto' nor a regular expression with a group 'date'"),
        ({"date": "(?P<date>"}, "neither 'auto' nor a regular expression"),
        ({"date": {"pattern": "(?P<date>.)", "tag": "T"}}, "not several"),
    ],
)
def test_a_pattern_without_a_date_is_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        SourceSettings.model_validate({"rasters": "a.tif", **settings})


def test_images_have_no_dates() -> None:
    with pytest.raises(ValidationError, match="'date' goes with 'rasters'"):
        SourceSettings.model_validate({"images": "a", "date": "auto"})


def test_scenes_of_other_dates_complete_none(tmp_path: Path) -> None:
    """A halo shows the ground as it was that day, or is mirrored."""
    from rasterio.transform import from_origin

    files = [
        write(
            tmp_path / f"{name}.tif",
            imagery(1, 40, 40, seed=place),
            transform=from_origin(500000.0 + 40 * (place > 0), 4000000.0, 1, 1),
        )
        for place, name in enumerate(("a_20160915", "b_20180804", "c_20160915"))
    ]
    made = RasterSource(files, tile=16, halo=4, mask=True, date=DateSettings())
    for task in made.tasks():
        assert all(near.scene.date == task.scene.date for near in task.neighbours)
    first = next(iter(made.tasks()))
    assert [near.scene.name for near in first.neighbours] == ["c_20160915"]
