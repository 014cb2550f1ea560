"""How well do networks tell crops apart in real imagery, beside naming the commonest one?

    python -m benchmarks.crops FOLDER [--tile 16] [--seeds 3] [--methods probe,network]

FOLDER holds the eight arrays ``naip1.npy`` to ``naip8.npy`` of tile2vec (https://github.com/ermongroup/tile2vec,
MIT): 256 x 256 pixels of NAIP (red, green, blue, near infrared) with the Cropland Data Layer's code of each.
They say nothing of where they lie: they get places of their own in UTM zone 10, at 0.6 m. ``lc.prepare`` cuts
them into tiles with the scheme ``cdl``; six are learned from, and two, which have the same three classes, test.
Results go to ``benchmarks/results/crops.json``.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import shapely
from rasterio.transform import from_origin

import landcover as lc
from benchmarks.record import write_results

CRS, RESOLUTION, APART = "EPSG:32610", 0.6, 1000.0
CORNER = 700_000.0, 4_100_000.0
TESTS = (5, 6)
CLASSES = ["Fallow/Idle Cropland", "Grapes", "Almonds"]


def main() -> None:
    """Prepare, train with each method and seed, and say what came out."""
    parser = argparse.ArgumentParser(description="Crops of eight small scenes.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tile", type=int, default=16)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--methods", default="probe,network")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        tiles = prepared(given.folder, home, given.tile)
        counts = tiles.summary["counts"]
        majority = max(counts["test"].values()) / sum(counts["test"].values())
        print(tiles.counts.to_string(), f"\nmajority class: {majority:.1%} of test")
        rows = [
            {
                "method": method,
                "majority": round(majority, 4),
                **measured(tiles, home, method, given),
            }
            for method in given.methods.split(",")
        ]
        path = write_results("crops", rows, ["keras", "tensorflow"], counts=counts, tile=given.tile)
    print(json.dumps(rows, indent=2))
    print(path)


def prepared(folder: Path, home: Path, tile: int) -> Any:
    """Labelled tiles of the eight scenes, of which two are for testing."""
    boxes = []
    for number in range(1, 9):
        array = np.load(folder / f"naip{number}.npy", allow_pickle=False)
        corner = (CORNER[0] + number * APART, CORNER[1])
        _write(home / f"naip{number}.tif", array[..., :4], corner)
        _write(home / "codes" / f"codes{number}.tif", array[..., 4:], corner)
        edge = RESOLUTION * len(array)
        if number in TESTS:
            boxes.append(shapely.box(corner[0], corner[1] - edge, corner[0] + edge, corner[1]))
    _merge(home)
    region = home / "test.geojson"
    region.write_text(json.dumps(_features(boxes)))
    return lc.prepare(
        {
            "source": {"rasters": str(home / "naip*.tif"), "tile": tile},
            "reference": {"path": str(home / "codes.tif"), "scheme": "cdl"},
            "labels": {"rule": "majority", "share": 0.75, "classes": CLASSES},
            "split": {"by": "region", "regions": {"test": str(region)}},
            "draw": {"balance": "none"},
            "output": str(home / "tiles"),
        }
    )


def measured(tiles: Any, home: Path, method: str, given: argparse.Namespace) -> dict[str, Any]:
    """Shares of the test tiles that are labelled right, with each seed, and of each class in the mean."""
    found, recalls = [], []
    for seed in range(given.seeds):
        output = home / f"{method}-{seed}"
        trained = lc.train(data=tiles.path, output=output, method=method, seed=seed)
        found.append(trained.accuracy)
        recalls.append(trained.summary["judged"][-1]["producers"])
    return {
        "accuracy": round(statistics.mean(found), 4),
        "accuracies": [round(one, 4) for one in found],
        "producers": dict(zip(CLASSES, np.mean(recalls, axis=0).round(3).tolist(), strict=True)),
    }


def _write(path: Path, pixels: Any, corner: tuple[float, float]) -> None:
    path.parent.mkdir(exist_ok=True)
    height, width, bands = pixels.shape
    shape = {"height": height, "width": width, "count": bands, "dtype": "uint8"}
    where = {"crs": CRS, "transform": from_origin(*corner, RESOLUTION, RESOLUTION)}
    colors = {
        "alpha": "no",
        "photometric": "minisblack",
    }  # the fourth band is infrared, not opacity
    with rasterio.open(path, "w", driver="GTiff", **shape, **where, **colors) as file:
        file.write(pixels.transpose(2, 0, 1))


def _merge(home: Path) -> None:
    """One reference of all scenes; between them there is none."""
    from rasterio.merge import merge

    paths = sorted((home / "codes").glob("*.tif"))
    merge(paths, nodata=0, dst_path=home / "codes.tif")


def _features(boxes: list[Any]) -> dict[str, Any]:
    """Polygons as GeoJSON with a CRS of its own, as GDAL reads it."""
    name = f"urn:ogc:def:crs:{CRS.replace(':', '::')}"
    features = [
        {"type": "Feature", "properties": {}, "geometry": shapely.geometry.mapping(box)}
        for box in boxes
    ]
    crs = {"type": "name", "properties": {"name": name}}
    return {"type": "FeatureCollection", "crs": crs, "features": features}


if __name__ == "__main__":
    main()
