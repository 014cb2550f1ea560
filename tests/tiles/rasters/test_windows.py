from __future__ import annotations

import multiprocessing
import threading
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import rasterio
from rasterio.enums import ColorInterp, Resampling
from rasterio.transform import Affine
from rasterio.vrt import WarpedVRT
from support.rasters import RGBA, imagery, write

from landcover.tiles.grid import Rectangle, Size, Tiling
from landcover.tiles.rasters import handles
from landcover.tiles.rasters.handles import reopen
from landcover.tiles.rasters.reader import differs, open_scene
from landcover.tiles.rasters.scene import Scene, describe
from landcover.tiles.rasters.windows import read_window

TILING = Tiling(Size(64, 64), 0, Size(64, 64))
HOLE = np.zeros((300, 320), dtype=bool)
HOLE[100:200, 50:150] = True


def whole(scene: Scene) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_] | None]:
    return read_window(scene, scene.grid.scene)


def with_hole(path: Path, dtype: str, kind: str) -> tuple[str, npt.NDArray[Any]]:
    """A scene with a hole in it that is told in one of the ways that files have."""
    pixels = imagery(4, 300, 320, dtype)
    if kind == "alpha":
        pixels[3] = np.where(HOLE, 0, 255)
        return write(path, pixels, colours=RGBA, resolution=0.6), pixels
    if kind == "mask":
        return write(path, pixels, mask=~HOLE, resolution=0.6), pixels
    fill = float("nan") if kind == "nan" else 0 if dtype.startswith("u") else -9999
    pixels[:, HOLE] = fill
    return write(path, pixels, nodata=fill, resolution=0.6), pixels


KINDS = [
    *(
        (dtype, kind)
        for dtype in ("uint8", "uint16", "int16", "int32", "float32")
        for kind in ("value", "mask", "alpha")
    ),
    ("float32", "nan"),
]


@pytest.mark.parametrize("dtype, kind", KINDS)
def test_pixels_without_data_are_told_however_the_file_tells_them(
    tmp_path: Path, dtype: str, kind: str
) -> None:
    file, written = with_hole(tmp_path / "a.tif", dtype, kind)
    pixels, valid = whole(describe("a", (file,), TILING, bands=(3, 1)))
    assert valid is not None and (valid == ~HOLE).all()
    assert pixels.dtype == dtype and (pixels[:, ~HOLE] == written[[2, 0]][:, ~HOLE]).all()


@pytest.mark.parametrize("resolution", [1.0, 0.25])
@pytest.mark.parametrize("dtype, kind", KINDS)
def test_pixels_without_data_do_not_bleed_into_resampled_imagery(
    tmp_path: Path, dtype: str, kind: str, resolution: float
) -> None:
    file, _ = with_hole(tmp_path / "a.tif", dtype, kind)
    scene = describe("a", (file,), TILING, bands=(1, 2, 3), resolution=resolution)
    pixels, valid = whole(scene)
    y, x = (
        ((np.arange(n) + 0.5) * resolution / 0.6).astype(int)
        for n in (scene.grid.height, scene.grid.width)
    )
    held = ~HOLE[y][:, x]
    assert valid is not None and (valid == held).all()
    assert pixels[:, held].min() >= 1 and pixels[:, held].max() <= 199


def test_a_pixel_holds_data_if_any_band_differs_from_its_declared_value(tmp_path: Path) -> None:
    pixels = imagery(4, 70, 70)
    pixels[:3, 10:20] = 0  # deep shadow: only the infrared, which is not read, is above 0
    pixels[:, 30:40] = 0
    _, valid = whole(
        describe("a", (write(tmp_path / "a.tif", pixels, nodata=0),), TILING, bands=(1, 2, 3))
    )
    assert valid is not None and valid[10:20].all() and not valid[30:40].any()


def test_fill_values_of_signed_and_float_imagery_are_given_as_zero(tmp_path: Path) -> None:
    for dtype, kind in (("int32", "value"), ("float32", "value"), ("float32", "nan")):
        file, _ = with_hole(tmp_path / f"{dtype}-{kind}.tif", dtype, kind)
        pixels, _ = whole(describe("a", (file,), TILING))
        assert (pixels[:, HOLE] == 0).all()


