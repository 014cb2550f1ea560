from __future__ import annotations

import json
import os
import pickle
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import pytest
import rasterio
import rasterio.shutil
import shapely
from rasterio.enums import ColorInterp
from rasterio.transform import from_origin
from support.rasters import imagery, write

from landcover.contracts import Source, Strip, Task
from landcover.errors import ConfigError, SourceError
from landcover.tiles.grid import Size
from landcover.tiles.rasters import RasterSource, RasterTask
from landcover.tiles.regions import Region


def strips(source: RasterSource) -> list[Strip]:
    return [read() for task in source.tasks() for read in task.reads()]


def source(*files: str, **options: Any) -> RasterSource:
    return RasterSource(files, **{"tile": 64, "task_tiles": 12, **options})


def test_it_is_a_source_of_tasks(tmp_path: Path) -> None:
    made: Source = source(write(tmp_path / "a.tif", imagery(3, 200, 200)))
    tasks: Sequence[Task] = list(made.tasks())
    assert [task.index for task in tasks] == list(range(len(tasks)))
    assert sum(task.tiles for task in tasks) == made.count() == 16


@pytest.mark.parametrize("halo", [0, 8])
def test_tiles_put_together_are_the_scene(tmp_path: Path, halo: int) -> None:
    written = imagery(3, 230, 310)
    made = source(write(tmp_path / "a.tif", written), halo=halo, mask=True)
    put, core = np.zeros((3, 400, 400), dtype="uint8"), 64 - 2 * halo
    valid = np.zeros((400, 400), dtype=bool)
    for strip in strips(made):
        assert strip.pixels.flags.c_contiguous and strip.pixels.shape[1:] == (3, 64, 64)
        for n, tile in enumerate(strip.tiles):
            y, x = tile.row * core, tile.col * core
            put[:, y : y + core, x : x + core] = strip.pixels[n][:, halo:][:, :core][..., halo:][
                ..., :core
            ]
            valid[y : y + core, x : x + core] = True if strip.valid is None else strip.valid[n]
    assert (put[:, :230, :310] == written).all()
    assert valid[:230, :310].all() and not valid[230:].any() and not valid[:, 310:].any()


def test_edge_tiles_are_padded_by_reflection(tmp_path: Path) -> None:
    written = imagery(1, 100, 64)
    made = source(write(tmp_path / "a.tif", written), halo=4, task_tiles=1)
    first, last = (strips(made)[i].pixels[i, 0] for i in (0, -1))
    mirrored = np.pad(written[0], ((4, 64), (4, 64)), mode="reflect")
    assert (first == mirrored[:64, :64]).all()
    assert (last == mirrored[56:120, 56:120]).all()


def test_ids_name_scene_row_and_column_and_bounds_are_what_is_written(tmp_path: Path) -> None:
    write(tmp_path / "2016/a.tif", imagery(1, 100, 100))
    write(tmp_path / "2018/b.tif", imagery(1, 100, 100), resolution=0.6)
    made = source(str(tmp_path), halo=7)
    tiles = [tile for strip in strips(made) for tile in strip.tiles]
    assert [tile.tile for tile in tiles][:2] == ["2016/a/0/0", "2016/a/0/1"]
    assert tiles == [tile for task in made.tasks() for tile in task.planned()]
    last = tiles[-1]
    assert (last.tile, last.source, last.row, last.col) == ("2018/b/1/1", "2018/b", 1, 1)
    assert last.bounds == pytest.approx((500030, 3999940, 500060, 3999970))


def test_tiles_without_data_are_skipped_and_counted(tmp_path: Path) -> None:
    pixels = imagery(3, 256, 256)
    pixels[:, :, 64:192] = 0
    pixels[:, 70, 70] = 9
    made = source(write(tmp_path / "a.tif", pixels, nodata=0), mask=True)
    found = strips(made)
    tiles = [tile for strip in found for tile in strip.tiles]
    assert sum(strip.skipped for strip in found) == 7
    assert len(tiles) + 7 == made.count()
    [masks] = [strip.valid for strip in found if strip.valid is not None]
    [at] = [i for i, tile in enumerate(tiles) if (tile.row, tile.col) == (1, 1)]
    assert masks[at].sum() == 1 and masks[at, 6, 6] and masks[:at].all()


