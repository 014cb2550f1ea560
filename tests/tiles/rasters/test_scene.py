from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.enums import ColorInterp
from rasterio.transform import Affine, from_origin
from support.rasters import RGBA, imagery, write

from landcover.errors import SourceError
from landcover.tiles.grid import Size, Tiling
from landcover.tiles.rasters.crs import name_of
from landcover.tiles.rasters.metadata import holdable, read_metadata
from landcover.tiles.rasters.scene import Scene, describe

TILING = Tiling(Size(64, 64), 0, Size(64, 64))


def described(*files: str, **options: Any) -> Scene:
    return describe("scene", files, TILING, **options)


def test_a_scene_is_placed_by_its_own_transform_and_authority(tmp_path: Path) -> None:
    scene = described(write(tmp_path / "a.tif", imagery(3, 100, 130)))
    assert (scene.grid.width, scene.grid.height, scene.crs) == (130, 100, "EPSG:26914")
    assert scene.transform == (1.0, 0.0, 500000.0, 0.0, -1.0, 4000000.0)
    assert scene.native and scene.bands.read == (1, 2, 3) and scene.bands.dtype == "uint8"


def test_a_crs_without_a_code_is_kept_as_wkt(shared: Path) -> None:
    file = shared / "imagery/nlcd-rasters/nlcd_RI_seMA_sinusoidal.tif"
    assert read_metadata(str(file)).crs.startswith("PROJCS[")


@pytest.mark.parametrize(
    "resolution, width, native",
    [(1.0, 130, True), (1.009, 130, True), (1.02, 127, False), (0.985, 132, False)],
)
def test_a_resolution_within_one_percent_is_taken_as_it_is(
    tmp_path: Path, resolution: float, width: int, native: bool
) -> None:
    scene = described(write(tmp_path / "a.tif", imagery(3, 100, 130)), resolution=resolution)
    assert (scene.grid.width, scene.native) == (width, native)


def test_another_resolution_keeps_the_corner_and_the_extent(tmp_path: Path) -> None:
    file = write(tmp_path / "a.tif", imagery(3, 100, 130), resolution=0.6)
    scene = described(file, resolution=1.0)
    assert (scene.grid.width, scene.grid.height, scene.native) == (78, 60, False)
    assert scene.transform == (1.0, 0.0, 500000.0, 0.0, -1.0, 4000000.0)


def test_metres_are_converted_where_the_crs_counts_in_feet(tmp_path: Path) -> None:
    file = write(tmp_path / "a.tif", imagery(3, 100, 100), crs="EPSG:2225", resolution=2.0)
    scene = described(file, resolution=1.0)
    assert scene.transform[0] == pytest.approx(3937 / 1200)  # US survey feet in a metre
    assert scene.grid.width == 61


def test_a_geographic_scene_is_scored_natively_but_has_no_metres(tmp_path: Path) -> None:
    where = Affine(1e-5, 0, -98.0, 0, -1e-5, 47.0)
    file = write(tmp_path / "a.tif", imagery(3, 80, 80), crs="EPSG:4326", transform=where)
    assert described(file).native
    with pytest.raises(SourceError, match=r"EPSG:4326 is geographic.* gdalwarp -t_srs"):
        described(file, resolution=1.0)


def test_pixels_that_are_not_square_need_a_resolution(shared: Path) -> None:
    file = str(shared / "imagery/naip-stactools-6tiles/m_3008501_ne_16_1_20110815.tif")
    with pytest.raises(
        SourceError, match=r"not square \(25.9297 x 29.6367 metre\); set source.res"
    ):
        described(file)
    scene = described(file, resolution=30.0)
    assert (scene.grid.width, scene.grid.height, scene.native) == (221, 253, False)


def test_a_rotated_scene_is_refused(tmp_path: Path) -> None:
    where = Affine.translation(5e5, 4e6) @ Affine.rotation(10) @ Affine.scale(1, -1)
    file = write(tmp_path / "a.tif", imagery(1, 70, 70), transform=where)
    with pytest.raises(SourceError, match=r"rotated or flipped .* gdalwarp"):
        described(file)


def test_a_scene_without_a_crs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"has no CRS; assign .* gdal_edit.py -a_srs"):
        described(write(tmp_path / "a.tif", imagery(1, 70, 70), crs=None))