@pytest.mark.parametrize("kind", ["value", "mask", "alpha"])
@pytest.mark.parametrize("resolution", [1.0, 0.35, 2.7])
def test_a_resampled_window_is_that_part_of_the_resampled_scene(
    tmp_path: Path, kind: str, resolution: float
) -> None:
    file, _ = with_hole(tmp_path / "a.tif", "uint8", kind)
    scene = describe("a", (file,), TILING, bands=(1, 2, 3), resolution=resolution)
    pixels, valid = whole(scene)
    assert valid is not None
    for top in range(0, scene.grid.height, 37):
        for left in range(0, scene.grid.width, 41):
            ys = (top, min(top + 37, scene.grid.height))
            xs = (left, min(left + 41, scene.grid.width))
            part, part_valid = read_window(scene, Rectangle(*ys, *xs))
            assert (part == pixels[:, slice(*ys), slice(*xs)]).all()
            held = np.ones(part.shape[1:], dtype=bool) if part_valid is None else part_valid
            assert (held == valid[slice(*ys), slice(*xs)]).all()


def test_resampling_is_gdals_bilinear(tmp_path: Path) -> None:
    file = write(tmp_path / "a.tif", imagery(3, 300, 320), resolution=0.6)
    scene = describe("a", (file,), TILING, resolution=1.0)
    size = {"width": scene.grid.width, "height": scene.grid.height}
    with (
        rasterio.open(file) as source,
        WarpedVRT(
            source,
            crs=source.crs,
            transform=Affine(*scene.transform),
            resampling=Resampling.bilinear,
            **size,
        ) as warped,
    ):
        expected = warped.read().astype(int)
    difference = np.abs(whole(scene)[0].astype(int) - expected)
    assert difference.max() <= 1 and (difference > 0).mean() < 0.01


def test_infrared_that_is_declared_alpha_is_resampled_as_imagery_is(shared: Path) -> None:
    file = str(shared / "imagery/naip-stactools-6tiles/m_3211605_ne_11_060_20200415.tif")
    native, _ = whole(describe("a", (file,), TILING, band_count=4))
    pixels, valid = whole(describe("a", (file,), TILING, band_count=4, resolution=1.0))
    assert valid is None and len(pixels) == 4
    assert pixels[3].mean() == pytest.approx(native[3].mean(), rel=0.02)


def test_files_of_one_band_are_read_as_one_scene(shared: Path) -> None:
    folder = shared / "imagery/naip-rasterframes-VA"
    scene = describe("a", tuple(str(folder / f"NAIP-VA-b{i}.tiff") for i in (3, 2, 1)), TILING)
    pixels, valid = whole(scene)
    with rasterio.open(folder / "derived_NAIP-VA-rgbn_4band.tif") as dataset:
        assert (pixels == dataset.read((3, 2, 1))).all()
    # 255 is declared in each file: a saturated roof is one in all of them, or holds data.
    assert (valid is None) == (not (pixels == 255).all(axis=0).any())


def test_files_of_one_band_are_resampled_together(shared: Path) -> None:
    folder = shared / "imagery/naip-rasterframes-VA"
    files = tuple(str(folder / f"NAIP-VA-b{i}.tiff") for i in (1, 2, 3))
    together, _ = whole(describe("a", files, TILING, resolution=2.0))
    alone = folder / "derived_NAIP-VA-rgbn_4band.tif"
    expected, _ = whole(describe("a", (str(alone),), TILING, bands=(1, 2, 3), resolution=2.0))
    assert (together == expected).mean() > 0.999  # but for saturated pixels beside declared 255


def test_int32_and_uint8_copies_of_a_scene_read_alike(shared: Path) -> None:
    folder = shared / "imagery/naip-rasterframes-VA"
    as_uint8, _ = whole(describe("a", (str(folder / "NAIP-VA-b1.tiff"),), TILING))
    wide = str(folder / "int32-older-version/NAIP-VA-b1.tiff")
    as_int32, valid = whole(describe("a", (wide,), TILING))
    assert as_int32.dtype == np.int32 and valid is None and (as_int32 == as_uint8).all()


