"""Labelled tiles from imagery and a reference, as a user asks for them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely
from PIL import Image
from rasterio.transform import from_origin
from rasterio.windows import from_bounds
from support.between import Between
from support.ground import codes_at, squares, write_codes
from support.rasters import imagery, write
from support.vectors import write_vectors

import landcover as lc
from landcover.datasets.folders import read_folder
from landcover.errors import LandcoverError

GROUPS = {21: "Developed", 24: "Developed", 41: "Forest", 82: "Cultivated", 71: "Herbaceous"}
SHARES = {"train": 0.5, "validation": 0.25, "test": 0.25}
CORNER = (500000.0, 4000000.0)


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two scenes side by side, 2 km each way at 4 m, and a reference of squares of 180 m in Albers."""
    folder = tmp_path_factory.mktemp("ground")
    for number in range(2):
        where = from_origin(CORNER[0] + 2000 * number, CORNER[1], 4, 4)
        write(folder / f"scene{number}.tif", imagery(3, 500, 500, seed=number), transform=where)
    middle = (CORNER[0] + 2000, CORNER[1] - 1000)
    from support.ground import around

    corner = around("EPSG:5070", *middle, "EPSG:26914", 5400)
    write_codes(folder / "codes.tif", squares(30, 6), "EPSG:5070", corner, 30.0)
    return folder


def settings(ground: Path, output: Path, **more: Any) -> dict[str, Any]:
    return {
        "source": {"rasters": str(ground / "scene*.tif"), "tile": 16, "task": 128},
        "reference": str(ground / "codes.tif"),
        "split": {"block": 250, "buffer": 30, "shares": SHARES},
        "output": str(output),
        **more,
    }


