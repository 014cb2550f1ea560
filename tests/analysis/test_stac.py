"""Runs as STAC: valid by the schemas that pystac and stac-model hold, and what they refer to is there."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import pytest
import rasterio
from rasterio.transform import from_origin
from support.finished import pixel_run

import landcover
from landcover.analysis.stac_model import model_item
from landcover.classes import classes_of, scheme
from landcover.errors import ConfigError, OutputError

NLCD6 = scheme("nlcd6")
# As run.json has it of a network that takes scaled RGB.
RECIPE: dict[str, Any] = {
    "path": "/models/colours.onnx",
    "format": "onnx",
    "digest": "b373dea2",
    "runtime": "openvino",
    "bands": [1, 2, 3],
    "mean": [100.0, 90.0, 80.0],
    "scale": [0.02, 0.02, 0.02],
    "input_size": [32, 32],
    "output": "pixel",
    "layout": "NHWC",
    "reads": "float32",
    "mean_image": None,
}


def described(path: Path, **how: Any) -> dict[str, Any]:
    codes = np.full((60, 80), 40, np.uint8)
    scenes = [
        (codes, crs, tuple(from_origin(x, y, 30, 30))[:6])
        for crs, x, y in (("EPSG:26914", 5e5, 4.5e6), ("EPSG:26914", 5e5 + 2400, 4.5e6))
    ]
    run = pixel_run(path / "run", NLCD6, scenes, model=RECIPE)
    files = landcover.open_run(run.path).stac(**how)
    return {Path(file).name: json.loads(Path(file).read_text()) for file in files}


def test_a_run_is_a_collection_of_its_outputs_and_its_model(tmp_path: Path) -> None:
    found = described(tmp_path, taken="2016-09-15")
    outputs, model = found["outputs.json"], found["model.json"]
    assert sorted(found) == ["collection.json", "model.json", "outputs.json"]
    assert outputs["properties"]["datetime"] == "2016-09-15T00:00:00Z"
    assert outputs["bbox"] == pytest.approx([-99, 40.634, -98.943, 40.651], abs=1e-3)
    assert {link["rel"]: link["href"] for link in outputs["links"]}[
        "derived_from"
    ] == "./model.json"
    for asset in outputs["assets"].values():
        assert (tmp_path / "run" / "stac" / asset["href"]).exists()
    whole = outputs["assets"]["map.vrt"]
    assert whole["proj:code"] == "EPSG:26914" and whole["proj:shape"] == [60, 160]
    assert whole["proj:transform"][:6] == [30, 0, 5e5, 0, -30, 4.5e6]
    forest = whole["classification:classes"][1]
    assert (forest["value"], forest["name"], forest["color_hint"]) == (
        40,
        "Forest",
        NLCD6.by_code[40].color[1:].upper(),
    )
    taken = model["properties"]["mlm:input"][0]
    assert taken["input"]["shape"] == [-1, 32, 32, 3]
    assert taken["value_scaling"][1] == {"type": "z-score", "mean": 90.0, "stddev": 50.0}
    assert model["properties"]["mlm:tasks"] == ["semantic-segmentation"]
    assert model["assets"]["model"]["roles"] == ["mlm:model"]


def test_it_is_valid_by_the_core_schemas_and_the_model_by_the_extension(tmp_path: Path) -> None:
    pystac = pytest.importorskip("pystac")
    validation = pytest.importorskip("pystac.validation.stac_validator")
    stac_model = pytest.importorskip("stac_model.schema")
    for name, document in described(tmp_path).items():
        kind = pystac.STACObjectType.COLLECTION if name == "collection.json" else "Feature"
        validation.JsonSchemaSTACValidator().validate_core(
            document, pystac.STACObjectType(kind), document["stac_version"]
        )
        if name == "model.json":
            properties = stac_model.MLModelProperties(**document["properties"])
            assert properties.name == "model colours"
            assert stac_model.SCHEMA_URI in document["stac_extensions"]


@pytest.mark.parametrize(
    "name", ["net_.onnx", "2016.keras", "übung-.model", "_.onnx", "a b.pb", "m"]
)
def test_whatever_a_model_is_called_its_item_keeps_to_the_extension(name: str) -> None:
    """Facts of the schema of version 1.6 that its own library does not look at: the form of names, kinds
    of numbers, what goes with bands, and which assets say how they are opened."""
    item = model_item({**RECIPE, "path": f"/models/{name}", "reads": "bfloat16"}, NLCD6)
    properties, assets = item["properties"], item["assets"]
    assert re.fullmatch(r"[a-zA-Z][a-zA-Z0-9_.\-\s]+[a-zA-Z0-9]", properties["mlm:name"])
    [taken], [given] = properties["mlm:input"], properties["mlm:output"]
    assert taken["input"]["data_type"] == "other" and given["result"]["data_type"] == "float32"
    assert "bands" in taken["input"]["dim_order"] and "bands" not in given["result"]["dim_order"]
    assert taken["bands"] == [band["name"] for band in properties["bands"]]
    assert [asset["roles"] for asset in assets.values() if "mlm:artifact_type" in asset] == [
        ["mlm:model"]
    ]
    for one in given["classification:classes"]:
        assert {"value", "name"} <= {*one} and re.fullmatch("[0-9A-Za-z_-]+", one["name"])
        assert isinstance(one["value"], int) and re.fullmatch("[0-9A-F]{6}", one["color_hint"])


def test_classes_are_told_with_the_pixels_that_they_have(tmp_path: Path) -> None:
    codes = np.full((2500, 40), 40, np.uint8)  # two blocks
    codes[2100:2200, :20], codes[0] = 80, NLCD6.nodata
    placed = tuple(from_origin(5e5, 4.5e6, 1, 1))[:6]
    run = pixel_run(tmp_path / "run", NLCD6, [(codes, "EPSG:26914", placed)])
    rows: list[tuple[int, int]] = []
    files = landcover.open_run(run.path).stac(progress=lambda *row: rows.append(row))
    classes = json.loads(Path(files[0]).read_text())["assets"]["map.tif"]["classification:classes"]
    found = {one["value"]: (one["count"], one["percentage"]) for one in classes if one["count"]}
    assert found == {40: (97_960, 97.96), 80: (2000, 2.0), 255: (40, 0.04)}
    assert rows == [(2048, 2500), (2500, 2500)]


_MOON = (
    'PROJCS["m",GEOGCS["m",DATUM["D_Moon",SPHEROID["Moon",1737400,0]],PRIMEM["Reference_Meridian",0],'
    'UNIT["Degree",0.0174532925199433]],PROJECTION["Equirectangular"],PARAMETER["standard_parallel_1",0],'
    'PARAMETER["central_meridian",0],UNIT["Meter",1]]'
)
_NOWHERE = (
    'PROJCS["x",GEOGCS["NAD83",DATUM["North_American_Datum_1983",SPHEROID["GRS 1980",6378137,298.2572]],'
    'PRIMEM["Greenwich",0],UNIT["degree",0.0174532925199433]],PROJECTION["Transverse_Mercator"],'
    'PARAMETER["scale_factor",0],UNIT["metre",1]]'
)


@pytest.mark.parametrize("crs", [_MOON, _NOWHERE, 'LOCAL_CS["site",UNIT["metre",1]]'])
def test_a_map_that_lies_nowhere_on_the_earth_is_no_part_of_a_catalogue(
    tmp_path: Path, crs: str, capfd: pytest.CaptureFixture[str]
) -> None:
    placed = tuple(from_origin(5e5, 4.5e6, 1, 1))[:6]
    run = pixel_run(tmp_path / "run", NLCD6, [(np.full((40, 50), 40, np.uint8), crs, placed)])
    with pytest.raises(OutputError, match="does not lead to degrees on the earth"):
        landcover.open_run(run.path).stac()
    assert not (tmp_path / "run" / "stac").exists() and capfd.readouterr().err == ""


def test_a_picture_that_was_removed_is_no_part_of_a_catalogue(tmp_path: Path) -> None:
    codes = np.full((40, 50), 40, np.uint8)
    placed = tuple(from_origin(5e5, 4.5e6, 1, 1))[:6]
    scenes = [(codes, "EPSG:26914", placed)]
    run = pixel_run(tmp_path / "run", NLCD6, scenes, files=["map.tif", "map.png", "gone.png"])
    Path(run.path, "map.png").write_bytes(b"")
    files = landcover.open_run(run.path).stac()
    assets = json.loads(Path(files[0]).read_text())["assets"]
    assert "map.png" in assets and "gone.png" not in assets


def test_a_date_that_is_none_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="2016-09-15"):
        described(tmp_path, taken="last summer")
    assert not (tmp_path / "run" / "stac").exists()


def test_names_that_are_no_names_for_programs_stand_in_descriptions(tmp_path: Path) -> None:
    odd = classes_of(["<b>", "b", "low veg."])
    placed = tuple(from_origin(5e5, 4.5e6, 1, 1))[:6]
    run = pixel_run(tmp_path / "run", odd, [(np.zeros((20, 20), np.uint8), "EPSG:26914", placed)])
    files = landcover.open_run(run.path).stac(tmp_path / "elsewhere")
    assert [Path(file).name for file in files] == ["outputs.json", "collection.json"]
    assets = json.loads(Path(files[0]).read_text())["assets"]
    named = assets["map.tif"]["classification:classes"]
    assert [one["name"] for one in named] == ["b-0", "b-1", "low-veg", "nodata"]
    assert [one["description"] for one in named][:3] == list(odd.names)
    assert (tmp_path / "elsewhere" / assets["map.tif"]["href"]).is_file()


_PROJECTION = {"code", "wkt2", "projjson", "geometry", "bbox", "centroid", "shape", "transform"}
_ALBERS = (
    'PROJCS["mine",GEOGCS["NAD83",DATUM["North_American_Datum_1983",SPHEROID["GRS 1980",6378137,298.257222101]],'
    'PRIMEM["Greenwich",0],UNIT["degree",0.0174532925199433]],PROJECTION["Albers_Conic_Equal_Area"],'
    'PARAMETER["latitude_of_center",23.4],PARAMETER["longitude_of_center",-96],'
    'PARAMETER["standard_parallel_1",29.5],PARAMETER["standard_parallel_2",45.5],UNIT["metre",1]]'
)


@pytest.mark.parametrize("crs", ["EPSG:26914", "EPSG:4326", "ESRI:102039", _ALBERS])
def test_maps_keep_to_the_projection_and_classification_extensions(
    tmp_path: Path, crs: str
) -> None:
    """Facts of the schemas and texts of both, version 2.0.0 (stac-extensions.github.io), which no package
    has."""
    side = 0.001 if crs == "EPSG:4326" else 30
    placed = tuple(from_origin(-98, 41, side, side))[:6]
    run = pixel_run(tmp_path / "run", NLCD6, [(np.full((20, 30), 40, np.uint8), crs, placed)])
    files = landcover.open_run(run.path).stac()
    outputs = json.loads(Path(files[0]).read_text())
    assert outputs["stac_extensions"] == [
        f"https://stac-extensions.github.io/{name}/v2.0.0/schema.json"
        for name in ("projection", "classification")
    ]
    told = [outputs["properties"], *outputs["assets"].values()]
    names = {name for one in told for name in one if name.startswith(("proj:", "classification:"))}
    assert names <= {f"proj:{name}" for name in _PROJECTION} | {"classification:classes"}
    asset = outputs["assets"]["map.tif"]
    # A code, "authority:code"; null where there is none, and then the CRS as WKT2.
    code = asset["proj:code"]
    assert code == (None if crs == _ALBERS else crs)
    assert code or pyproj.CRS.from_wkt(asset["proj:wkt2"]) == pyproj.CRS.from_user_input(crs)
    # Rows before columns; a matrix of three rows, row by row; west, south, east, north in the CRS.
    assert asset["proj:shape"] == [20, 30]
    a, b, c, d, e, f, *last = asset["proj:transform"]
    assert last == [0, 0, 1]
    corner = c + 30 * a + 20 * b, f + 30 * d + 20 * e
    assert asset["proj:bbox"] == pytest.approx([c, corner[1], corner[0], f])
    # At least one class, no two the same: a whole number each, a name of letters, digits, - and _.
    classes = asset["classification:classes"]
    assert len({json.dumps(one) for one in classes}) == len(classes) == len(NLCD6) + 1
    known = {"value", "name", "description", "color_hint", "nodata", "count", "percentage"}
    for one in classes:
        assert {*one} <= known and type(one["value"]) is int
        assert re.fullmatch("[0-9A-Za-z_-]+", one["name"])
        assert re.fullmatch("[0-9A-F]{6}", one.get("color_hint", "000000"))
    assert [one["value"] for one in classes if one.get("nodata")] == [255]
    with rasterio.open(tmp_path / "run" / "map.tif") as file:
        assert set(np.unique(file.read())) <= {one["value"] for one in classes}
