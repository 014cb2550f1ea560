"""What other training scripts read: TFRecords, map files, and the classes of pixels."""

from __future__ import annotations

import csv
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.transform import from_origin
from support.ground import codes_at, squares, write_codes
from support.rasters import imagery, write

import landcover as lc
from landcover.errors import LandcoverError

CODES = {21: 20, 24: 20, 41: 40, 82: 80, 71: 70}


@pytest.fixture(scope="module")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Tiles of 20 m with all that is written on request, and the folder of what they are made of."""
    folder = tmp_path_factory.mktemp("exports")
    path = write(folder / "scene.tif", imagery(3, 400, 400))
    corner = (500000 - 7, 4000000 + 11)
    codes = write_codes(folder / "codes.tif", squares(12, 4), "EPSG:26914", corner, 10.0)
    pytest.importorskip("tensorflow")
    return lc.prepare(
        {
            "source": {"rasters": path, "tile": 20},
            "reference": {"path": codes},
            "labels": {"rule": "majority", "share": 0.5},
            "split": {"shares": {"train": 0.6, "test": 0.4}, "block": 60, "buffer": 0},
            "output": {"path": str(folder / "out"), "tfrecord": True, "cntk": True, "pixels": True},
        }
    )


def test_tensorflow_reads_the_records_as_the_guide_does(tiles: Any) -> None:
    import tensorflow as tf

    folder = Path(tiles.path, "tfrecord")
    names = dict(line.split(":") for line in (folder / "labels.txt").read_text().splitlines())
    features = {
        "image/encoded": tf.io.FixedLenFeature((), tf.string),
        "image/format": tf.io.FixedLenFeature((), tf.string),
        "image/class/label": tf.io.FixedLenFeature((), tf.int64),
    }
    with (folder / "dataset_split_info.csv").open() as file:
        told = list(csv.DictReader(file))
    for split in ("train", "test"):
        shards = sorted(map(str, folder.glob(f"aerial_{split}_*.tfrecord")))
        rows = [row for row in told if row["split_name"] == split]
        found = list(tf.data.TFRecordDataset(shards))
        assert len(found) == len(rows) == tiles.counts[split].sum()
        for record, row in zip(found, rows, strict=True):
            one = tf.io.parse_single_example(record, features)
            assert one["image/format"] == b"png"
            assert names[str(int(one["image/class/label"]))] == row["class_name"]
            with Image.open(Path(tiles.path, row["filename"])) as image:
                pixels = tf.io.decode_png(one["image/encoded"], channels=3)
                np.testing.assert_array_equal(pixels, np.asarray(image))
    assert [row["class_name"] for row in told[:20]] != sorted(
        row["class_name"] for row in told[:20]
    )


def test_a_map_file_names_each_image_with_its_class(tiles: Any) -> None:
    for split in ("train", "test"):
        folder = Path(tiles.path, "cntk", split)
        names = dict(line.split(":") for line in (folder / "labels.txt").read_text().splitlines())
        lines = [line.split("\t") for line in (folder / "map.txt").read_text().splitlines()]
        assert len({path for path, _ in lines}) == tiles.counts[split].sum()
        for path, label in lines:
            assert Path(path).is_file() and Path(path).parent.name == names[label]


@pytest.mark.skipif(
    "LANDCOVER_CNTK_PYTHON" not in os.environ,
    reason="LANDCOVER_CNTK_PYTHON names no Python 3.6 with the package cntk 2.7",
)
def test_the_genuine_reader_finds_the_pixels_and_classes_of_a_map_file(
    tiles: Any, tmp_path: Path
) -> None:
    for split in ("train", "test"):
        table = Path(tiles.path, "cntk", split, "map.txt")
        lines = [line.split("\t") for line in table.read_text().splitlines()]
        count = len(Path(table.parent, "labels.txt").read_text().splitlines())
        reader, out = Path(__file__).parents[1] / "support/cntk_reader.py", tmp_path / "out.npz"
        python = os.environ["LANDCOVER_CNTK_PYTHON"]
        subprocess.run([python, reader, table, "20", str(count), out], check=True)
        with np.load(out) as found:
            assert found["labels"].tolist() == [int(label) for _, label in lines]
            for pixels, (path, _) in zip(found["pixels"], lines, strict=True):
                with Image.open(path) as image:
                    blue_first = np.asarray(image)[..., ::-1]
                np.testing.assert_array_equal(np.moveaxis(pixels, 0, -1), blue_first)


def test_a_mask_holds_the_code_of_the_ground_at_each_pixel(tiles: Any) -> None:
    codes = str(Path(tiles.path).parent / "codes.tif")
    frame = tiles.tiles()
    for tile in frame.head(12).itertuples():
        with Image.open(Path(tiles.path, tile.mask)) as image:
            mask = np.asarray(image)
        west, _, _, north = tile.geometry.bounds
        x, y = np.meshgrid(west + np.arange(20) + 0.5, north - np.arange(20) - 0.5)
        found, edge = codes_at(codes, x, y, "EPSG:26914")
        expected = np.vectorize(lambda code: CODES.get(code, 255))(found)
        np.testing.assert_array_equal(mask[edge > 1e-4], expected[edge > 1e-4])
        assert (
            mask == tile.code
        ).mean() > 0.4  # looked at in 16 x 16 places: at least half of them


def test_what_other_scripts_do_not_decode_is_refused_at_once(tmp_path: Path) -> None:
    where = from_origin(500000, 4000000, 1, 1)
    path = write(tmp_path / "scene.tif", imagery(4, 100, 100, "uint16"), transform=where)
    codes = write_codes(tmp_path / "c.tif", squares(5, 2), "EPSG:26914", (500000, 4000000), 10.0)
    asked = {"source": {"rasters": path, "tile": 20}, "reference": codes}
    with pytest.raises(
        LandcoverError, match=r"cntk holds images of 1 or 3 bands .* have 4 of uint16"
    ):
        lc.prepare({**asked, "output": {"path": str(tmp_path / "out"), "cntk": True}})
    assert not (tmp_path / "out").exists()
    with rasterio.open(path) as file:
        assert file.count == 4