@pytest.mark.parametrize("crs", [None, "EPSG:26914"])
def test_a_scene_without_a_place_is_told_how_to_get_one(tmp_path: Path, crs: str | None) -> None:
    """As it is, neither gdal_edit nor gdalwarp could place it."""
    file = write(tmp_path / "a.tif", imagery(1, 70, 70), crs=crs, transform=Affine.identity())
    with pytest.raises(SourceError, match=r"no place on earth.*gdal_translate .* -a_ullr LEFT TOP"):
        described(file)


def test_what_is_no_raster_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_text("not a raster")
    with pytest.raises(SourceError, match=r"a.tif: cannot be read as a raster: .*not recognized"):
        described(str(tmp_path / "a.tif"))


@pytest.mark.parametrize("dtype", ["complex64", "complex_int16"])
def test_complex_pixels_are_refused(tmp_path: Path, dtype: str) -> None:
    file = str(tmp_path / "a.tif")
    where = from_origin(5e5, 4e6, 1, 1)
    shape = {"width": 70, "height": 70, "count": 2, "dtype": dtype}
    with rasterio.open(
        file, "w", driver="GTiff", crs="EPSG:26914", transform=where, nodata=0, **shape
    ):
        pass
    with pytest.raises(SourceError, match=f"holds {dtype} pixels"):
        described(file)


def test_thousands_of_bands_are_asked_for_once_each(tmp_path: Path) -> None:
    names = tuple(f"b{n}" for n in range(4000))
    file = write(tmp_path / "a.tif", imagery(4000, 2, 3), names=names, interleave="band")
    assert described(file, bands=("b3999", "b17")).bands.read == (4000, 18)


@pytest.mark.parametrize("interleave", ["pixel", "band"])
@pytest.mark.parametrize("kept", [0.3, 0.7, 0.99])
def test_a_scene_that_was_cut_off_is_refused(tmp_path: Path, kept: float, interleave: str) -> None:
    options = {"tiled": True, "blockxsize": 128, "blockysize": 64, "interleave": interleave}
    path = Path(write(tmp_path / "a.tif", imagery(3, 511, 389), **options))
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
    with pytest.raises(SourceError, match=r"is cut off: it ends after \d+ bytes.* copy it again"):
        described(str(path))


def test_a_cut_off_is_seen_where_the_last_blocks_hold_nothing_and_are_not_stored(
    tmp_path: Path,
) -> None:
    pixels = imagery(3, 512, 512)
    pixels[:, 256:] = 0
    options = {"tiled": True, "blockxsize": 128, "blockysize": 128, "SPARSE_OK": True}
    path = Path(write(tmp_path / "a.tif", pixels, **options))
    whole = path.read_bytes()
    described(str(path))
    path.write_bytes(whole[: int(len(whole) * 0.9)])
    with pytest.raises(SourceError, match=r"is cut off: it ends after \d+ bytes"):
        described(str(path))


def test_too_few_bands_are_named_with_a_way_out(tmp_path: Path) -> None:
    one = write(tmp_path / "b1.tif", imagery(1, 70, 70))
    with pytest.raises(
        SourceError, match=r"has 1 band\(s\), the network reads 3; single-band files"
    ):
        described(one, band_count=3)
    with pytest.raises(SourceError, match=r"has 3 band\(s\), band 4 is wanted$"):
        described(write(tmp_path / "a.tif", imagery(3, 70, 70)), bands=(1, 4))


def test_a_band_declared_alpha_is_a_mask_unless_the_network_reads_it(tmp_path: Path) -> None:
    file = write(tmp_path / "a.tif", imagery(4, 70, 70), colours=RGBA)
    assert described(file).bands.read == (1, 2, 3)
    for bands, alpha, masking in [
        ((1, 2, 3), None, 4),
        ((1, 2, 3), "mask", 4),
        ((1, 2, 3), "imagery", 0),
        ((4, 1), None, 0),
        ((4, 1), "imagery", 0),
    ]:
        assert described(file, bands=bands, alpha=alpha).bands.alpha == masking
    assert described(file, band_count=4).bands.read == (1, 2, 3, 4)
    with pytest.raises(SourceError, match=r"reads band 4, which source.alpha says is a mask"):
        described(file, bands=(4, 1), alpha="mask")
    with pytest.raises(SourceError, match=r"has 3 band\(s\) beside its mask, the network reads 4"):
        described(file, band_count=4, alpha="mask")