def test_tiles_beside_those_without_data_keep_their_places(tmp_path: Path) -> None:
    pixels = np.repeat(np.repeat(np.arange(12, dtype="uint8").reshape(1, 3, 4), 64, 1), 64, 2)
    pixels[:, 64:128, 64:128] = 0
    made = source(write(tmp_path / "a.tif", pixels, nodata=0))
    found = [
        (4 * tile.row + tile.col, int(tile_pixels.max()))
        for strip in strips(made)
        for tile, tile_pixels in zip(strip.tiles, strip.pixels, strict=True)
    ]
    assert found == [(place, place) for place in range(12) if place not in (0, 5)]


def test_masks_are_left_out_for_networks_that_label_tiles(tmp_path: Path) -> None:
    pixels = imagery(3, 100, 128)
    pixels[:, :64, :64] = 0
    found = strips(source(write(tmp_path / "a.tif", pixels, nodata=0)))
    assert [strip.valid for strip in found] == [None]
    assert found[0].skipped == 1 and len(found[0].tiles) == 3


def test_an_empty_halo_does_not_keep_a_tile_and_a_full_one_does_not_either(tmp_path: Path) -> None:
    pixels = np.zeros((1, 96, 96), dtype="uint8")
    pixels[:, :48] = 50
    made = source(write(tmp_path / "a.tif", pixels, nodata=0), halo=8)
    assert [tile.row for strip in strips(made) for tile in strip.tiles] == [0, 0]


def test_overlapping_tiles_of_a_network_that_labels_tiles_are_cut_where_they_lie(
    tmp_path: Path,
) -> None:
    written = imagery(2, 130, 170)
    made = source(write(tmp_path / "a.tif", written), stride=16)
    [task] = source(write(tmp_path / "a.tif", written), stride=16, task_tiles=1000).tasks()
    assert made.count() == task.tiles == 6 * 8
    for strip in strips(made):
        for tile, pixels in zip(strip.tiles, strip.pixels, strict=True):
            y, x = 16 * tile.row, 16 * tile.col
            held = written[:, y : y + 64, x : x + 64]
            assert (pixels[:, : held.shape[1], : held.shape[2]] == held).all()