def files(folder: Path) -> dict[str, str]:
    """All files below a folder, by a digest of their content."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def steps() -> list[str]:
    """What ``made`` has told of its progress."""
    return []


@pytest.fixture(scope="module")
def made(ground: Path, steps: list[str], tmp_path_factory: pytest.TempPathFactory) -> Any:
    asked = settings(ground, tmp_path_factory.mktemp("made"))
    return lc.prepare(asked, progress=lambda what, done, total: steps.append(what))


def test_a_file_holds_the_pixels_that_lie_where_the_manifest_says(made: Any, ground: Path) -> None:
    tiles = made.tiles()
    assert {*tiles.columns} == {"path", "class", "code", "geometry", "scene", "date", "split"}
    for tile in tiles.sample(20, random_state=0).itertuples():
        with rasterio.open(ground / f"{tile.scene}.tif") as scene:
            pixels = scene.read(window=from_bounds(*tile.geometry.bounds, scene.transform))
        with Image.open(Path(made.path, tile.path)) as image:
            np.testing.assert_array_equal(np.moveaxis(np.asarray(image), -1, 0), pixels)


def test_all_nine_points_of_a_tile_are_of_its_class(made: Any, ground: Path) -> None:
    tiles = made.tiles()
    bounds = tiles.geometry.bounds
    for down in (1, 3, 5):
        for across in (1, 3, 5):
            x = bounds.minx + (bounds.maxx - bounds.minx) * across / 6
            y = bounds.miny + (bounds.maxy - bounds.miny) * down / 6
            codes, edge = codes_at(str(ground / "codes.tif"), x, y, "EPSG:26914")
            found = [GROUPS.get(code) for code in codes]
            sure = edge > 1e-4
            assert (np.array(found, object)[sure] == tiles["class"][sure]).all()


def test_the_folders_are_those_of_the_manifest_and_the_counts(made: Any) -> None:
    tiles = made.tiles()
    there = {str(p.relative_to(made.path)) for p in Path(made.path).glob("t*/*/*.png")}
    there |= {str(p.relative_to(made.path)) for p in Path(made.path).glob("v*/*/*.png")}
    assert there == {*tiles["path"]} and len(tiles) == len(there)
    assert (
        tiles["path"].str.rsplit("/", n=1).str[0] == tiles["split"] + "/" + tiles["class"]
    ).all()
    counts = tiles.groupby(["split", "class"]).size()
    assert made.counts.stack().swaplevel().sort_index().tolist() == counts.sort_index().tolist()
    told = json.loads(Path(made.path, "prepare.json").read_text())
    ended = sum(told["left_out"].values()) + sum(
        n for of in told["found"].values() for n in of.values()
    )
    assert ended == told["planned"]
    assert told["resolution"] == 4.0 and told["tile"] == 16 and told["scheme"] == "nlcd6"


def test_every_split_has_as_many_tiles_of_each_class(made: Any) -> None:
    assert (made.counts.nunique() == 1).all()
    found = made.summary["found"]
    for split, count in made.counts.min().items():
        assert count == min(found[split].values())


def test_tiles_of_two_splits_keep_their_distance(made: Any) -> None:
    tiles = made.tiles()
    for split in ("train", "validation", "test"):
        own = shapely.union_all(tiles.geometry[tiles["split"] == split])
        others = tiles.geometry[tiles["split"] != split]
        assert others.distance(own).min() >= 30 * 0.999  # UTM shortens by 0.4 per mille


def test_another_seed_draws_other_tiles_and_the_same_one_the_same(
    made: Any, ground: Path, tmp_path: Path
) -> None:
    again = lc.prepare(settings(ground, tmp_path / "again"))
    one, other = files(Path(made.path)), files(tmp_path / "again")
    assert {k: v for k, v in one.items() if k != "prepare.json"} == {
        k: v for k, v in other.items() if k != "prepare.json"
    }
    lc.prepare(settings(ground, tmp_path / "seed", draw={"seed": 1}))
    assert files(tmp_path / "seed").keys() != other.keys()
    assert again.summary["fingerprint"] == made.summary["fingerprint"]


class Killed(Exception):
    """Stands for whatever ends a run."""


@pytest.mark.parametrize("after", [1, 5, 12, 17])
def test_what_was_interrupted_goes_on_and_ends_in_the_same_bytes(
    ground: Path, tmp_path: Path, made: Any, steps: list[str], after: int
) -> None:
    calls = 0

    def stop(what: str, done: int, total: int) -> None:
        nonlocal calls
        calls += 1
        if calls == after:
            raise Killed

    asked = settings(ground, tmp_path / "out")
    with pytest.raises(Killed):
        lc.prepare(asked, progress=stop)
    assert json.loads((tmp_path / "out/prepare.json").read_text())["status"] == "running"
    seen: list[str] = []
    lc.prepare(asked, progress=lambda what, done, total: seen.append(what))
    assert len(seen) + after <= len(steps)
    one, other = files(Path(made.path)), files(tmp_path / "out")
    one.pop("prepare.json")
    other.pop("prepare.json")
    assert one == other


def test_tiles_that_another_command_ends_meanwhile_are_left_as_they_are(
    ground: Path, tmp_path: Path
) -> None:
    asked = settings(ground, tmp_path / "out", draw={"most": 5})
    times: dict[Path, int] = {}

    def another() -> None:
        lc.prepare(asked)
        times.update((path, path.stat().st_mtime_ns) for path in (tmp_path / "out").rglob("*"))

    assert lc.prepare(asked, backend=Between(another)).summary["status"] == "done"
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")} == times


def test_what_could_not_be_removed_at_the_end_goes_when_the_command_is_given_again(
    ground: Path, made: Any
) -> None:
    before = files(Path(made.path))
    part = Path(made.path, "parts", "labels", "part-000000.parquet")
    part.parent.mkdir(parents=True)
    part.write_bytes(b"left over")
    for name in (".lock", ".holder"):
        Path(made.path, name).write_bytes(b"by process 1 on gone")
    assert lc.prepare(settings(ground, Path(made.path))).summary == made.summary
    assert not Path(made.path, "parts").exists()
    Path(made.path, ".lock").write_bytes(b"by process 1 on gone")
    assert lc.prepare(settings(ground, Path(made.path))).summary == made.summary
    assert files(Path(made.path)) == before


def test_files_that_a_power_cut_left_empty_are_written_again(
    ground: Path, tmp_path: Path, made: Any
) -> None:
    def stop(what: str, done: int, total: int) -> None:
        if done == total:
            raise Killed

    asked = settings(ground, tmp_path / "out")
    for _ in range(2):  # after the last task of either stage
        with pytest.raises(Killed):
            lc.prepare(asked, progress=stop)
    for path in sorted((tmp_path / "out/train").rglob("*.png"))[::7]:
        path.write_bytes(b"")
    lc.prepare(asked)
    one, other = files(Path(made.path)), files(tmp_path / "out")
    assert one.pop("prepare.json") and other.pop("prepare.json") and one == other


def test_a_folder_of_other_settings_is_not_mixed_with(made: Any, ground: Path) -> None:
    with pytest.raises(LandcoverError, match="belongs to another run, with another labels"):
        lc.prepare(settings(ground, Path(made.path), labels={"rule": "centre"}))


def test_tiles_with_pixels_without_data_are_left_out(ground: Path, tmp_path: Path) -> None:
    pixels = imagery(3, 500, 500)
    pixels[:, 100:110, 200:300] = 0
    write(tmp_path / "scene.tif", pixels, nodata=0)
    asked = settings(ground, tmp_path / "out", draw={"balance": "none"})
    asked["source"]["rasters"] = str(tmp_path / "scene.tif")
    asked["split"] = {"shares": {"train": 1.0}}
    found = lc.prepare(asked)
    hole = shapely.box(500000 + 800, 4000000 - 440, 500000 + 1200, 4000000 - 400)
    assert found.summary["left_out"]["no data"] > 0
    assert not found.tiles().geometry.buffer(-0.1).intersects(hole).any()


def test_four_bands_become_geotiffs_with_their_place(ground: Path, tmp_path: Path) -> None:
    write(tmp_path / "scene.tif", imagery(4, 500, 500, "uint16"))
    asked = settings(ground, tmp_path / "out")
    asked["source"] |= {"rasters": str(tmp_path / "scene.tif"), "resolution": 4.0}
    asked["source"]["rasters"] = write(
        tmp_path / "scene.tif", imagery(4, 500, 500, "uint16"), resolution=4.0
    )
    tiles = lc.prepare(asked).tiles()
    first = tiles.iloc[0]
    assert first["path"].endswith(".tif")
    with rasterio.open(tmp_path / "out" / first["path"]) as file:
        assert file.count == 4 and file.dtypes[0] == "uint16" and file.crs.to_epsg() == 26914
        np.testing.assert_allclose(file.bounds, first["geometry"].bounds)


def test_the_fourth_band_of_a_tile_is_not_its_opacity(ground: Path, tmp_path: Path) -> None:
    where = from_origin(*CORNER, 4, 4)
    asked = settings(ground, tmp_path / "out")
    pixels = imagery(4, 500, 500)
    pixels[3] = 0  # no near infrared is returned anywhere
    asked["source"] |= {"rasters": write(tmp_path / "scene.tif", pixels, transform=where)}
    asked["source"]["alpha"] = "imagery"
    found = read_folder(lc.prepare(asked).path)
    assert found.splits["train"].pixels.shape[1:] == (4, 16, 16)


def test_a_tile_is_as_large_on_the_ground_at_any_latitude(tmp_path: Path, ground: Path) -> None:
    from pyproj import Geod, Transformer

    where = from_origin(-10800000, 8400000, 2, 2)  # 60 degrees north: half as large on the ground
    path = write(tmp_path / "scene.tif", imagery(3, 900, 900), crs="EPSG:3857", transform=where)
    corner = Transformer.from_crs(3857, 26914, always_xy=True).transform(-10800000, 8400000)
    codes = write_codes(
        tmp_path / "codes.tif",
        squares(20, 6),
        "EPSG:26914",
        (corner[0] - 100, corner[1] + 100),
        30.0,
    )
    asked = settings(ground, tmp_path / "out", reference=codes)
    asked["source"] |= {"rasters": path, "resolution": 1.0, "tile": 24}
    asked["split"] = {"block": 150, "buffer": 0, "shares": {"train": 0.5, "test": 0.5}}
    tiles = lc.prepare(asked).tiles().to_crs(4326)
    geod = Geod(ellps="WGS84")
    for outline in tiles.geometry.head(10):
        area, around = geod.geometry_area_perimeter(outline)
        assert abs(area) == pytest.approx(24 * 24, rel=0.02)
        assert around == pytest.approx(4 * 24, rel=0.02)


def test_a_scene_goes_to_one_split(ground: Path, tmp_path: Path) -> None:
    asked = settings(ground, tmp_path / "out", draw={"balance": "none"})
    asked["split"] = {"by": "scene", "buffer": 50, "shares": {"train": 0.5, "test": 0.5}}
    tiles = lc.prepare(asked).tiles()
    of = tiles.groupby("split")["scene"].unique()
    assert len(of["train"]) == len(of["test"]) == 1
    east, west = (tiles.geometry[tiles["scene"] == f"scene{n}"].bounds for n in (1, 0))
    assert east.minx.min() >= CORNER[0] + 2000 + 49 and west.maxx.max() <= CORNER[0] + 2000 - 49


def test_polygons_say_which_split_a_tile_belongs_to(ground: Path, tmp_path: Path) -> None:
    county = shapely.box(CORNER[0] + 1000, CORNER[1] - 2000, CORNER[0] + 2200, CORNER[1] - 300)
    path = write_vectors(tmp_path / "county.gpkg", county)
    asked = settings(ground, tmp_path / "out", draw={"balance": "none"})
    asked["split"] = {"by": "region", "buffer": 64, "regions": {"test": path}}
    tiles = lc.prepare(asked).tiles()
    inside = tiles[tiles["split"] == "test"]
    assert inside.geometry.buffer(-1).within(county).all()
    assert tiles[tiles["split"] == "train"].geometry.distance(county).min() >= 64 * 0.999
    # Nothing else is left out at the border.
    assert inside.geometry.distance(county.exterior).min() < 32


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "elsewhere": ({"reference": "far.tif"}, "does not meet the imagery: it lies at"),
    "no class": ({"labels": {"classes": ["Forest", "Barren"]}}, "no tile is of class 'Barren'"),
    "one class": ({"labels": {"classes": ["Forest"]}}, "all tiles are of class 'Forest'"),
    "unknown class": ({"labels": {"classes": ["Wood"]}}, "no class is called 'Wood'; there are"),
    "empty split": (
        {"split": {"block": 1900, "buffer": 0}},
        r"has no tile of '.*make blocks smaller \(split.block is 1900 m\)",
    ),
    "few scenes": ({"split": {"by": "scene"}}, r"2 scene\(s\) show too few places"),
    "small blocks": ({"split": {"block": 70, "buffer": 30}}, "blocks of 70 m hold no tile of 6"),
    "no tile": ({"source.tile": None}, "source.tile is missing"),
    "scheme": ({"reference.scheme": "nlcd5"}, "no scheme is called 'nlcd5'"),
    "codes": ({"reference.scheme": "nlcd6"}, "which are no codes of scheme 'nlcd6'"),
    "mrsid": ({"source.rasters": "scene.sid"}, "is MrSID.*mrsidgeodecode"),
    "mrsid folder": ({"source.rasters": "sids"}, "MrSID.*mrsidgeodecode"),
    "key": ({"labels": {"rules": "centre"}}, "labels.rules: no such key; did you mean 'rule'"),
    "groups": (
        {"labels": {"groups": {"a": [21, 999], "b": [21, 41]}}},
        "a: 999 is no code of scheme 'nlcd'.*b: 21 is in another group as well",
    ),
    "one folder": (
        {"labels": {"groups": {"oak/elm": [41], "Oak-Elm": [21]}}},
        "tiles of 'oak/elm' and of 'Oak-Elm' would lie in one folder",
    ),
    "crosswalk": ({"labels": {"scheme": "cdl"}}, "no crosswalk from 'nlcd' to 'cdl'"),
}


def test_scenes_of_another_dtype_or_band_count_are_refused_together(
    ground: Path, tmp_path: Path
) -> None:
    for number, (bands, dtype) in enumerate([(3, "uint8"), (3, "uint16"), (4, "uint8")]):
        made = write(tmp_path / f"{number}.tif", imagery(bands, 500, 500, dtype), alpha="no")
        if number:
            pair = {"rasters": [str(tmp_path / "0.tif"), made], "tile": 16}
            with pytest.raises(
                LandcoverError, match=rf"{bands} band\(s\) of {dtype}, 0 3 of uint8"
            ):
                lc.prepare(settings(ground, tmp_path / "out", source=pair))
    assert not (tmp_path / "out").exists()


def test_groups_of_codes_are_classes_of_their_own(ground: Path, tmp_path: Path) -> None:
    groups = {"wood": [41], "town": [21, 24]}
    tiles = lc.prepare(settings(ground, tmp_path / "out", labels={"groups": groups})).tiles()
    assert {*tiles["class"]} == {*groups} and {*tiles["code"]} == {0, 1}
    middle = tiles.geometry.centroid
    codes, _ = codes_at(str(ground / "codes.tif"), middle.x, middle.y, "EPSG:26914")
    assert all(code in groups[name] for code, name in zip(codes, tiles["class"], strict=True))


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_told_in_a_sentence(ground: Path, tmp_path: Path, name: str) -> None:
    write_codes(tmp_path / "far.tif", squares(4, 4), "EPSG:26914", (300000, 3000000), 30.0)
    (tmp_path / "sids").mkdir()
    for path in (tmp_path / "scene.sid", tmp_path / "sids/scene.sid"):
        path.write_bytes(b"msid" + bytes(100))
    changed, sentence = BAD[name]
    asked = settings(ground, tmp_path / "out")
    dotted = {}
    for key, value in changed.items():
        value = str(tmp_path / value) if str(value).endswith((".tif", ".sid", "sids")) else value
        if "." in key:
            dotted[key] = value
        else:
            asked[key] = value
    with pytest.raises(LandcoverError, match=sentence) as told:
        lc.prepare(asked, overrides=dotted)
    assert "\n" not in str(told.value)
    assert not list((tmp_path / "out").glob("[!.]*"))