def test_bands_are_found_by_description_and_by_colour(tmp_path: Path) -> None:
    pixels = imagery(4, 70, 70)
    colours = (ColorInterp.blue, ColorInterp.green, ColorInterp.red, ColorInterp.undefined)
    file = write(tmp_path / "a.tif", pixels, colours=colours, names=("B02", "B03", "B04", "NIR"))
    assert described(file, bands=("red", "B03", "nir")).bands.read == (3, 2, 4)
    with pytest.raises(SourceError, match=r"no band is called 'swir' \(there are: b02/blue, b03"):
        described(file, bands=("swir",))


def test_infrared_that_is_declared_alpha_is_imagery_on_request(shared: Path) -> None:
    folder = shared / "imagery/naip-stactools-6tiles"
    for name in ("m_3211605_ne_11_060_20200415.tif", "m_4208701_ne_16_060_20200902.tif"):
        file = str(folder / name)
        assert described(file, bands=(1, 2, 3)).bands.alpha == 4
        bands = described(file, bands=(1, 2, 3), alpha="imagery").bands
        assert (bands.validity, bands.alpha) == ("all", 0)
        assert described(file, alpha="imagery").bands.read == (1, 2, 3, 4)


def test_a_crs_is_told_by_a_code_only_if_that_means_the_same(tmp_path: Path) -> None:
    by_parameters = (
        "+proj=tmerc +lat_0=0 +lon_0=15 +k=0.9996 +x_0=500000 +ellps=intl "
        "+towgs84=-104.1,-49.1,-9.9,0.971,-2.917,0.714,-11.68 +units=m"
    )
    scene = described(write(tmp_path / "a.tif", imagery(1, 70, 70), crs=by_parameters))
    assert CRS.from_user_input(scene.crs) == CRS.from_user_input(by_parameters)
    assert "TOWGS84[-104.1,-49.1,-9.9,0.971,-2.917,0.714,-11.68]" in scene.crs
    assert described(write(tmp_path / "b.tif", imagery(1, 70, 70))).crs == "EPSG:26914"


def test_a_code_does_not_hide_a_shift_between_datums() -> None:
    """GDAL takes two CRSs for the same that differ in nothing else."""
    plain = CRS.from_epsg(23033).to_wkt()
    end = plain.index("]]", plain.index("SPHEROID[")) + 2
    shift = "TOWGS84[-104.1,-49.1,-9.9,0.971,-2.917,0.714,-11.68]"
    shifted = CRS.from_wkt(f"{plain[:end]},{shift}{plain[end:]}")
    assert shifted == CRS.from_epsg(23033) and shift in name_of(shifted)
    assert name_of(CRS.from_epsg(23033)) == "EPSG:23033"


def test_a_rotation_that_moves_no_pixel_is_none(tmp_path: Path) -> None:
    for skew, pixels in ((1e-15, 70), (0.6 * 0.05 / 90, 90)):
        where = Affine(0.6, skew, 500000.0, -skew, -0.6, 4000000.0)
        scene = described(write(tmp_path / "a.tif", imagery(1, pixels, 70), transform=where))
        assert scene.transform == (0.6, 0.0, 500000.0, 0.0, -0.6, 4000000.0)
    where = Affine(0.6, 0.6 * 0.2 / 90, 500000.0, 0, -0.6, 4000000.0)  # a fifth of a pixel
    with pytest.raises(SourceError, match=r"rotated or flipped .* gdalwarp"):
        described(write(tmp_path / "b.tif", imagery(1, 90, 70), transform=where))
    where = Affine(0.6, 0, 500000.0, 0.6 * 0.2 / 70, -0.6, 4000000.0)  # columns alone
    with pytest.raises(SourceError, match=r"rotated or flipped .* gdalwarp"):
        described(write(tmp_path / "c.tif", imagery(1, 90, 70), transform=where))


@pytest.mark.parametrize("wide, high", [(0.6, 0.6), (-0.6, -0.6)])
def test_a_scene_whose_rows_go_north_or_columns_west_is_refused(
    tmp_path: Path, wide: float, high: float
) -> None:
    where = Affine(wide, 0, 500000.0, 0, high, 4000000.0)
    with pytest.raises(SourceError, match=r"rotated or flipped .* gdalwarp"):
        described(write(tmp_path / "a.tif", imagery(1, 90, 70), transform=where))