@pytest.mark.parametrize("options", [{}, {"tiled": True, "blockxsize": 64, "blockysize": 64}])
def test_the_shape_of_tasks_and_reads_makes_no_difference(
    tmp_path: Path, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(tmp_path / "a.tif", imagery(3, 500, 900), resolution=0.7, **options)
    once: dict[str, bytes] = {}
    for task_tiles, row_bytes in ((1, 1e9), (7, 1e9), (64, 50_000), (1000, 1e9)):
        monkeypatch.setattr("landcover.tiles.rasters.task._ROW_BYTES", row_bytes)
        made = source(file, task_tiles=task_tiles, resolution=1.0, halo=3)
        found = [
            (tile.tile, pixels.tobytes())
            for strip in strips(made)
            for tile, pixels in zip(strip.tiles, strip.pixels, strict=True)
        ]
        assert len(found) == made.count()
        assert dict(found) == (once := once or dict(found))


def test_tasks_of_striped_files_span_the_scene_and_others_are_near_squares(tmp_path: Path) -> None:
    pixels = np.ones((1, 640, 6400), dtype="uint8")
    striped = source(write(tmp_path / "s.tif", pixels), task_tiles=100)
    assert {task.block[3] - task.block[2] for task in striped.tasks()} == {100}
    options = {"tiled": True, "blockxsize": 256, "blockysize": 256}
    tiled = source(write(tmp_path / "t.tif", pixels, **options), task_tiles=100)
    assert {task.block[3] - task.block[2] for task in tiled.tasks()} <= {10, 15}


def test_a_task_is_some_hundred_bytes(tmp_path: Path) -> None:
    folder = tmp_path / ("county" * 8) / "2016"
    made = source(write(folder / "m_4709963_se_14_1_20160816.tif", imagery(4, 70, 70)))
    [task] = made.tasks()
    assert len(pickle.dumps(task)) < 1000
    assert pickle.loads(pickle.dumps(task)) == task


def test_blocks_that_cannot_be_decoded_cost_their_own_tiles_only(tmp_path: Path) -> None:
    written = imagery(3, 256, 256)
    options = {"tiled": True, "blockxsize": 64, "blockysize": 64, "compress": "deflate"}
    path = Path(write(tmp_path / "a.tif", written, **options))
    with rasterio.open(path) as dataset:
        offset = int(dataset.get_tag_item("BLOCK_OFFSET_2_1", "TIFF", bidx=1))
    spoiled = bytearray(path.read_bytes())
    spoiled[offset : offset + 600] = b"\xff" * 600
    path.write_bytes(spoiled)
    found = strips(source(str(path), task_tiles=100))
    [failure] = [failure for strip in found for failure in strip.failures]
    assert (failure.tile.row, failure.tile.col, failure.retryable) == (1, 2, False)
    assert not failure.unreached  # another worker cannot read it either
    assert failure.reason.startswith(f"{path}: pixels could not be read: ")
    good = [(t, p) for strip in found for t, p in zip(strip.tiles, strip.pixels, strict=True)]
    assert len(good) == 15
    for tile, pixels in good:
        y, x = 64 * tile.row, 64 * tile.col
        assert (pixels == written[:, y : y + 64, x : x + 64]).all()


def test_a_scene_that_vanished_after_the_plan_fails_tile_by_tile(tmp_path: Path) -> None:
    path = Path(write(tmp_path / "a.tif", imagery(3, 256, 256)))
    [task] = source(str(path), task_tiles=100).tasks()
    path.unlink()
    found = [read() for read in task.reads()]
    failures = [failure for strip in found for failure in strip.failures]
    assert [failure.tile for failure in failures] == list(task.planned())
    assert all("No such file" in failure.reason for failure in failures)
    assert all(failure.unreached for failure in failures)  # another worker may have it
    assert not any(strip.tiles for strip in found)


def test_scenes_are_opened_when_their_turn_comes(tmp_path: Path) -> None:
    write(tmp_path / "a.tif", imagery(3, 64, 64))
    (tmp_path / "b.tif").write_text("no raster")
    tasks = source(str(tmp_path)).tasks()
    assert next(tasks).tiles == 1


@pytest.mark.parametrize("within", [False, True])
def test_a_plan_of_absurd_size_says_its_size_before_it_is_gone_through(
    within: bool, tmp_path: Path
) -> None:
    write(tmp_path / "a.tif", imagery(1, 64, 64))
    frame = Region(np.array([shapely.box(5e5, 4.4e6, 6e5, 4.6e6)]), pyproj.CRS(26918), "a.gpkg")
    columns, name = 2**31 - 1, str(tmp_path / "wide.vrt")
    (tmp_path / "wide.vrt").write_text(
        f'<VRTDataset rasterXSize="{columns}" rasterYSize="{columns}"><SRS>EPSG:26918</SRS>'
        "<GeoTransform>500000, 1, 0, 4500000, 0, -1</GeoTransform>"
        '<VRTRasterBand dataType="Byte" band="1"><SimpleSource><SourceFilename relativeToVRT="1">'
        "a.tif</SourceFilename><SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>"
    )
    region = frame if within else None
    absurd = source(name, most_tiles=10**6, bands=(1,), region=region)
    with pytest.raises(SourceError, match=r"wide: has 2,147,483,647 x .* tiles, .*most_tiles"):
        absurd.count()
    several = [write(tmp_path / f"{at}.tif", imagery(1, 100, 100)) for at in range(3)]
    with pytest.raises(SourceError, match=r"the first 3 of 3 scene\(s\) have 12, more than"):
        source(*several, most_tiles=11).count()
    assert source(*several, most_tiles=12).count() == 12


def test_scenes_may_differ_in_dtype_and_crs(tmp_path: Path) -> None:
    write(tmp_path / "a.tif", imagery(3, 64, 64))
    write(tmp_path / "b.tif", imagery(3, 64, 64, "uint16"), crs="EPSG:26915")
    made = source(str(tmp_path))
    assert [str(strip.pixels.dtype) for strip in strips(made)] == ["uint8", "uint16"]
    assert [scene.crs for scene in made.scenes()] == ["EPSG:26914", "EPSG:26915"]


def test_the_fingerprint_tells_inputs_and_grids_apart(tmp_path: Path) -> None:
    file = write(tmp_path / "a.tif", imagery(4, 100, 100))
    once = source(file).fingerprint()
    assert once == source(file).fingerprint() == json.loads(json.dumps(once))
    others = [{"tile": 32}, {"halo": 2}, {"resolution": 2.0}, {"bands": (1, 2, 3)}]
    others += [{"stride": 32}, {"stride": 32, "halo": 2}]
    prints = [source(file, **options).fingerprint() for options in others]
    # Who asks for another run is told what differs.
    assert (prints[2]["resolution"], prints[3]["bands"]) == (2.0, [1, 2, 3])
    write(tmp_path / "a.tif", imagery(4, 100, 101))
    prints.append(source(file).fingerprint())
    assert once not in prints and len({json.dumps(one) for one in prints}) == len(prints)


def test_the_fingerprint_tells_every_change_of_a_scene(tmp_path: Path) -> None:
    pixels = imagery(3, 100, 90)
    mask = np.ones((100, 90), dtype=bool)
    colours = (ColorInterp.red, ColorInterp.green, ColorInterp.alpha)

    def printed(name: str = "a", **options: Any) -> str:
        told = {"resolution": 0.6, **options}
        read = {key: told.pop(key) for key in ("bands", "lattice", "alpha") if key in told}
        path = tmp_path / f"{name}.tif"
        path.unlink(missing_ok=True)
        found = json.dumps(source(write(path, pixels, **told), **read).fingerprint())
        path.unlink()
        return found

    same = printed()
    assert printed() == same
    moved = from_origin(500000.0 + 0.6, 4000000.0, 0.6, 0.6)
    others = [
        printed("b"),
        printed(transform=moved),
        printed(crs="EPSG:26915"),
        printed(nodata=0),
        printed(mask=mask),
        printed(bands=(3, 2, 1)),
        printed(bands=(1, 2, 3)),
        printed(lattice=True),
        printed(colours=colours, bands=(1, 2)),
        printed(colours=colours, bands=(1, 2), alpha="imagery"),
    ]
    assert len({same, *others}) == 1 + len(others)


def test_bands_that_are_named_must_be_as_many_as_the_network_reads(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="2 bands are named, the network reads 3"):
        source(write(tmp_path / "a.tif", imagery(3, 64, 64)), bands=(1, 2), band_count=3)


@pytest.mark.parametrize("resolution", [None, 4.0])
def test_real_imagery_gives_every_planned_tile(shared: Path, resolution: float | None) -> None:
    made = RasterSource(
        [str(shared / "imagery/naip-north-dakota-5m/*.tif")],
        tile=128,
        resolution=resolution,
        band_count=3,
        task_tiles=16,
        mask=True,
    )
    found = strips(made)
    assert sum(len(strip.tiles) + strip.skipped for strip in found) == made.count() > 200
    assert not any(strip.failures for strip in found)


def test_tasks_of_a_scene_are_told_apart_by_their_blocks(tmp_path: Path) -> None:
    tasks = list(
        source(write(tmp_path / "a.tif", imagery(3, 64, 64)), tile=8, task_tiles=4).tasks()
    )
    assert len(tasks) > 1 and len({task.digest for task in tasks}) == len(tasks)


def test_a_task_says_what_it_writes_inside_the_scene(tmp_path: Path) -> None:
    made = source(write(tmp_path / "a.tif", imagery(1, 150, 100)), halo=8, mask=True, task_tiles=3)
    tasks: list[RasterTask] = list(made.tasks())
    row0, row1, col0, col1 = tasks[-1].written()
    assert (row1, col1) == (150, 100) and row0 > 0
    assert tasks[-1].scene.transform_at(row0, col0)[2:] == (500000.0, 0.0, -1.0, 4000000.0 - row0)


def test_pixels_mirrored_beyond_the_scene_do_not_keep_a_tile(tmp_path: Path) -> None:
    pixels = imagery(3, 70, 70)
    pixels[:, 64:] = pixels[:, :, 64:] = 0  # the mirror shows what lies before: data
    made = source(write(tmp_path / "a.tif", pixels, nodata=0, resolution=0.6))
    found = strips(made)
    assert [tile.tile for strip in found for tile in strip.tiles] == ["a/0/0"]
    assert sum(strip.skipped for strip in found) == 3 == made.count() - 1


def test_tiles_on_a_lattice_put_together_are_the_scene(tmp_path: Path) -> None:
    written, halo = imagery(3, 131, 203), 5
    made = source(write(tmp_path / "a.tif", written), halo=halo, mask=True, lattice=True)
    [scene] = made.scenes()
    put = np.zeros(written.shape, int)
    for strip in strips(made):
        for tile, pixels in zip(strip.tiles, strip.pixels, strict=True):
            y, x = scene.grid.corner(tile.row, tile.col)
            inner = pixels[:, halo + max(0, -y) : -halo, halo + max(0, -x) : -halo]
            target = put[:, max(0, y) : y + 54, max(0, x) : x + 54]
            target += inner[:, : target.shape[1], : target.shape[2]]
    assert min(scene.grid.before) > 0 and (put == written).all()
    assert made.fingerprint()["grid"] == "ground"


@pytest.mark.parametrize("mask", [False, True])
def test_tiles_may_have_more_columns_than_rows(tmp_path: Path, mask: bool) -> None:
    written, halo = imagery(3, 131, 203), 5
    made = source(
        write(tmp_path / "a.tif", written, resolution=0.6), tile=Size(48, 80), halo=halo, mask=mask
    )
    put = np.zeros((3, 200, 300), dtype="uint8")
    for strip in strips(made):
        assert strip.pixels.shape[1:] == (3, 48, 80)
        for tile, pixels in zip(strip.tiles, strip.pixels, strict=True):
            y, x = tile.row * 38, tile.col * 70
            put[:, y : y + 38, x : x + 70] = pixels[:, halo:-halo, halo:-halo]
    assert made.count() == 4 * 3 and (put[:, :131, :203] == written).all()
    assert made.fingerprint()["tile"] == [48, 80] and made.fingerprint()["stride"] == [38, 70]


def told_of(made: RasterSource, caplog: pytest.LogCaptureFixture) -> list[str]:
    """What is said once the scenes have been looked at, twice."""
    caplog.clear()
    for _ in range(2):
        made.count()
    return [record.getMessage() for record in caplog.records]


def test_resampling_to_many_more_or_fewer_pixels_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    coarse = write(tmp_path / "a.tif", imagery(3, 60, 60), resolution=5.0)
    beside = from_origin(500300.0, 4000000.0, 5.0, 5.0)
    again = write(tmp_path / "b.tif", imagery(3, 70, 60), transform=beside)
    assert told_of(source(coarse, again, resolution=1.0), caplog) == [
        "a: its pixels of 5 m are resampled to 1 m: 25 times as many, showing no more than those do"
    ]
    fine = write(tmp_path / "c.tif", imagery(3, 600, 600), resolution=0.5)
    assert told_of(source(fine, tile=8, resolution=30.0), caplog) == [
        "c: its pixels of 0.5 m are resampled to 30 m: one for 3,600, their average"
    ]
    assert told_of(source(fine, resolution=0.6), caplog) == []
    assert told_of(source(coarse), caplog) == []


def test_scenes_over_one_another_hide_the_later_and_those_beside_one_another_do_not(
    tmp_path: Path,
) -> None:
    def scene(name: str, left: float, width: int = 100, crs: str = "EPSG:26914") -> str:
        where = from_origin(500000.0 + left, 4000000.0, 1.0, 1.0)
        return write(tmp_path / f"{name}.tif", imagery(1, 100, width), transform=where, crs=crs)

    def hidden(*files: str, nearest: bool = False) -> list[tuple[str, str]]:
        pairs = source(*files).hidden(nearest)
        return [(first.name, later.name) for first, later in pairs]

    beside = [scene("a", 0), scene("b", 51), scene("c", 0, crs="EPSG:26915")]
    assert hidden(*beside) == []
    over = [scene("d", 0), scene("e", 80), scene("f", 10), scene("g", 20)]
    assert hidden(*over) == [("d", "f"), ("d", "g")]
    small, same = scene("small", 30, 20), scene("same", 40, 20)
    assert hidden(scene("whole", 0), small, same) == [("whole", "small"), ("whole", "same")]
    assert hidden(*over, nearest=True) == []
    assert hidden(scene("whole", 0), small, same, nearest=True) == [("whole", "same")]


def test_subdatasets_are_scenes_by_the_names_that_gdal_gives_them(tmp_path: Path) -> None:
    pixels = imagery(2, 64, 96)
    cube = str(tmp_path / "my cube.nc")
    rasterio.shutil.copy(write(tmp_path / "a.tif", pixels), cube, driver="netCDF")
    with rasterio.open(cube) as file:
        names = file.subdatasets
    with pytest.raises(
        SourceError, match=r"no band of its own but 2 subdatasets; name .*Band1, ne"
    ):
        source(cube).count()
    made = source(*names, tile=32)
    assert [scene.name for scene in made.scenes()] == ["my cube.nc:Band1", "my cube.nc:Band2"]
    assert made.count() == 12 and all(scene.state for scene in made.scenes())
    found = strips(RasterSource([tuple(names)], tile=32))
    assert not any(strip.failures for strip in found)
    assert (found[0].pixels[0] == pixels[:, :32, :32]).all()
    quoted = f'NETCDF:"{cube}":Band2'
    [first, *_] = strips(source(quoted, tile=32))
    assert (first.pixels[0] == pixels[1:, :32, :32]).all()
    with pytest.raises(SourceError, match="no such file or folder"):
        source(f'NETCDF:"{tmp_path}/none.nc":Band2')


def test_subdatasets_of_hdf5_are_opened_by_the_names_that_gdal_gives_them(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["grid/all"], file["grid/one"] = imagery(2, 64, 96), imagery(1, 64, 96)[0]
    with pytest.raises(SourceError, match="holds no band of its own but 2 subdatasets") as told:
        source(str(tmp_path / "a.h5")).count()
    names = re.findall(r"HDF5:\S+?(?=,|$)", str(told.value))
    assert len(names) == 2
    for name in (*names, f'HDF5:"{tmp_path}/a.h5"://grid/all'):
        with pytest.raises(SourceError, match=r"has no place on earth, and no CRS; .*-a_ullr"):
            source(name).count()


def test_bands_that_are_not_read_tell_where_there_is_data(tmp_path: Path) -> None:
    pixels = imagery(2, 32, 32)
    pixels[0, 3:9, 5:7] = 0  # a dark place of the band that is read
    pixels[:, 20:, 20:] = 0
    file = write(tmp_path / "a.tif", pixels, nodata=0)
    [task] = source(file, tile=32, bands=(1,), mask=True).tasks()
    [strip] = [read() for read in task.reads()]
    assert strip.valid is not None
    assert np.array_equal(strip.valid[0], pixels.any(axis=0))


def test_a_scene_is_another_when_any_of_its_files_is(tmp_path: Path) -> None:
    files = [write(tmp_path / f"{n}.tif", imagery(1, 32, 32, seed=n)) for n in range(2)]

    def digest() -> str:
        [task] = RasterSource([tuple(files)], tile=32).tasks()
        return task.digest

    before = digest()
    assert digest() == before
    os.utime(files[1], ns=(1, 1))
    assert digest() != before
