"""Folders of labelled tiles that come from anyone: nothing of them is used before it is looked at."""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
from PIL import Image

from landcover.classes import scheme
from landcover.config import told_of
from landcover.errors import ConfigError, OutputError, SourceError
from landcover.labelling.checking import MASKS
from landcover.labelling.folder import Prepared
from landcover.labelling.rules import REASONS
from landcover.labelling.tile_set import TileSet
from landcover.runs.geoparquet import check_polygons, check_shallow
from landcover.training.masks import _mask

NLCD6 = scheme("nlcd6")
TILE = [shapely.to_wkb(shapely.box(0, 0, 1, 1), byte_order=1)] * 2
LINES: dict[str, list[Any]] = {
    "path": ["train/Forest/a.png", "test/Shrub/b.png"],
    "class": ["Forest", "Shrub"],
    "scene": ["a", "a"],
    "date": ["", ""],
    "split": ["train", "test"],
}


def _lines(**other: list[Any]) -> pa.Table:
    more = {
        "code": pa.array([40, 50], pa.int32()),
        "geometry": pa.array(TILE, pa.binary()),
        "size": pa.array([1, 1], pa.int64()),
    }
    return pa.table({**LINES, **more, **other})


@pytest.fixture
def folder(tmp_path: Path) -> Prepared:
    found = Prepared(str(tmp_path))
    found.storage.prepare("parts", "parts/tiles", "parts/labels", "train/Forest", "test/Shrub")
    for name in LINES["path"]:
        (tmp_path / name).write_bytes(b"x")
    return found


def test_a_part_is_done_that_is_what_a_task_writes(folder: Prepared) -> None:
    told = {"task": 0, "tiles": 2, "unreadable": 0, "reason": ""}
    folder.put_part("tiles", 0, _lines(), told)
    assert folder.finished("tiles", NLCD6) == {0: told}


@pytest.mark.parametrize(
    "other",
    [
        {"path": ["../x.png", "test/Shrub/b.png"]},
        {"path": ["/etc/passwd", "test/Shrub/b.png"]},
        {"path": ["train/../../x.png", "test/Shrub/b.png"]},
        {"path": ["test/Forest/a.png", "test/Shrub/b.png"]},
        {"class": ["Mars", "Shrub"]},
        {"split": ["train", "else"]},
        {"geometry": [b"\x01\x07\0\0\0\x01\0\0\0" * 100_000, *TILE[1:]]},
        {"mask": ["train/Forest/a.png", "masks/test/Shrub/b.png"]},
        {"size": ["1", "1"]},
        {"scene": [None, "a"]},
    ],
)
def test_a_part_that_leads_elsewhere_is_done_again(
    folder: Prepared, other: dict[str, list[Any]]
) -> None:
    folder.put_part(
        "tiles", 0, _lines(**other), {"task": 0, "tiles": 2, "unreadable": 0, "reason": ""}
    )
    assert folder.finished("tiles", NLCD6) == {}
    with pytest.raises(OutputError, match=r"parts/tiles/part-000000.parquet: cannot be read: it"):
        folder.part("tiles", 0, NLCD6)


@pytest.mark.parametrize(
    "told",
    [
        {"tiles": -1},
        {"counts": [[9, 0, 1]]},
        {"counts": [[0, 6, 1]]},
        {"counts": [[0, 0, "x"]]},
        {"counts": 7},
        {"left_out": [1]},
    ],
)
def test_counts_that_cannot_be_are_counted_again(folder: Prepared, told: dict[str, Any]) -> None:
    good = {"task": 0, "tiles": 1, "counts": [[0, 5, 1]], "left_out": [0] * len(REASONS)}
    table = pa.table(
        {
            "row": pa.array([0], pa.int32()),
            "col": pa.array([0], pa.int32()),
            "label": pa.array([5], pa.int16()),
            "split": pa.array([0], pa.int8()),
        }
    )
    folder.put_part("labels", 0, table, good)
    assert folder.finished("labels", NLCD6) == {0: good}
    folder.put_part("labels", 0, table, {**good, **told})
    assert folder.finished("labels", NLCD6) == {}


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "[" * 100_000,
        '{"classes": 1}',
        json.dumps({"classes": [{"name": "a", "folder": "a"}], "status": "done"}),
        json.dumps(
            {
                "classes": [{"name": "a", "folder": "a"}],
                "status": "done",
                "counts": {"train": {"b": 1}},
                "found": {},
                "planned": 1,
                "left_out": {},
                "crs": "EPSG:26914",
            }
        ),
        json.dumps({"classes": [{"name": "a", "folder": "a"}], "fingerprint": None}),
    ],
)
def test_what_the_folder_says_of_itself_is_looked_at(folder: Prepared, text: str) -> None:
    Path(folder.path, "prepare.json").write_text(text)
    with pytest.raises(OutputError, match=r"prepare\.json: cannot be read: ") as told:
        TileSet.open(folder.path)
    assert len(str(told.value)) < 500