@pytest.mark.parametrize("wide, high, native", [(1.0, 1.3, False), (1.3, 1.0, False), (1, 1, True)])
def test_rows_and_columns_are_resampled_each_by_its_own_ratio(
    tmp_path: Path, wide: float, high: float, native: bool
) -> None:
    where = Affine(wide, 0, 500000.0, 0, -high, 4000000.0)
    file = write(tmp_path / "a.tif", imagery(1, 91, 73), transform=where)
    scene = described(file, resolution=1.0)
    assert (scene.transform[0], scene.transform[4], scene.native) == (1.0, -1.0, native)
    assert (scene.grid.width, scene.grid.height) == (round(73 * wide), round(91 * high))


@pytest.mark.parametrize("edge, target, pixels", [(0.6, 1.0, 2), (0.6, 1.0, 6), (1.0, 0.7, 5)])
def test_pixels_whose_centres_lie_in_the_scene_are_those_of_the_grid(
    tmp_path: Path, edge: float, target: float, pixels: int
) -> None:
    file = write(tmp_path / "a.tif", imagery(1, pixels, pixels), resolution=edge)
    grid = described(file, resolution=target).grid
    centres = (np.arange(100) + 0.5) * target
    assert grid.width == grid.height == (centres <= pixels * edge).sum()


def test_a_resolution_on_the_ground_may_be_another_along_x_than_along_y(tmp_path: Path) -> None:
    """Plate carree (EPSG:4087) keeps lengths along y, and stretches those along x by 1 / cos."""
    north = 60 * 111319.49
    where = Affine(1, 0, 1e6, 0, -1, north)
    file = write(tmp_path / "a.tif", imagery(1, 100, 120), crs="EPSG:4087", transform=where)
    scene = described(file, resolution=2.0)
    assert scene.transform[0] == pytest.approx(4.0, rel=0.01)
    assert scene.transform[4] == pytest.approx(-2.0, rel=0.01)
    assert (scene.grid.width, scene.grid.height) == (30, 50)


def test_the_resolution_on_the_ground_is_that_at_the_centre(tmp_path: Path) -> None:
    """Of a scene that is 20 km high at 60 degrees north lengths change by half a percent."""
    where = Affine(100, 0, 1e6, 0, -100, 8399738.0 + 20_000)
    file = write(tmp_path / "a.tif", imagery(1, 400, 120), crs="EPSG:3857", transform=where)
    wide = described(file, resolution=100.0).transform[0]
    assert wide == pytest.approx(100 / math.cos(math.radians(60)), rel=0.004)
    where = Affine(100, 0, 1e6, 0, -100, 8399738.0)
    lower = write(tmp_path / "b.tif", imagery(1, 400, 120), crs="EPSG:3857", transform=where)
    assert described(lower, resolution=100.0).transform[0] < wide * 0.999
    where = Affine(100, 0, 1e6 + 5900, 0, -100, 8399738.0 + 100)  # two pixels about the same centre
    small = write(tmp_path / "c.tif", imagery(1, 2, 2), crs="EPSG:3857", transform=where)
    assert described(small, resolution=100.0).transform[0] == pytest.approx(wide, rel=1e-6)


@pytest.mark.parametrize("latitude, north", [(0.01, 1113.19), (45.0, 5621521.5), (60.0, 8399738.0)])
def test_a_resolution_is_one_on_the_ground_in_web_mercator(
    tmp_path: Path, latitude: float, north: float
) -> None:
    where = Affine(1, 0, 1e6, 0, -1, north)
    file = write(tmp_path / "a.tif", imagery(1, 100, 120), crs="EPSG:3857", transform=where)
    scene = described(file, resolution=2.0)
    wide = scene.transform[0] * math.cos(math.radians(latitude))
    assert wide == pytest.approx(2.0, rel=0.006)  # the ellipsoid is no sphere
    assert scene.grid.width == round(120 / scene.transform[0])