def test_a_declared_value_above_uint8_is_told_in_uint16(shared: Path) -> None:
    file = str(shared / "imagery/naip-sonoma-uint16/naip.tif")
    pixels, valid = whole(describe("a", (file,), TILING))
    held = np.ones(pixels.shape[1:], dtype=bool) if valid is None else valid
    assert pixels.dtype == np.uint16 and (held == (pixels != 256).any(axis=0)).all()


@pytest.mark.parametrize(
    "ys, xs",
    [
        ((-70, 40), (-5, 330)),
        ((250, 700), (10, 20)),
        ((-30, 330), (300, 360)),
        ((5, 290), (6, 310)),
    ],
)
def test_beyond_its_edges_a_scene_is_mirrored_and_not_valid(
    tmp_path: Path, ys: tuple[int, int], xs: tuple[int, int]
) -> None:
    written = imagery(3, 300, 320)
    scene = describe("a", (write(tmp_path / "a.tif", written),), TILING)
    pixels, valid = read_window(scene, Rectangle(*ys, *xs))
    reach = ((0, 0), (500, 500), (500, 500))
    padded = np.pad(written, reach, mode="reflect")
    assert (pixels == padded[:, ys[0] + 500 : ys[1] + 500, xs[0] + 500 : xs[1] + 500]).all()
    inside = np.pad(np.ones((300, 320), dtype=bool), 500)
    expected = inside[ys[0] + 500 : ys[1] + 500, xs[0] + 500 : xs[1] + 500]
    assert expected.all() if valid is None else (valid == expected).all()


def test_a_scene_smaller_than_the_window_is_mirrored_again_and_again(tmp_path: Path) -> None:
    written = imagery(1, 3, 1)
    scene = describe("a", (write(tmp_path / "a.tif", written),), TILING)
    pixels, _ = read_window(scene, Rectangle(-2, 9, -1, 3))
    padded = np.pad(written, ((0, 0), (2, 6), (0, 0)), mode="reflect")
    assert (pixels == np.repeat(padded, 4, axis=2)).all()