def test_a_manifest_of_others_is_one_sentence(folder: Prepared) -> None:
    for table in (_lines(geometry=[b"", b""]), _lines(path=[1, 2]), pa.table({"a": [1]})):
        content = io.BytesIO()
        pq.write_table(table, content)
        folder.storage.put("manifest.parquet", content.getvalue())
        with pytest.raises(OutputError, match=r"manifest\.parquet: cannot be read: its? "):
            TileSet(folder, {"crs": "EPSG:26914"}).tiles()


def test_outlines_are_polygons_of_one_ring() -> None:
    check_polygons(TILE)
    holed = shapely.Polygon([(0, 0), (9, 0), (9, 9)], [[(1, 1), (2, 1), (2, 2)]])
    for shape in (shapely.Point(0, 0), holed, shapely.MultiPolygon([shapely.box(0, 0, 1, 1)])):
        with pytest.raises(ValueError, match="no plain polygons"):
            check_polygons([shapely.to_wkb(shape, byte_order=1)])


def test_shapes_are_polygons_before_a_library_follows_what_is_in_them() -> None:
    several = shapely.MultiPolygon([shapely.box(0, 0, 1, 1), shapely.box(2, 2, 3, 3)])
    for shape in (several, several.geoms[0], shapely.MultiPolygon([])):
        for order in (0, 1):
            check_shallow(shapely.to_wkb(shape, byte_order=order))
    inside = b"\x01\x06\0\0\0\x02\0\0\0" + shapely.to_wkb(several.geoms[0], byte_order=1)
    for wkb in (
        *(b"", b"\x01", b"\x01\x06\0\0\0\xff\xff\xff\xff", inside),
        *(shapely.to_wkb(shapely.Point(0, 0)), b"\x01\x07\0\0\0\x01\0\0\0" * 100_000),
        *(b"\x01\x06\0\0\0\x01\0\0\0" * 100_000, inside + b"\x01\x07\0\0\0\x01\0\0\0" * 99),
    ):
        with pytest.raises(ValueError, match="its outlines are"):
            check_shallow(wkb)


def _postscript(path: Path) -> None:
    path.write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 4 4\n%%EndComments\nshowpage\n")


_NO_MASKS: dict[str, Callable[[Path], Any]] = {
    "a program": _postscript,
    "a pipe": os.mkfifo,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "colours": lambda path: Image.new("RGB", (4, 4)).save(path),
    "bits": lambda path: Image.new("1", (4, 4)).save(path),
    "a TIFF": lambda path: Image.new("L", (4, 4)).save(path, "TIFF"),
    "damaged": lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"\xff" * 100),
}


@pytest.mark.parametrize("what", _NO_MASKS)
def test_a_mask_is_a_png_with_one_code_a_pixel(tmp_path: Path, what: str) -> None:
    image = tmp_path / "train/a.png"
    mask = tmp_path / MASKS / "train/a.png"
    mask.parent.mkdir(parents=True)
    _NO_MASKS[what](mask)
    with pytest.raises(SourceError, match=r"a\.png: cannot be read as the mask of a tile"):
        _mask(tmp_path, image, (4, 4), NLCD6)


def test_masks_of_few_and_of_many_classes_are_read(tmp_path: Path) -> None:
    (tmp_path / MASKS).mkdir()
    for dtype in (np.uint8, np.uint16):
        Image.fromarray(np.full((4, 4), 40, dtype)).save(tmp_path / MASKS / "a.png")
        assert (_mask(tmp_path, tmp_path / "a.png", (4, 4), NLCD6) == 1).all()


def test_what_is_wrong_with_a_setting_later_on_names_the_file_that_it_stands_in() -> None:
    for origin, told in (
        ("labels.classes", "a.yaml: labels.classes: no"),
        ("/b.yaml", "/b.yaml: no"),
    ):
        with pytest.raises(ConfigError, match="^" + re.escape(told)), told_of("a.yaml"):
            raise ConfigError(["no"], origin)
    with pytest.raises(ConfigError, match=r"^split: no"), told_of({}):
        raise ConfigError(["no"], "split")
