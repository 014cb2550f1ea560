"""When a scene was taken is read from its item of STAC, beside it or listed, or asked for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from support.rasters import imagery, write
from support.web import serving

from landcover.config import DateSettings, SourceSettings, load_config
from landcover.errors import SourceError
from landcover.tiles.rasters import RasterSource

YEARS = (2016, 2018)


def dates(*files: str, stac: str) -> list[str]:
    how = DateSettings(stac=stac)
    return [scene.date for scene in RasterSource(files, tile=16, date=how).scenes()]


def scene(path: Path) -> str:
    return write(path, imagery(1, 20, 20))


def item(name: str, asset: str, taken: str | None, **properties: Any) -> dict[str, Any]:
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": name,
        "geometry": None,
        "properties": {"datetime": taken, **properties},
        "links": [],
        "assets": {"image": {"href": asset}},
    }


def in_year(year: int) -> str:
    return f"{year}-09-15T17:30:00Z"


def catalog(folder: Path, kind: str = "catalog") -> list[str]:
    """A catalog as others lay them out, with an item a folder; the scenes of all have one name."""
    links = []
    for year in YEARS:
        below = folder / f"of-{year}"
        (below / f"naip-{year}").mkdir(parents=True)
        made = item(f"naip-{year}", "./image.tif", in_year(year))
        save(below / f"naip-{year}/naip-{year}.json", made)
        own = [{"rel": "item", "href": f"./naip-{year}/naip-{year}.json"}]
        own += [{"rel": "root", "href": f"../{kind}.json"}]
        save(below / "catalog.json", {"type": "Catalog", "id": f"of-{year}", "links": own})
        links.append({"rel": "child", "href": f"./of-{year}/catalog.json"})
    save(folder / f"{kind}.json", {"type": kind.capitalize(), "id": "whole", "links": links})
    return [scene(folder / f"of-{y}/naip-{y}/image.tif") for y in reversed(YEARS)]


def save(path: Path, content: Any) -> str:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


def test_the_item_beside_a_scene_says_its_date(tmp_path: Path) -> None:
    file = scene(tmp_path / "a_20111111.tif")
    written = item("a", "https://elsewhere.org/other.jp2", in_year(2016))
    save(tmp_path / "a_20111111.json", written)
    assert dates(file, stac="beside") == ["2016-09-15"]


def test_an_item_may_be_called_like_the_folder_of_its_files(tmp_path: Path) -> None:
    files = catalog(tmp_path)
    assert dates(*files, stac="beside") == ["2018-09-15", "2016-09-15"]
    other = scene(tmp_path / "of-2016/naip-2016/other.tif")
    with pytest.raises(SourceError, match=r"no STAC item beside it \(other.json, or a naip-2016"):
        dates(other, stac="beside")


@pytest.mark.parametrize("kind", ["catalog", "collection"])
def test_a_catalog_lists_the_items_of_scenes(tmp_path: Path, kind: str) -> None:
    files = catalog(tmp_path, kind)
    assert dates(*files, stac=str(tmp_path / f"{kind}.json")) == ["2018-09-15", "2016-09-15"]


def test_a_catalog_and_its_scenes_may_lie_behind_urls(tmp_path: Path) -> None:
    files = [Path(file).relative_to(tmp_path) for file in catalog(tmp_path)]
    with serving(tmp_path) as server:
        urls = [f"{server.url}/{file}" for file in files]
        assert dates(*urls, stac=f"{server.url}/catalog.json") == ["2018-09-15", "2016-09-15"]
        assert dates(*urls, stac="beside") == ["2018-09-15", "2016-09-15"]


def test_what_a_search_found_names_scenes_that_were_copied(tmp_path: Path) -> None:
    """The more of its folders a scene has kept, the surer it is which item is meant."""
    found = [item(str(y), f"https://a.org/naip/{y}/m%20x.tif?sig=1", in_year(y)) for y in YEARS]
    listed = save(tmp_path / "found.json", {"type": "FeatureCollection", "features": found})
    files = [scene(tmp_path / f"copied/{year}/m x.tif") for year in YEARS]
    assert dates(*files, stac=listed) == ["2016-09-15", "2018-09-15"]
    moved = scene(tmp_path / "moved/m x.tif")
    with pytest.raises(
        SourceError, match=r"several dates \(2016-09-15, 2018-09-15\); let its path"
    ):
        dates(moved, stac=listed)
    with pytest.raises(SourceError, match=r"y\.tif: is no file of any STAC item of .*found\.json"):
        dates(scene(tmp_path / "copied/2016/y.tif"), stac=listed)


@pytest.mark.parametrize(
    ("first", "last", "date"),
    [
        ("2016-06-01T00:00:00Z", "2016-06-02T00:00:00Z", "2016-06-01"),
        ("2016-06-01T00:00:00Z", "2016-06-30T23:59:59Z", "2016-06"),
        ("2016-01-01T00:00:00Z", "2017-01-01T00:00:00Z", "2016"),
        ("2016-06-01T23:00:00-02:00", "2016-06-02T05:00:00Z", "2016-06-02"),
    ],
)
def test_a_time_from_to_is_a_date_as_far_as_both_agree(
    tmp_path: Path, first: str, last: str, date: str
) -> None:
    told = {"start_datetime": first, "end_datetime": last}
    written = item("a", "a.tif", in_year(2016))
    written["properties"] = {"datetime": None, **told}
    file, listed = scene(tmp_path / "a.tif"), save(tmp_path / "item.json", written)
    assert dates(file, stac=listed) == [date]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"type": "Feature", "id": "i"}, "the STAC item 'i' does not say when it was taken"),
        ({"type": "Feature", "id": "i", "properties": {"datetime": 2016}}, "is no time"),
        ({"type": "Feature", "id": "i", "properties": {"datetime": "soon"}}, "is no time"),
        (
            {"type": "Feature", "properties": {"datetime": "0001-01-01T00:00:00+23:59"}},
            "is no time",
        ),
        ({"type": "Feature", "properties": [], "assets": []}, "does not say when"),
        ([], "is no STAC document: it holds no object"),
        ("{", "is no STAC document"),
    ],
)
def test_an_item_beside_a_scene_that_says_no_date_is_refused(
    tmp_path: Path, content: Any, said: str
) -> None:
    file = scene(tmp_path / "a.tif")
    save(tmp_path / "a.json", content)
    with pytest.raises(SourceError, match=said):
        dates(file, stac="beside")


@pytest.mark.parametrize(
    ("link", "said"),
    [
        ("../secret.json", "links to ../secret.json, which lies outside the folder"),
        ("https://a.org/item.json", "links to https://a.org/item.json, which lies outside"),
        ("gone.json", r"gone\.json: no such file; correct source\.date\.stac"),
        ("geo.json", "is no STAC item, collection or catalog: its type is 'Polygon'"),
        ("file:///etc/passwd", "lies outside|is no path"),
    ],
)
def test_a_catalog_links_to_what_lies_in_its_folder(tmp_path: Path, link: str, said: str) -> None:
    save(tmp_path / "secret.json", item("a", "a.tif", in_year(2016)))
    folder = tmp_path / "catalog"
    folder.mkdir()
    save(folder / "geo.json", {"type": "Polygon"})
    links = [{"rel": "self", "href": "https://a.org/c.json"}, {"rel": "item", "href": link}]
    listed = save(folder / "catalog.json", {"type": "Catalog", "links": links})
    with pytest.raises(SourceError, match=said):
        dates(scene(tmp_path / "a.tif"), stac=listed)


def test_a_file_of_an_item_may_be_no_url(tmp_path: Path) -> None:
    written = item("a", "http://[::1/a.tif", in_year(2016))
    listed = save(tmp_path / "item.json", written)
    assert dates(scene(tmp_path / "a.tif"), stac=listed) == ["2016-09-15"]


def test_catalogs_that_link_to_each_other_end(tmp_path: Path) -> None:
    links = [{"rel": "child", "href": "./catalog.json"}, {"rel": "child", "href": "b.json"}]
    save(tmp_path / "b.json", {"type": "Catalog", "links": links})
    listed = save(tmp_path / "catalog.json", {"type": "Catalog", "links": links})
    with pytest.raises(SourceError, match="is no file of any STAC item"):
        dates(scene(tmp_path / "a.tif"), stac=listed)


def test_the_document_counts_from_the_configuration_and_holds_no_secret(tmp_path: Path) -> None:
    job = tmp_path / "job.yaml"
    job.write_text(
        "{source: {rasters: [a.tif], date: {stac: found.json}}, model: m.onnx, output: run}"
    )
    date = load_config(job).source.date
    assert date is not None
    assert date.stac == str(tmp_path / "found.json")
    beside = load_config(job, {"source.date.stac": "beside"}).source.date
    assert beside is not None
    assert beside.stac == "beside"
    with pytest.raises(SourceError, match="holds a password or a signature"):
        dates(scene(tmp_path / "a.tif"), stac="https://a.org/c.json?sig=x")
    with pytest.raises(ValidationError, match="one of 'pattern', 'tag' and 'stac', not several"):
        SourceSettings.model_validate({"rasters": "a", "date": {"stac": "beside", "tag": "T"}})