def test_threads_read_one_scene_at_the_same_time(tmp_path: Path) -> None:
    written = imagery(3, 600, 640)
    options = {"tiled": True, "blockxsize": 128, "blockysize": 128, "compress": "deflate"}
    scene = describe("a", (write(tmp_path / "a.tif", written, **options),), TILING)
    wrong: list[int] = []

    def read(place: int) -> None:
        for top in range(0, 600, 100):
            pixels, _ = read_window(scene, Rectangle(top, top + 100, place, 600))
            if (pixels != written[:, top : top + 100, place:600]).any():
                wrong.append(place)

    threads = [threading.Thread(target=read, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize(
    "options",
    [
        {"compress": "lzw"},
        {"compress": "deflate", "predictor": 2, "tiled": True, "blockxsize": 128, "blockysize": 64},
        {"interleave": "band", "tiled": True, "blockxsize": 64, "blockysize": 64},
        {"BIGTIFF": "YES", "compress": "zstd"},
    ],
)
def test_layout_and_compression_of_a_file_make_no_difference(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    written = imagery(3, 300, 320)
    scene = describe("a", (write(tmp_path / "a.tif", written, **options),), TILING)
    assert (whole(scene)[0] == written).all()


def test_a_scene_that_is_opened_anew_is_what_lies_there_now(tmp_path: Path) -> None:
    before, after = imagery(3, 71, 83), imagery(3, 71, 83, seed=1)
    file = Path(write(tmp_path / "a.tif", before))
    scene = describe("a", (str(file),), TILING)
    assert (whole(scene)[0] == before).all()
    Path(write(tmp_path / "b.tif", after)).replace(file)
    assert (whole(scene)[0] == before).all()  # it is open
    reopen(scene)
    assert (whole(scene)[0] == after).all()


def test_a_forked_child_opens_scenes_of_its_own(tmp_path: Path) -> None:
    """Two processes that share a file's position read one another's bytes."""
    scene = describe("a", (write(tmp_path / "a.tif", imagery(3, 71, 83)),), TILING)
    assert _opens(scene) and not _opens(scene)
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply(_opens, (scene,))


def _opens(scene: Scene) -> bool:
    """Whether the scene is opened when it is read."""
    opened: list[Scene] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(handles, "open_scene", lambda one: opened.append(one) or open_scene(one))
        whole(scene)
    return opened == [scene]


def test_a_jpeg_in_a_tiff_is_read_as_gdal_decodes_it(tmp_path: Path) -> None:
    options = {"compress": "jpeg", "photometric": "ycbcr", "tiled": True}
    file = write(tmp_path / "a.tif", imagery(3, 512, 512), **options)
    with rasterio.open(file) as dataset:
        assert dataset.colorinterp[0] == ColorInterp.red
        assert (whole(describe("a", (file,), TILING))[0] == dataset.read()).all()


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("resolution", [None, 1.0])
def test_a_pixel_that_is_no_number_in_one_band_holds_no_data(
    tmp_path: Path, bad: float, resolution: float | None
) -> None:
    written = imagery(3, 71, 83, "float32")
    written[1, 13, 29] = bad
    file = write(tmp_path / "a.tif", written, resolution=0.6)
    pixels, valid = whole(describe("a", (file,), TILING, resolution=resolution))
    assert np.isfinite(pixels).all()
    if resolution is None:
        assert valid is not None and not valid[13, 29] and valid.sum() == valid.size - 1
        assert (pixels[:, valid] == written[:, valid]).all() and (pixels[:, 13, 29] == 0).all()


def test_a_mask_may_have_a_dtype_of_its_own(tmp_path: Path) -> None:
    """As in a VRT of three bands of 16 bits and a byte that masks them."""
    written, mask = imagery(3, 71, 83, "uint16") * 100, imagery(1, 71, 83)
    mask[0, 20:40, 7:31] = 0
    write(tmp_path / "a.tif", written, resolution=0.6)
    write(tmp_path / "m.tif", mask, resolution=0.6)
    bands = "".join(
        f'<VRTRasterBand dataType="{kind}" band="{band}">{interp}<SimpleSource>'
        f'<SourceFilename relativeToVRT="1">{name}</SourceFilename><SourceBand>{of}</SourceBand>'
        "</SimpleSource></VRTRasterBand>"
        for band, (kind, name, of, interp) in enumerate(
            [("UInt16", "a.tif", i, "") for i in (1, 2, 3)]
            + [("Byte", "m.tif", 1, "<ColorInterp>Alpha</ColorInterp>")],
            1,
        )
    )
    where = "500000.0, 0.6, 0.0, 4000000.0, 0.0, -0.6"
    (tmp_path / "a.vrt").write_text(
        '<VRTDataset rasterXSize="83" rasterYSize="71"><SRS>EPSG:26914</SRS>'
        f"<GeoTransform>{where}</GeoTransform>{bands}</VRTDataset>"
    )
    pixels, valid = whole(describe("a", (str(tmp_path / "a.vrt"),), TILING, bands=(3, 1, 2)))
    assert pixels.dtype == np.uint16 and (pixels == written[[2, 0, 1]]).all()
    assert valid is not None and (valid == (mask[0] > 0)).all()


def _of_files(tmp_path: Path, fills: tuple[int, ...], pixels: npt.NDArray[Any]) -> Scene:
    """A scene with a file a band, each with its own declared value."""
    files = tuple(
        write(tmp_path / f"b{at}.tif", pixels[at : at + 1], nodata=fill, resolution=0.6)
        for at, fill in enumerate(fills)
    )
    return describe("a", files, TILING)


def test_every_band_has_a_declared_value_of_its_own(tmp_path: Path) -> None:
    pixels, fills = imagery(3, 71, 83), (0, 255, 7)
    pixels[pixels == 7] = 8
    for at, fill in enumerate(fills):
        pixels[at, 10:20] = fill  # all bands at their own value: no data
        pixels[at, 30:40] = fills[0]  # all at that of the first: data
        pixels[at, 50:60] = fills[(at + 1) % 3]
    found, valid = whole(_of_files(tmp_path, fills, pixels))
    assert valid is not None and not valid[10:20].any()
    assert valid[:10].all() and valid[20:].all() and (found == pixels).all()


def test_bands_that_have_a_file_each_come_in_the_order_that_is_asked_for(tmp_path: Path) -> None:
    pixels, fills = imagery(3, 71, 83), (0, 255, 7)
    files = _of_files(tmp_path, fills, pixels).files
    assert (whole(describe("a", files, TILING, bands=(3, 1, 2)))[0] == pixels[[2, 0, 1]]).all()


@pytest.mark.parametrize("masked", [0, 1, 2])
def test_a_pixel_that_one_file_of_a_scene_holds_is_data(tmp_path: Path, masked: int) -> None:
    pixels = imagery(3, 71, 83)
    hole = np.zeros((71, 83), dtype=bool)
    hole[11:29, 5:60] = True
    everywhere = np.zeros_like(hole)
    everywhere[50:60] = True
    files = tuple(
        write(
            tmp_path / f"b{at}.tif",
            pixels[at : at + 1],
            mask=~(hole & (at == masked)) & ~everywhere,
            resolution=0.6,
        )
        for at in range(3)
    )
    _, valid = whole(describe("a", files, TILING))
    assert valid is not None and (valid == ~everywhere).all()


def test_fill_values_of_unsigned_pixels_come_as_they_are(tmp_path: Path) -> None:
    """A network that was trained on white margins is given white ones."""
    pixels = imagery(3, 71, 83)
    pixels[:, 20:30] = 255
    found, valid = whole(describe("a", (write(tmp_path / "a.tif", pixels, nodata=255),), TILING))
    assert valid is not None and not valid[20:30].any() and (found == pixels).all()


@pytest.mark.parametrize("level", [1, 128, 254, 255])
def test_alpha_masks_where_it_is_zero_and_nowhere_else(tmp_path: Path, level: int) -> None:
    pixels = imagery(4, 71, 83)
    pixels[3] = level
    pixels[3, 20:30] = 0
    file = write(tmp_path / "a.tif", pixels, colours=RGBA, resolution=0.6)
    _, valid = whole(describe("a", (file,), TILING, bands=(1, 2, 3)))
    assert valid is not None and valid.sum() == 61 * 83 and not valid[20:30].any()


def test_undefined_pixels_join_those_that_a_mask_leaves_out(tmp_path: Path) -> None:
    pixels = imagery(3, 71, 83, "float32")
    pixels[2, 5:9, 5:9] = np.nan
    mask = np.ones((71, 83), dtype=bool)
    mask[40:50] = False
    _, valid = whole(describe("a", (write(tmp_path / "a.tif", pixels, mask=mask),), TILING))
    expected = mask.copy()
    expected[5:9, 5:9] = False
    assert valid is not None and (valid == expected).all()


@pytest.mark.parametrize("wide, high", [(1.0, 1.3), (0.7, 0.6), (2.6, 1.0)])
def test_rows_and_columns_are_resampled_as_gdal_does_each_by_its_own_ratio(
    tmp_path: Path, wide: float, high: float
) -> None:
    where = Affine(wide, 0, 500000.0, 0, -high, 4000000.0)
    hole = np.zeros((151, 173), dtype=bool)
    hole[31:70, 50:121] = True
    file = write(tmp_path / "a.tif", imagery(2, 151, 173), transform=where, mask=~hole)
    scene = describe("a", (file,), TILING, resolution=1.0)
    _, valid = whole(scene)
    y, x = (
        np.minimum(((np.arange(n) + 0.5) / edge).astype(int), most - 1)
        for n, edge, most in ((scene.grid.height, high, 151), (scene.grid.width, wide, 173))
    )
    assert valid is not None and (valid == ~hole[y][:, x]).all()
    size = {"width": scene.grid.width, "height": scene.grid.height}
    with (
        rasterio.open(write(tmp_path / "b.tif", imagery(2, 151, 173), transform=where)) as source,
        WarpedVRT(
            source,
            crs=source.crs,
            transform=Affine(*scene.transform),
            resampling=Resampling.bilinear,
            XSCALE=wide,
            YSCALE=high,
            **size,
        ) as warped,
    ):
        expected = warped.read().astype(int)
    found, _ = whole(describe("b", (str(tmp_path / "b.tif"),), TILING, resolution=1.0))
    difference = np.abs(found.astype(int) - expected)
    assert difference.max() <= 1 and (difference > 0).mean() < 0.05  # halves are rounded


def test_where_a_band_declares_what_it_cannot_hold_all_pixels_are_data() -> None:
    pixels = np.zeros((2, 3, 4), np.uint8)
    assert differs(pixels, (0, -9999.0)).all()
    assert differs(pixels, (None, 0)).all()
    assert not differs(pixels, (0, 0.0)).any()
