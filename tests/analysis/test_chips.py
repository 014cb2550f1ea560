"""Pictures of the imagery that a run has scored, found where its configuration says it is."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import geopandas
import numpy as np
import onnx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
from PIL import Image
from support.colours import SIDECAR, blobs, network, write_scene

import landcover
from landcover.analysis.chips import chips
from landcover.analysis.imagery import imagery_on
from landcover.errors import SourceError
from landcover.runs.map_format.grid import MapGrid


def test_a_table_that_names_a_file_or_a_server_opens_neither(tmp_path: Path) -> None:
    write_scene(tmp_path / "scene.tif", blobs(1, 64, 64))
    write_scene(tmp_path / "other.tif", blobs(2, 64, 64))
    onnx.save(network(pixel=False, halo=0, size=32), tmp_path / "colours.onnx")
    (tmp_path / "colours.yaml").write_text(SIDECAR)
    run = landcover.score(
        rasters=str(tmp_path / "scene.tif"),
        model=tmp_path / "colours.onnx",
        output=tmp_path / "run",
    )
    points = geopandas.GeoSeries([shapely.Point(5e5 + 32, 4.5e6 - 32)], crs="EPSG:26918")
    assert next(chips(run.directory, points, 64.0, points.buffer(4))) is not None
    (part,) = (tmp_path / "run/tiles").iterdir()
    for name in (str(tmp_path / "other.tif"), "http://127.0.0.1:9/a.tif", "other"):
        table = pq.read_table(part)
        at = table.schema.get_field_index("source")
        names = pa.array([name] * len(table), table.schema.field("source").type)
        pq.write_table(table.set_column(at, table.schema.field(at), names), part)
        with pytest.raises(SourceError, match="not where the run's configuration says"):
            list(chips(run.directory, points, 64.0, points.buffer(4)))


@pytest.mark.parametrize("rasters", ["imagery/*.tif", "imagery", "imagery/*/*.tif"])
def test_scenes_are_found_by_the_patterns_that_a_run_was_given(
    tmp_path: Path, rasters: str
) -> None:
    folder = tmp_path / "imagery" / ("2016" if rasters.count("*") == 2 else "")
    folder.mkdir(parents=True)
    pixels = blobs(1, 64, 64)
    for number in range(2):
        write_scene(folder / f"scene-{number}.tif", pixels, left=5e5 + 64 * number)
    onnx.save(network(pixel=False, halo=0, size=32), tmp_path / "colours.onnx")
    (tmp_path / "colours.yaml").write_text(SIDECAR)
    run = landcover.score(
        rasters=str(tmp_path / rasters), model=tmp_path / "colours.onnx", output=tmp_path / "run"
    )
    points = geopandas.GeoSeries([shapely.Point(5e5 + 96, 4.5e6 - 32)], crs="EPSG:26918")
    (picture,) = chips(run.directory, points, 64.0, points.buffer(4))
    assert picture is not None
    with Image.open(io.BytesIO(picture)) as image:
        corner = np.asarray(image.convert("RGB"))[2, 2]
    assert corner.tolist() == pixels[:, 0, 0].tolist()
    for scene in folder.iterdir():
        scene.unlink()
    with pytest.raises(SourceError, match=r"cannot be read for pictures"):
        list(chips(run.directory, points, 64.0, points.buffer(4)))


@pytest.mark.parametrize(
    ("overlap", "first_until"), [("first", 40), ("centre", 30), ("newest", 20)]
)
def test_where_scenes_overlap_that_one_is_seen_which_the_map_shows(
    tmp_path: Path, overlap: str, first_until: int
) -> None:
    pixels = np.full((3, 40, 40), 200, np.uint8)
    write_scene(tmp_path / "2016.tif", pixels)
    write_scene(tmp_path / "2018.tif", pixels // 2, left=5e5 + 20)
    onnx.save(network(pixel=False, halo=0, size=10), tmp_path / "colours.onnx")
    (tmp_path / "colours.yaml").write_text(SIDECAR)
    dated = {"date": {"pattern": r"(?P<date>\d{4})\.tif"}} if overlap == "newest" else {}
    run = landcover.score(
        {
            "source": {
                "rasters": [str(tmp_path / f"{year}.tif") for year in (2016, 2018)],
                **dated,
            },
            "model": str(tmp_path / "colours.onnx"),
            "output": {"path": str(tmp_path / "run"), "overlap": overlap},
        }
    ).directory
    expected = np.where(np.arange(5, 60, 10) < first_until, 200, 100)
    grid = MapGrid("EPSG:26918", (10.0, 0.0, 5e5, 0.0, -10.0, 4.5e6), 6, 4)
    assert (imagery_on(run, grid)[..., 0] == expected).all()
    middles = [shapely.Point(5e5 + x, 4.5e6 - 15) for x in range(5, 60, 10)]
    points = geopandas.GeoSeries(middles, crs="EPSG:26918")
    drawn = [
        Image.open(io.BytesIO(one or b"")) for one in chips(run, points, 4.0, points.buffer(1))
    ]
    assert [one.getpixel((192, 192))[0] for one in drawn] == expected.tolist()


def test_scenes_are_closed_and_opened_again_and_one_that_is_gone_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("landcover.analysis.chips._OPEN", 1)
    shades = [200, 100, 50]
    for number, shade in enumerate(shades):
        pixels = np.full((3, 40, 40), shade, np.uint8)
        write_scene(tmp_path / f"{number}.tif", pixels, left=5e5 + 40 * number)
    onnx.save(network(pixel=False, halo=0, size=10), tmp_path / "colours.onnx")
    (tmp_path / "colours.yaml").write_text(SIDECAR)
    run = landcover.score(
        rasters=str(tmp_path / "?.tif"),
        model=tmp_path / "colours.onnx",
        output=tmp_path / "run",
    ).directory
    places = [0, 1, 2, 0, 2, 1, 0]
    middles = [shapely.Point(5e5 + 40 * place + 20, 4.5e6 - 20) for place in places]
    points = geopandas.GeoSeries(middles, crs="EPSG:26918")

    def seen(missing: Callable[[SourceError], None] | None = None) -> list[int | None]:
        drawn = chips(run, points, 4.0, points.buffer(1), missing)
        return [
            None if one is None else Image.open(io.BytesIO(one)).getpixel((192, 192))[0]
            for one in drawn
        ]

    assert seen() == [shades[place] for place in places]
    (tmp_path / "1.tif").unlink()
    told: list[SourceError] = []
    assert seen(told.append) == [None if place == 1 else shades[place] for place in places]
    assert [str(one).partition(":")[0] for one in told] == ["1"]


def test_there_is_no_picture_of_a_place_whose_middle_has_no_data(tmp_path: Path) -> None:
    pixels = np.full((3, 40, 40), 200, np.uint8)
    pixels[:, 10:30, 10:30] = 0
    write_scene(tmp_path / "scene.tif", pixels, nodata=0)
    onnx.save(network(pixel=False, halo=0, size=10), tmp_path / "colours.onnx")
    (tmp_path / "colours.yaml").write_text(SIDECAR)
    run = landcover.score(
        rasters=str(tmp_path / "scene.tif"),
        model=tmp_path / "colours.onnx",
        output=tmp_path / "run",
    ).directory
    middles = [shapely.Point(5e5 + x, 4.5e6 - 20) for x in (5, 20)]
    points = geopandas.GeoSeries(middles, crs="EPSG:26918")
    found = list(chips(run, points, 30.0, points.buffer(1)))
    assert [one is None for one in found] == [False, True]