def test_where_lengths_change_within_a_scene_a_resolution_in_metres_is_refused(
    tmp_path: Path,
) -> None:
    where = Affine(10000, 0, 1e6, 0, -10000, 9e6)
    file = write(tmp_path / "a.tif", imagery(1, 100, 120), crs="EPSG:3857", transform=where)
    with pytest.raises(SourceError, match=r"EPSG:3857 has no .* change by \d+% within .*gdalwarp"):
        described(file, resolution=20000.0)


def test_degrees_that_are_not_square_lead_to_reprojection(tmp_path: Path) -> None:
    where = Affine(2e-5, 0, -98.0, 0, -1e-5, 47.0)
    file = write(tmp_path / "a.tif", imagery(3, 80, 80), crs="EPSG:4326", transform=where)
    with pytest.raises(SourceError, match=r"not square .* degrees\); reproject .* gdalwarp -t_srs"):
        described(file)


def test_a_value_that_pixels_cannot_hold_marks_nothing() -> None:
    assert holdable(-9999.0, "uint8") is None
    assert holdable(0.5, "uint8") is None
    assert (holdable(0.0, "uint8"), holdable(255.0, "uint8")) == (0.0, 255.0)
    assert holdable(256.0, "uint8") is None
    assert (holdable(-32768.0, "int16"), holdable(32768.0, "int16")) == (-32768.0, None)
    assert holdable(256.0, "uint16") == 256.0
    assert holdable(-9999.0, "float32") == -9999.0


def _shifted(path: Path) -> str:
    return write(path, imagery(1, 70, 70), transform=Affine(1, 0, 500010, 0, -1, 4000000))


def _larger(path: Path) -> str:
    return write(path, imagery(1, 70, 71))


def _elsewhere(path: Path) -> str:
    return write(path, imagery(1, 70, 70), crs="EPSG:26915")


@pytest.mark.parametrize("other", [_shifted, _larger, _elsewhere])
def test_files_of_one_scene_must_agree_in_grid(
    tmp_path: Path, other: Callable[[Path], str]
) -> None:
    first = write(tmp_path / "b1.tif", imagery(1, 70, 70))
    with pytest.raises(SourceError, match=r"b2.tif: lies on another grid than .*b1.tif"):
        described(first, other(tmp_path / "b2.tif"))


def test_files_of_one_scene_must_agree_in_dtype_and_have_one_band(tmp_path: Path) -> None:
    first = write(tmp_path / "b1.tif", imagery(1, 70, 70))
    with pytest.raises(SourceError, match="differ in dtype: uint16, uint8"):
        described(first, write(tmp_path / "b2.tif", imagery(1, 70, 70, "uint16")))
    with pytest.raises(SourceError, match=r"b3.tif: holds 3 bands; a scene given as a list"):
        described(first, write(tmp_path / "b3.tif", imagery(3, 70, 70)))


def test_blocks_are_counted_in_pixels_of_the_grid(tmp_path: Path) -> None:
    options = {"tiled": True, "blockxsize": 128, "blockysize": 64}
    file = write(tmp_path / "a.tif", imagery(1, 300, 300), resolution=0.5, **options)
    assert described(file).block == (64, 128)
    assert described(file, resolution=1.0).block == (32, 64)


def test_a_mask_beside_the_file_is_found(tmp_path: Path) -> None:
    pixels = imagery(3, 70, 70)
    file = write(tmp_path / "a.tif", pixels)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False), rasterio.open(file, "r+") as dataset:
        dataset.write_mask(np.eye(70, dtype=bool))
    assert (tmp_path / "a.tif.msk").exists()
    assert described(file).bands.validity == "mask"


@pytest.mark.parametrize("masked", [0, 1])
def test_a_mask_of_some_files_of_a_scene_is_refused(tmp_path: Path, masked: int) -> None:
    hole = np.eye(70, dtype=bool)
    files = [
        write(tmp_path / f"b{at}.tif", imagery(1, 70, 70), mask=hole if at == masked else None)
        for at in range(2)
    ]
    with pytest.raises(SourceError, match=rf"b{masked}.tif: has a mask, and other files .* none"):
        described(*files)


def test_a_raster_placed_by_points_is_told_to_be_warped(tmp_path: Path) -> None:
    corners = [(0, 0), (0, 70), (70, 0), (70, 70)]
    points = [GroundControlPoint(y, x, 5e5 + x, 4e6 - y) for y, x in corners]
    shape = {"width": 70, "height": 70, "count": 1, "dtype": "uint8"}
    file = str(tmp_path / "a.tif")
    with rasterio.open(file, "w", driver="GTiff", gcps=points, crs="EPSG:26914", **shape):
        pass
    with pytest.raises(SourceError, match=r"placed by ground control points.* gdalwarp -t_srs"):
        described(file)


