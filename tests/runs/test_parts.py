"""Parts: their columns, their bytes, and what can be read back from them."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import geopandas
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyproj
import pytest
import rasterio

from landcover.classes import classes_of, scheme
from landcover.contracts import Failure, Tile
from landcover.errors import OutputError
from landcover.local_files import TEMPORARY
from landcover.runs.counts import Counts
from landcover.runs.directory import RunDirectory
from landcover.runs.parts import (
    Part,
    finished,
    read_parts,
    remove_part,
    remove_strays,
    write_part,
)
from landcover.runs.pixels import PixelBlock, read_pixels

MakePart = Callable[..., Part]
MakeTile = Callable[..., Tile]


def test_a_part_of_a_raster_has_the_promised_columns(
    run: RunDirectory, make_part: MakePart
) -> None:
    probabilities = np.eye(6, dtype=np.float32)[:4]
    write_part(run, make_part(3, probabilities=probabilities))
    table = next(read_parts(run))
    expected = (
        "tile source row col xmin ymin xmax ymax label code score true_label probabilities geometry"
    )
    assert table.column_names == expected.split()
    assert table["label"].to_pylist() == ["Barren", "Forest", "Shrub", "Cultivated"]
    assert table["code"].to_pylist() == [30, 40, 50, 80]
    assert table.schema.field("score").type == pa.float32()
    assert table["score"].to_pylist() == np.linspace(0.5, 1, 4, dtype=np.float32).tolist()
    assert table.schema.field("probabilities").type == pa.list_(pa.float32())
    assert table["probabilities"].to_pylist() == probabilities.tolist()


def test_a_part_of_image_files_has_neither_bounds_nor_geometry(
    run: RunDirectory, make_part: MakePart
) -> None:
    images = [Tile(f"{n}.png", f"{n}.png", 0, 0, None, "Forest") for n in range(3)]
    write_part(run, make_part(0, images, crs=None))
    table = next(read_parts(run))
    assert "geometry" not in table.column_names and "probabilities" not in table.column_names
    assert table["xmin"].null_count == 3
    assert table["true_label"].to_pylist() == ["Forest"] * 3
    assert b"geo" not in (table.schema.metadata or {})


def test_a_part_opens_in_geopandas_with_its_crs_and_outlines(
    run: RunDirectory, make_part: MakePart, make_tile: MakeTile
) -> None:
    write_part(run, make_part(2))
    frame = geopandas.read_parquet(io.BytesIO(run.storage.read(run.part("tiles", 2))))
    assert frame.crs == pyproj.CRS("EPSG:26914")
    assert [tuple(g.bounds) for g in frame.geometry] == [make_tile(2, c).bounds for c in range(4)]
    assert frame.geometry.is_valid.all()
    assert all(outline.exterior.is_ccw for outline in frame.geometry)
    [first, *_] = pq.read_table(io.BytesIO(run.storage.read(run.part("tiles", 2))))["geometry"]
    assert first.as_py()[0] == 1  # little-endian


def test_the_box_of_a_part_holds_all_its_tiles(
    run: RunDirectory, make_part: MakePart, make_tile: MakeTile
) -> None:
    write_part(run, make_part(0, [make_tile(1, 3), make_tile(4, 0), make_tile(2, 1)]))
    with run.storage.open(run.part("tiles", 0)) as file:
        geo = json.loads(pq.read_metadata(file).metadata[b"geo"])
    box = geo["columns"]["geometry"]["bbox"]
    assert box == [400_000, 5_200_000 - 5 * 224, 400_000 + 4 * 224, 5_200_000 - 224]


def test_the_geo_metadata_follows_geoparquet_1_1(run: RunDirectory, make_part: MakePart) -> None:
    write_part(run, make_part(0))
    with run.storage.open(run.part("tiles", 0)) as file:
        geo = json.loads(pq.read_metadata(file).metadata[b"geo"])
    column = geo["columns"]["geometry"]
    assert (geo["version"], geo["primary_column"]) == ("1.1.0", "geometry")
    assert (column["encoding"], column["geometry_types"]) == ("WKB", ["Polygon"])
    assert column["crs"]["id"] == {"authority": "EPSG", "code": 26914}
    assert column["bbox"] == [400_000, 5_199_776, 400_896, 5_200_000]


def test_equal_results_make_equal_bytes(run: RunDirectory, make_part: MakePart) -> None:
    write_part(run, make_part(5))
    first = run.storage.read(run.part("tiles", 5))
    remove_part(run, 5)
    assert not run.parts("tiles")
    write_part(run, make_part(5))
    assert run.storage.read(run.part("tiles", 5)) == first


def test_counts_and_digests_of_finished_tasks_are_read_back(
    run: RunDirectory, make_part: MakePart, make_tile: MakeTile
) -> None:
    failures = [Failure(make_tile(9, 9), "a.tif: cannot be read", True)]
    write_part(run, make_part(4, failures=failures, skipped=2))
    write_part(run, make_part(11, [], skipped=5))
    [(_, mark)] = run.marked_parts("quarantine")
    expected = {4: Counts(7, 4, 1, 2, "d4", 1, mark=mark), 11: Counts(5, 0, 0, 5, "d11")}
    assert finished(run) == expected


def test_a_damaged_part_is_not_finished(run: RunDirectory, make_part: MakePart) -> None:
    write_part(run, make_part(0))
    write_part(run, make_part(1))
    content = run.storage.read(run.part("tiles", 1))
    run.storage.put(run.part("tiles", 1), content[:-40])
    assert list(finished(run)) == [0]
    with pytest.raises(OutputError, match=r"part-000001.parquet: cannot be read"):
        list(read_parts(run))


@pytest.mark.parametrize(
    "told",
    [
        {"mark": "../../../elsewhere/file"},
        {"mark": 1},
        {"scored": -1, "planned": 1, "skipped": 2},
        {"planned": 10**30},
        {"planned": 3},
        {"retryable": 5},
        {"digest": None},
        {"skipped": True},
        {"other": 1},
    ],
)
def test_a_part_whose_counts_do_not_fit_is_not_finished(
    told: dict[str, object], run: RunDirectory, make_part: MakePart
) -> None:
    write_part(run, make_part(0))
    name = run.part("tiles", 0)
    table = pq.read_table(pa.BufferReader(run.storage.read(name)))
    held = table.schema.metadata
    values = {**json.loads(held[b"landcover"]), **told}
    content = io.BytesIO()
    changed = {**held, b"landcover": json.dumps(values).encode()}
    pq.write_table(table.replace_schema_metadata(changed), content)
    run.storage.put(name, content.getvalue())
    assert not finished(run)


def test_failures_are_kept_with_their_reasons(
    run: RunDirectory, make_part: MakePart, make_tile: MakeTile
) -> None:
    lost = Failure(make_tile(1, 2), "its worker died 3 times", True)
    broken = Failure(Tile("x.png", "x.png", 0, 0), "is no image", False)
    write_part(run, make_part(0, [], failures=[lost, broken]))
    rows = next(read_parts(run, "quarantine")).to_pylist()
    assert [row["reason"] for row in rows] == ["its worker died 3 times", "is no image"]
    assert [row["retryable"] for row in rows] == [True, False]
    assert (rows[0]["row"], rows[0]["col"], rows[1]["xmin"]) == (1, 2, None)
    assert (finished(run)[0].quarantined, finished(run)[0].retryable) == (2, 1)


def test_what_an_attempt_left_that_was_killed_does_not_stay(
    run: RunDirectory, make_part: MakePart, make_tile: MakeTile
) -> None:
    write_part(run, make_part(0, failures=[Failure(make_tile(0, 9), "timeout", True)]))
    run.storage.remove(run.part("tiles", 0))  # killed before its table was there
    write_part(run, make_part(0))
    assert not list(read_parts(run, "quarantine"))
    remove_strays(run)
    assert run.parts("quarantine") == []


def test_a_run_that_is_done_and_has_lost_a_table_is_not_read(
    run: RunDirectory, make_part: MakePart
) -> None:
    write_part(run, make_part(0))
    write_part(run, make_part(1))
    run.finish({"tiles": {"scored": 8}})
    assert sum(len(table) for table in read_parts(run)) == 8
    run.storage.remove(run.part("tiles", 1))
    with pytest.raises(OutputError, match="has tables of 4 tiles, and 8 were scored"):
        list(read_parts(run))


@pytest.mark.parametrize("kind", ["tiles", "quarantine", "pixels"])
def test_what_a_worker_left_half_written_goes_with_the_strays(tmp_path: Path, kind: str) -> None:
    run = RunDirectory(str(tmp_path), scheme("nlcd6"))
    run.storage.prepare("tiles", "quarantine", "pixels")
    (tmp_path / kind / f"{TEMPORARY}0").write_bytes(b"half of")
    remove_strays(run)
    assert run.storage.names(kind) == []


def test_all_that_a_task_has_written_goes_and_its_tiles_go_first(
    tmp_path: Path, make_part: MakePart, make_tile: MakeTile
) -> None:
    run = RunDirectory(str(tmp_path), scheme("nlcd6"))
    run.storage.prepare("tiles", "quarantine", "pixels")
    placed = (1.0, 0.0, 400_000.0, 0.0, -1.0, 5_200_000.0)
    block = PixelBlock("a.tif", np.full((3, 4), 40, np.uint8), 0, 0, placed, "EPSG:26914")
    failures = [Failure(make_tile(0, 9), "timeout", True)]
    for index in (0, 1):
        write_part(run, make_part(index, pixels=block, failures=failures))
    remove_part(run, 0)
    assert [run.parts(kind) for kind in ("tiles", "quarantine", "pixels")] == [[1]] * 3  # type: ignore[arg-type]
    for kind in ("quarantine", "pixels"):  # a folder in the place of a file cannot be removed so
        [place] = (tmp_path / kind).iterdir()
        place.unlink()
        place.mkdir()
    with pytest.raises(OutputError):
        remove_part(run, 1)
    assert run.parts("tiles") == []


def test_what_a_task_set_aside_counts_once_the_task_is_done(
    run: RunDirectory, make_part: MakePart, make_tile: MakeTile
) -> None:
    for index in (10, 2, 1_000_000):
        failures = [Failure(make_tile(index % 1000, 9), f"timeout of {index}", True)]
        write_part(run, make_part(index, failures=failures))
    run.storage.remove(run.part("tiles", 10))  # as after a kill between the two
    found = [table["reason"][0].as_py() for table in read_parts(run, "quarantine")]
    assert found == ["timeout of 2", "timeout of 1000000"]


@pytest.mark.parametrize("failed", [0, 1])
def test_other_pixels_lie_under_another_name(
    run: RunDirectory, make_part: MakePart, make_tile: MakeTile, failed: int
) -> None:
    placed = (1.0, 0.0, 400_000.0, 0.0, -1.0, 5_200_000.0)
    failures = [Failure(make_tile(0, 9), "timeout", True)] * failed
    marks = set()
    for index, code in enumerate((40, 80)):
        values = np.full((3, 4), code, np.uint8)
        block = PixelBlock("a.tif", values, 0, 0, placed, "EPSG:26914")
        marks.add(write_part(run, make_part(index, pixels=block, failures=failures)).mark)
    assert len(marks) == 2 and all(marks)


def test_of_two_copies_only_those_pixels_stay_that_the_table_names(
    run: RunDirectory, make_part: MakePart
) -> None:
    placed = (1.0, 0.0, 400_000.0, 0.0, -1.0, 5_200_000.0)
    for code in (40, 80):
        values = np.full((3, 4), code, np.uint8)
        block = PixelBlock("a.tif", values, 0, 0, placed, "EPSG:26914")
        counts = write_part(run, make_part(0, pixels=block))
        if code == 40:  # the first copy was killed before its table was there
            run.storage.remove(run.part("tiles", 0))
    assert len(run.marked_parts("pixels")) == 2
    remove_strays(run)
    assert run.marked_parts("pixels") == [(0, counts.mark)]


def test_tiles_may_lie_in_rows_beyond_32767(run: RunDirectory, make_part: MakePart) -> None:
    far = Tile("a.tif/100000/70000", "a.tif", 100_000, 70_000, (0.0, 0.0, 1.0, 1.0))
    write_part(run, make_part(0, [far]))
    table = next(read_parts(run, columns=["row", "col"]))
    assert table.to_pydict() == {"row": [100_000], "col": [70_000]}


@pytest.fixture
def torn_part(make_tile: MakeTile, make_part: MakePart) -> Part:
    """A part of which one tile has failed."""
    failures = [Failure(make_tile(0, 3), "timeout", True)]
    return make_part(0, [make_tile(0, col) for col in range(3)], failures=failures)


def test_a_late_copy_of_a_task_changes_nothing_and_brings_home_what_the_first_found(
    run: RunDirectory, make_part: MakePart, torn_part: Part
) -> None:
    first = write_part(run, make_part(0))
    written = run.storage.read(run.part("tiles", 0))
    assert write_part(run, torn_part) == first and first.quarantined == 0
    assert run.storage.read(run.part("tiles", 0)) == written
    assert run.parts("quarantine") == []


def test_nor_does_one_that_has_less_to_say(
    run: RunDirectory, make_part: MakePart, torn_part: Part
) -> None:
    first = write_part(run, torn_part)
    assert write_part(run, make_part(0)) == first and first.quarantined == 1
    assert len(next(read_parts(run, "quarantine"))) == 1


def test_a_part_of_other_inputs_or_a_damaged_one_is_replaced(
    run: RunDirectory, make_part: MakePart, torn_part: Part
) -> None:
    write_part(run, make_part(0, digest="before"))
    assert write_part(run, torn_part).quarantined == 1
    run.storage.put(run.part("tiles", 0), b"torn")
    assert write_part(run, make_part(0)).quarantined == 0
    assert finished(run)[0].digest == "d0" and not list(read_parts(run, "quarantine"))


def test_of_copies_that_end_at_the_same_moment_one_has_written_all_of_the_part(
    run: RunDirectory, make_tile: MakeTile, make_part: MakePart
) -> None:
    tiles = [make_tile(0, col) for col in range(4)]
    placed = (1.0, 0.0, 4e5, 0.0, -1.0, 5.2e6)

    def copy(failed: int, together: Barrier) -> Counts:
        """Copies have other pixels, and all but two of them other tiles that fail."""
        failures = [Failure(tiles[failed], "timeout", True)] if 0 < failed < 4 else []
        pixels = PixelBlock("a.tif", np.full((4, 4), failed, np.uint8), 0, 0, placed, "EPSG:26914")
        kept = [tile for tile in tiles if tile not in [failure.tile for failure in failures]]
        part = make_part(0, kept, failures=failures, pixels=pixels)
        together.wait(60)
        return write_part(run, part)

    with ThreadPoolExecutor(5) as threads:
        for _ in range(25):
            together = Barrier(5)
            told = set(threads.map(copy, range(5), [together] * 5))
            [counts] = told
            [scored] = read_parts(run)
            failures = [
                row["tile"] for one in read_parts(run, "quarantine") for row in one.to_pylist()
            ]
            assert sorted(scored["tile"].to_pylist() + failures) == [tile.tile for tile in tiles]
            pixels = read_pixels(run, 0)
            assert pixels is not None and counts.quarantined == len(failures)
            [failed] = set(pixels.values.ravel())
            assert failures == ([tiles[failed].tile] if 0 < failed < 4 else [])
            assert len(run.marked_parts("pixels")) == 1
            assert len(run.marked_parts("quarantine")) == len(failures)
            remove_part(run, 0)
            assert not run.parts("pixels") and not run.parts("quarantine")


def test_a_task_is_not_done_before_its_pixels_and_failures_are_there(
    tmp_path: Path, make_part: MakePart, make_tile: MakeTile
) -> None:
    run = RunDirectory(str(tmp_path), scheme("nlcd6"))
    run.storage.prepare("tiles", "pixels")
    (tmp_path / "quarantine").touch()  # a file where a folder is needed: writing there fails
    with pytest.raises(OutputError):
        write_part(run, make_part(0, failures=[Failure(make_tile(0, 9), "timeout", True)]))
    assert run.parts("tiles") == []


def test_labels_of_pixels_come_back_as_they_were(run: RunDirectory, make_part: MakePart) -> None:
    values = np.full((300, 257), 255, np.uint8)
    values[:, :100] = 40
    placed = (1.0, 0.0, 400_000.0, 0.0, -1.0, 5_200_000.0)
    write_part(run, make_part(6, pixels=PixelBlock("a.tif", values, 64, 0, placed, "EPSG:26914")))
    part = read_pixels(run, 6)
    assert part is not None
    np.testing.assert_array_equal(part.values, values)
    assert (part.source, part.area) == ("a.tif", (64, 364, 0, 257))
    with rasterio.MemoryFile(part.content) as memory, memory.open() as file:
        assert pyproj.CRS(file.crs) == pyproj.CRS("EPSG:26914")
        assert file.xy(64, 0, offset="ul") == (400_000, 5_200_000)


@pytest.mark.parametrize("classes", [6, 300])
def test_labels_of_pixels_lie_in_the_blocks_of_their_map(
    run: RunDirectory, make_part: MakePart, classes: int
) -> None:
    own = RunDirectory(run.path, classes_of([f"class {n}" for n in range(classes)]))
    values = np.random.default_rng(5).integers(0, classes, (700, 530)).astype(own.scheme.dtype)
    values[::7] = own.scheme.nodata
    placed = (0.6, 0.0, 400_000.0, 0.0, -0.6, 5_200_000.0)
    block = PixelBlock("a.tif", values, 1024 + 37, 512 + 101, placed, "EPSG:26914")
    write_part(own, make_part(6, pixels=block))
    part = read_pixels(own, 6)
    assert part is not None and part.dtype == own.scheme.dtype
    np.testing.assert_array_equal(part.values, values)
    assert part.area == (1061, 1761, 613, 1143)
    assert sorted(part.places) == [(row, col) for row in (2, 3) for col in (1, 2)]
    with rasterio.MemoryFile(part.content) as memory, memory.open() as file:
        whole = file.read(1)
        assert file.nodata == own.scheme.nodata
        assert file.xy(37, 101, offset="ul") == pytest.approx((400_000, 5_200_000))
    assert (whole[:37] == own.scheme.nodata).all() and (whole[:, :101] == own.scheme.nodata).all()
    np.testing.assert_array_equal(whole[37:, 101:], values)


def test_a_task_that_no_worker_survived_has_all_its_tiles_in_quarantine(
    run: RunDirectory, make_tile: MakeTile
) -> None:
    task = _Task(make_tile(0, 0), make_tile(0, 1))
    failures = [Failure(tile, "killed 3 workers", True) for tile in task.planned()]
    write_part(run, Part.failed(task, failures, "EPSG:26914"))  # type: ignore[arg-type]
    [(_, mark)] = run.marked_parts("quarantine")
    assert finished(run) == {0: Counts(2, 0, 2, 0, "task", 2, mark=mark)}
    assert "geometry" in next(read_parts(run)).column_names


def test_tiles_that_got_lost_are_noticed_before_anything_is_written(make_part: MakePart) -> None:
    with pytest.raises(ValueError, match="task 8: 6 tiles planned, 4 ended"):
        make_part(8, planned=6)


def test_parts_come_in_the_order_of_the_plan(run: RunDirectory, make_part: MakePart) -> None:
    for index in (10, 2, 1_000_000):
        write_part(run, make_part(index))
    tables = list(read_parts(run, columns=["row"]))
    assert [table["row"][0].as_py() for table in tables] == [2, 10, 1_000_000]
    assert tables[0].column_names == ["row"]


class _Task:
    """A task of tiles that are given."""

    index, digest = 0, "task"

    def __init__(self, *tiles: Tile) -> None:
        self._tiles = tiles
        self.tiles = len(tiles)

    def reads(self) -> list[Callable[[], object]]:
        return []

    def planned(self) -> Iterator[Tile]:
        return iter(self._tiles)