def test_a_raster_placed_by_damaged_polynomials_is_told_to_be_warped(tmp_path: Path) -> None:
    file = write(tmp_path / "a.tif", imagery(1, 70, 70), crs=None, transform=Affine.identity())
    (tmp_path / "a.tif.aux.xml").write_text(
        '<PAMDataset><Metadata domain="RPC"><MDI key="LINE_OFF">nan</MDI></Metadata></PAMDataset>'
    )
    with pytest.raises(SourceError, match=r"placed by RPCs.* gdalwarp -rpc -t_srs"):
        described(file)


@pytest.mark.parametrize("where", [(float("nan"),) * 6, (1e308, 0, 1e308, 0, -1e308, 1e308)])
def test_a_transform_of_no_numbers_is_no_place(tmp_path: Path, where: tuple[float, ...]) -> None:
    file = write(tmp_path / "a.tif", imagery(1, 70, 70), transform=Affine(*where))
    with pytest.raises(SourceError, match=r"no place on earth.*gdal_translate"):
        described(file)


def test_indices_into_a_palette_are_never_brightness(tmp_path: Path) -> None:
    file = write(tmp_path / "a.tif", imagery(1, 70, 70))
    with rasterio.open(file, "r+") as dataset:
        dataset.write_colormap(1, {n: (n, 0, 255 - n, 255) for n in range(256)})
    with pytest.raises(SourceError, match=r"indices into a palette.* set source\.palette: expand"):
        described(file, bands=(1,))


# Of the last, every second corner is, as doubles divide, a hair before the pixel that it is.
@pytest.mark.parametrize(
    ("east", "resolution"), [(5e5, 0.6), (5e5, 1 / 3), (5e5, 10.0), (312345.6, 0.6)]
)
@pytest.mark.parametrize("half", [0.0, 0.5])
def test_scenes_cut_out_of_one_have_tiles_on_one_lattice(
    tmp_path: Path, east: float, resolution: float, half: float
) -> None:
    places = set()
    for row, col in ((0, 0), (0, 37), (41, 11), (130, 260)):
        x = east + (col + half) * resolution
        y = 4e6 - (row + half) * resolution
        where = from_origin(x, y, resolution, resolution)
        file = write(tmp_path / f"{row}-{col}.tif", imagery(1, 70, 80), transform=where)
        grid = described(file, lattice=True).grid
        top, left = grid.corner(0, 0)
        assert -64 < top <= 0 and -64 < left <= 0
        places.add(((row + top) % 64, (col + left) % 64))
    assert len(places) == 1


def test_a_lattice_has_a_stride_of_its_own_along_rows_and_along_columns(tmp_path: Path) -> None:
    tiling = Tiling(Size(64, 40), 0, Size(64, 40))
    where = from_origin(500000.0 + 1.2, 4000000.0 - 3.0, 0.6, 0.6)
    file = write(tmp_path / "a.tif", imagery(1, 150, 170), transform=where)
    grid = describe("a", (file,), tiling, lattice=True).grid
    # Pixels of 0.6 m from the origin of the CRS: 833,335 to the east, 6,666,661 down from it.
    assert grid.before == (-6_666_662 % 64, 833_335 % 40)


@pytest.mark.parametrize("name", ["NIR", "Near Infrared", "Band 4 (near infra-red)", "nir1"])
def test_a_band_that_is_described_as_infrared_is_no_mask(tmp_path: Path, name: str) -> None:
    names = ("red", "green", "blue", name)
    scene = described(write(tmp_path / "a.tif", imagery(4, 70, 70), colours=RGBA, names=names))
    assert scene.bands.read == (1, 2, 3, 4) and scene.bands.validity == "all"
    other = write(tmp_path / "b.tif", imagery(4, 70, 70), colours=RGBA, names=(*names[:3], "4"))
    assert described(other).bands.alpha == 4


def test_a_pipe_is_no_scene_and_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.tif")
    with pytest.raises(SourceError, match=r"a\.tif: .*is no regular file"):
        described(str(tmp_path / "a.tif"))
