from __future__ import annotations

import json
import os
import pickle
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
from PIL import Image
from support.rasters import RGBA, imagery, write

from landcover.classes import LandClass, Scheme
from landcover.contracts import Failure, Source, Tile
from landcover.errors import ConfigError, SourceError
from landcover.tiles.images import ImageSource

Pixels = np.ndarray[Any, Any]


def source(*entries: str | Path, **options: Any) -> ImageSource:
    return ImageSource([str(entry) for entry in entries], **{"tile": 20, **options})


def scored(made: ImageSource) -> tuple[list[Tile], list[Pixels], list[Failure]]:
    found = [read() for task in made.tasks() for read in task.reads()]
    tiles = [tile for strip in found for tile in strip.tiles]
    pixels = [one for strip in found for one in strip.pixels]
    return tiles, pixels, [failure for strip in found for failure in strip.failures]


def save(path: Path, pixels: Pixels, mode: str | None = None, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(np.moveaxis(pixels, 0, 2).squeeze())
    (image if mode is None else image.convert(mode)).save(path, **options)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for n, name in enumerate(("pool/a.png", "pool/b.png", "roof/a.png", "roof/old/c.png", "d.png")):
        save(tmp_path / "test" / name, imagery(3, 20, 20, seed=n))
    (tmp_path / "test/LICENSE").write_text("mine")
    return tmp_path / "test"


def test_every_image_is_a_tile_named_by_its_path(folder: Path) -> None:
    made: Source = source(folder, labels="parent")
    tiles, pixels, failures = scored(source(folder, labels="parent"))
    names = ["d.png", "pool/a.png", "pool/b.png", "roof/a.png", "roof/old/c.png"]
    assert [tile.tile for tile in tiles] == names
    assert [tile.true_label for tile in tiles] == ["test", "pool", "pool", "roof", "old"]
    assert tiles[0] == Tile("d.png", "d.png", 0, 0, None, "test")
    assert (pixels[1] == imagery(3, 20, 20, seed=0)).all() and not failures
    assert made.count() == 5
    assert [tile for task in made.tasks() for tile in task.planned()] == tiles


def test_there_is_no_true_label_unless_asked_for(folder: Path) -> None:
    assert {tile.true_label for tile in scored(source(folder))[0]} == {None}


def test_tasks_hold_as_many_images_as_asked(folder: Path) -> None:
    for many, tiles in ((2, [2, 2, 1]), (3, [3, 2])):
        tasks = list(source(folder, task_tiles=many).tasks())
        assert [(task.index, task.tiles) for task in tasks] == list(enumerate(tiles))
    assert len(pickle.dumps(tasks[0])) < 600
    assert pickle.loads(pickle.dumps(tasks[1])) == tasks[1]


def test_the_fingerprint_tells_inputs_and_tiles_apart(folder: Path) -> None:
    prints = [
        source(folder).fingerprint(),
        source(folder / "pool").fingerprint(),
        source(folder, tile=30).fingerprint(),
        source(folder, bands=("red",)).fingerprint(),
        source(folder, labels="parent").fingerprint(),
        source(folder, alpha="band").fingerprint(),
    ]
    assert source(folder).fingerprint() == prints[0]
    assert len({json.dumps(one) for one in prints}) == len(prints)


def test_bands_are_chosen_by_number_and_colour(folder: Path) -> None:
    for bands, read in ((("blue", 1), [2, 0]), (("green", "red"), [1, 0])):
        _, pixels, _ = scored(source(folder / "pool/a.png", bands=bands))
        assert (pixels[0] == imagery(3, 20, 20, seed=0)[read]).all()
    with pytest.raises(ConfigError, match="'swir' is no band of an image"):
        source(folder, bands=("swir",))
    with pytest.raises(ConfigError, match="1 bands are named, the network reads 3"):
        source(folder, bands=(1,), band_count=3)


def _grey(path: Path) -> None:
    save(path, imagery(1, 20, 20))


def _transparent(path: Path) -> None:
    pixels = imagery(4, 20, 20)
    pixels[3] = 255
    pixels[3, 3, 3] = 0
    save(path, pixels)


def _transparent_palette(path: Path) -> None:
    image = Image.fromarray(np.moveaxis(imagery(3, 20, 20), 0, 2)).quantize(64)
    image.save(path, transparency=image.getpixel((3, 3)))


def _cmyk(path: Path) -> None:
    save(path.with_suffix(".jpg"), imagery(3, 20, 20), mode="CMYK")


def _five_bands(path: Path) -> None:
    write(path.with_suffix(".tif"), imagery(5, 20, 20))


def _larger(path: Path) -> None:
    save(path, imagery(3, 20, 21))


def _deep(path: Path) -> None:
    write(path.with_suffix(".tif"), imagery(3, 20, 20, "uint16"))


def _cut_off(path: Path) -> None:
    save(path, imagery(3, 20, 20))
    path.write_bytes(path.read_bytes()[:700])


def _cut_off_tiff(path: Path) -> None:
    file = Path(write(path.with_suffix(".tif"), imagery(3, 20, 20)))
    file.write_bytes(file.read_bytes()[:900])


def _text(path: Path) -> None:
    path.write_text("no image")


def _empty(path: Path) -> None:
    path.touch()


@pytest.mark.parametrize(
    "spoil, says",
    [
        (_grey, r"has 1 band\(s\), the network reads 3"),
        (_five_bands, r"has 5 band\(s\), the network reads 3"),
        (_transparent, "is transparent in places"),
        (_transparent_palette, "is transparent in places"),
        (_cmyk, "is a CMYK image; convert it to RGB"),
        (_larger, "is 21 x 20 pixels; the network sees tiles of 20 x 20: set source.resize"),
        (_deep, "holds uint16 pixels, the first images of the run uint8"),
        (_cut_off, "cannot be decoded: "),
        (_cut_off_tiff, "cannot be decoded: "),
        (_text, "is no image that can be decoded"),
        (_empty, "is no image that can be decoded"),
    ],
)
def test_an_image_that_cannot_be_used_fails_alone_and_says_why(
    folder: Path, spoil: Callable[[Path], None], says: str
) -> None:
    spoil(folder / "pool/spoiled.png")
    tiles, _, [failure] = scored(source(folder, band_count=3))
    assert len(tiles) == 5
    assert failure.tile.tile.startswith("pool/spoiled.") and not failure.retryable
    assert re.match(says, failure.reason)


def test_an_image_that_vanished_after_the_plan_fails_alone(folder: Path) -> None:
    [task] = source(folder).tasks()
    (folder / "pool/a.png").unlink()
    [strip] = [read() for read in task.reads()]
    [failure] = strip.failures
    assert failure.reason == "cannot be read: No such file or directory"
    assert len(strip.tiles) == len(strip.pixels) == 4


def _opaque(path: Path) -> Pixels:
    pixels = imagery(4, 20, 20)
    pixels[3] = 255
    save(path, pixels)
    return pixels[:3]


def _palette(path: Path) -> Pixels:
    pixels = imagery(3, 20, 20) // 64 * 64
    save(path, pixels)
    Image.open(path).quantize(64).save(path)
    return pixels


def _deep_png(path: Path) -> Pixels:
    import rasterio

    pixels = imagery(3, 20, 20, "uint16") * 300
    shape = {"width": 20, "height": 20, "count": 3, "dtype": "uint16"}
    with (
        pytest.warns(rasterio.errors.NotGeoreferencedWarning),
        rasterio.open(path, "w", driver="PNG", **shape) as dataset,
    ):
        dataset.write(pixels)
    return pixels


def _float_tiff(path: Path) -> Pixels:
    pixels = imagery(5, 20, 20, "float32") / 7
    Path(write(path.with_suffix(".tif"), pixels)).rename(path.with_suffix(".tiff"))
    return pixels


def _one_bit(path: Path) -> Pixels:
    pixels = (imagery(1, 20, 20) > 100).astype("uint8") * 255
    save(path, pixels, mode="1")
    return pixels


@pytest.mark.parametrize("make", [_opaque, _palette, _deep_png, _float_tiff, _one_bit])
def test_pixels_come_as_they_are_in_the_file(
    tmp_path: Path, make: Callable[[Path], Pixels]
) -> None:
    expected = make(tmp_path / "a.png")
    _, [pixels], _ = scored(source(tmp_path))
    assert pixels.dtype == expected.dtype and pixels.shape == expected.shape
    assert (pixels == expected).all()


def test_a_tiff_of_indices_is_read_as_colours_where_that_is_asked_for(tmp_path: Path) -> None:
    import rasterio

    indices = imagery(1, 20, 20)
    file = write(tmp_path / "a.tif", indices)
    entries = {n: (255 - n, n // 2, 7 * n % 256, 255) for n in range(256)}
    with rasterio.open(file, "r+") as dataset:
        dataset.write_colormap(1, entries)
    with pytest.raises(SourceError, match=r"where its colours are imagery, set source\.palette"):
        scored(source(tmp_path))
    _, [pixels], failures = scored(source(tmp_path, palette="expand"))
    table = np.array(list(entries.values()), np.uint8)
    assert not failures
    assert np.array_equal(pixels, np.moveaxis(table[indices[0]], 2, 0)[:3])


def test_a_network_of_four_bands_reads_the_fourth_of_an_rgba_image(tmp_path: Path) -> None:
    pixels = imagery(4, 20, 20)
    save(tmp_path / "a.png", pixels)
    assert (scored(source(tmp_path, band_count=4))[1][0] == pixels).all()
    assert (scored(source(tmp_path, bands=(4, 1)))[1][0] == pixels[[3, 0]]).all()
    first = source(tmp_path, bands=(1, 2), alpha="imagery")
    assert (scored(first)[1][0] == pixels[:2]).all()


def test_a_band_that_is_declared_alpha_is_imagery_on_request(tmp_path: Path) -> None:
    pixels = imagery(4, 20, 20)
    write(tmp_path / "a.tif", pixels, colours=RGBA)
    _, [read], _ = scored(source(tmp_path, bands=(3, 1, 2), alpha="imagery"))
    assert (read == pixels[[2, 0, 1]]).all()
    other = write(tmp_path / "b.tif", imagery(3, 20, 20))
    _, _, [failure] = scored(source(other, tmp_path / "a.tif", bands=(3, 1, 2)))
    assert (
        "is transparent in places" in failure.reason and "source.alpha: imagery" in failure.reason
    )


def test_a_tiff_without_a_place_on_earth_needs_none(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    Image.fromarray(imagery(1, 20, 20)[0]).save(tmp_path / "a.tif")
    assert len(scored(source(tmp_path))[1]) == 1
    assert not recwarn.list


def test_the_first_readable_image_is_the_measure_of_the_others(folder: Path) -> None:
    (folder / "a.png").write_text("no image")
    tiles, _, failures = scored(source(folder))
    assert len(tiles) == 5 and [failure.tile.tile for failure in failures] == ["a.png"]


def test_a_folder_whose_images_cannot_be_read_at_all_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("no image")
    with pytest.raises(SourceError, match=r"first images cannot be read; .*a.png: is no image"):
        list(source(tmp_path).tasks())


def test_a_folder_without_images_says_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "notes.md").touch()
    with pytest.raises(SourceError, match=r"no file matches; .* holds 1 .md file\(s\)"):
        source(tmp_path).count()


@pytest.fixture
def remote(folder: Path) -> Iterator[str]:
    system = fsspec.filesystem("memory")
    system.put(str(folder), "/images", recursive=True)
    yield "memory://images"
    system.rm("/images", recursive=True)


def test_images_of_a_url_give_the_tiles_of_the_folder(remote: str, folder: Path) -> None:
    here, there = source(folder, labels="parent"), source(remote, labels="parent")
    tiles, pixels, failures = scored(there)
    assert [tile.tile for tile in tiles] == [tile.tile for tile in scored(here)[0]]
    assert all((a == b).all() for a, b in zip(pixels, scored(here)[1], strict=True))
    assert [tile.true_label for tile in tiles][1:] == ["pool", "pool", "roof", "old"]
    assert not failures


def test_a_remote_image_that_vanished_fails_alone(remote: str) -> None:
    [task] = source(remote).tasks()
    fsspec.filesystem("memory").rm("/images/pool/b.png")
    [strip] = [read() for read in task.reads()]
    [failure] = strip.failures
    assert failure.tile.tile == "pool/b.png" and not failure.retryable
    assert len(strip.tiles) == 4


def test_a_large_remote_image_is_fetched_by_itself(tmp_path: Path) -> None:
    noise = np.random.default_rng(5).integers(0, 256, (3, 700, 700), np.uint8)
    large = save(tmp_path / "a.png", noise)
    assert large.stat().st_size > 2**20
    save(tmp_path / "b.png", noise[:, :650, :650])
    system = fsspec.filesystem("memory")
    system.put(str(tmp_path), "/large", recursive=True)
    here, there = (source(place, tile=700, resize="pad") for place in (tmp_path, "memory://large"))
    assert all((a == b).all() for a, b in zip(scored(there)[1], scored(here)[1], strict=True))
    assert len(scored(there)[1]) == 2
    system.rm("/large", recursive=True)


def test_an_image_of_more_bytes_than_any_has_is_not_read(tmp_path: Path) -> None:
    save(tmp_path / "a.png", imagery(3, 20, 20))
    (tmp_path / "b.png").touch()
    os.truncate(tmp_path / "b.png", 2**28 + 1)
    tiles, _, [failure] = scored(source(tmp_path))
    assert [tile.tile for tile in tiles] == ["a.png"]
    assert "has 268,435,457 bytes" in failure.reason and not failure.retryable


def test_images_of_two_places_are_refused(folder: Path, remote: str) -> None:
    with pytest.raises(SourceError, match="lies elsewhere than the other images"):
        source(folder, remote)


def test_labelled_patches_of_real_imagery_are_all_read(shared: Path) -> None:
    patches = shared / "imagery/naip-patches-4class/test"
    made = source(patches, tile=30, labels="parent", band_count=3)
    tiles, pixels, failures = scored(made)
    labels = [tile.true_label for tile in tiles]
    counts = {label: labels.count(label) for label in set(labels)}
    assert counts == {"lawn": 139, "pool": 594, "roof": 222, "street": 277}
    assert not failures and made.count() == len(pixels) == 1232
    with Image.open(patches / tiles[700].tile) as image:
        assert (pixels[700] == np.moveaxis(np.asarray(image), 2, 0)).all()


def test_figures_among_tiles_fail_by_their_size(shared: Path) -> None:
    made = source(shared / "imagery/azure-middlesex-naip-nlcd-png", tile=224, band_count=3)
    [tile], [pixels], failures = scored(made)
    assert tile.tile == "img/extraction/sample_tile.png" and pixels.shape == (3, 224, 224)
    assert len(failures) == made.count() - 1
    assert all("the network sees tiles of 224 x 224" in failure.reason for failure in failures)


def test_an_image_that_is_refused_itself_is_no_measure_of_the_others(folder: Path) -> None:
    write(folder / "a0.tif", imagery(1, 20, 20, "float32"))  # sorts first
    write(folder / "a1.tif", imagery(3, 20, 20, "uint16"))  # could be used, but most are uint8
    tiles, _, failures = scored(source(folder, bands=(3, 2, 1)))
    assert len(tiles) == 5
    assert [failure.tile.tile for failure in failures] == ["a0.tif", "a1.tif"]


def test_a_name_that_is_not_utf8_is_told_with_escapes(folder: Path) -> None:
    odd = os.fsdecode(b"caf\xe9.png")
    save(folder / "d.png", imagery(3, 20, 20, seed=7)).rename(folder / odd)
    tiles, pixels, failures = scored(source(folder))
    assert tiles[0].tile == "caf\\xe9.png" and not failures
    assert (pixels[0] == imagery(3, 20, 20, seed=7)).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_an_image_of_pixels_that_are_no_numbers_fails_alone(tmp_path: Path, bad: float) -> None:
    pixels = imagery(3, 20, 20, "float32")
    for n, name in enumerate("abc"):
        pixels[2, 7, 3] = bad if name == "b" else n
        write(tmp_path / f"{name}.tif", pixels)
    tiles, read, [failure] = scored(source(tmp_path, bands=(1, 3)))
    assert [tile.tile for tile in tiles] == ["a.tif", "c.tif"]
    assert "NaN or infinite" in failure.reason and read[1][1, 7, 3] == 2


def test_images_after_one_that_cannot_be_used_keep_their_own_pixels(tmp_path: Path) -> None:
    for n in range(23):
        path = save(tmp_path / f"{n:02}.png", imagery(3, 20, 21 if n % 7 == 3 else 20, seed=n))
        if n == 5:
            path.write_bytes(path.read_bytes()[:300])
    tiles, pixels, failures = scored(source(tmp_path, band_count=3, task_tiles=17))
    assert [failure.tile.tile for failure in failures] == [f"{n:02}.png" for n in (3, 5, 10, 17)]
    assert len(tiles) == 19
    for tile, read in zip(tiles, pixels, strict=True):
        assert (read == imagery(3, 20, 20, seed=int(tile.tile[:2]))).all()


def test_images_of_another_size_are_made_to_fit_in_the_way_that_is_told(tmp_path: Path) -> None:
    small, large = imagery(3, 15, 18), imagery(3, 31, 26)
    save(tmp_path / "a.png", small)
    save(tmp_path / "b.png", large)

    def read(how: str) -> tuple[list[Pixels], list[Failure]]:
        return scored(source(tmp_path, band_count=3, resize=how))[1:]

    [cropped], [too_small] = read("crop")
    assert (cropped == large[:, 5:25, 3:23]).all()
    assert too_small.reason.startswith("is 18 x 15 pixels, too small for source.resize: crop")
    [padded], [too_large] = read("pad")
    assert (padded == np.pad(small, ((0, 0), (2, 3), (1, 1)), mode="reflect")).all()
    assert too_large.reason.startswith("is 26 x 31 pixels, too large for source.resize: pad")
    fitted, none = read("fit")
    assert not none and [one.shape for one in fitted] == [(3, 20, 20)] * 2
    for one, whole in zip(fitted, (small, large), strict=True):
        assert one.mean() == pytest.approx(whole.mean(), rel=0.02)
    assert len(read("none")[1]) == 2


@pytest.mark.parametrize(("how", "fits"), [("crop", "small"), ("pad", "large")])
@pytest.mark.parametrize("shape", [(30, 12), (12, 30)])
def test_images_too_long_one_way_and_too_short_the_other_are_neither_cut_nor_padded(
    tmp_path: Path, shape: tuple[int, int], how: str, fits: str
) -> None:
    save(tmp_path / "a.png", imagery(3, 20, 20))
    save(tmp_path / "b.png", imagery(3, *shape))
    _, _, [failure] = scored(source(tmp_path, band_count=3, resize=how))
    assert f"too {fits} for source.resize: {how}" in failure.reason


def test_the_way_of_resizing_is_in_the_fingerprint(folder: Path) -> None:
    ways = ("none", "fit", "crop", "pad")
    assert len({json.dumps(source(folder, resize=way).fingerprint()) for way in ways}) == 4
    assert "resize" not in source(folder).fingerprint()


def test_a_folder_that_is_no_class_is_refused_before_anything_is_read(folder: Path) -> None:
    known = Scheme("model", (LandClass(4, "Pool", "#0000ff"), LandClass(7, "old", "#00ff00")))
    with pytest.raises(SourceError) as refused:
        source(folder, labels="parent", known=known).count()
    assert str(refused.value) == (
        f"{folder}: source.labels takes folders for true labels, but {folder.name!r} is no class of "
        "the model, and 1 more are none (there are: Pool, old); rename it, name other images, or "
        "set model.classes"
    )
    assert source(folder, known=known).count() == 5
    (folder / "roof/a.png").rename(folder / "pool/c.png")
    (folder / "roof/old").rename(folder / "7")
    (folder / "d.png").rename(folder / "pool/d.png")
    assert source(folder, labels="parent", known=known).count() == 5


def test_images_are_what_they_may_be_whatever_their_name(folder: Path) -> None:
    """An EPS called .png would start Ghostscript, and a virtual raster called .tif open other files."""
    (folder / "pool/x.png").write_bytes(
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 20 20\n%%EndComments\nshowpage\n"
    )
    (folder / "pool/y.tif").write_text('<VRTDataset rasterXSize="20" rasterYSize="20"/>')
    Image.new("RGB", (20, 20)).save(folder / "pool/z.png", format="BMP")
    tiles, _, failures = scored(source(folder, band_count=3))
    assert len(tiles) == 5 and len(failures) == 3
    said = {failure.reason for failure in failures}
    assert said == {"is no image that can be decoded as PNG, JPEG, TIFF (others: source.formats)"}
    tiles, _, failures = scored(source(folder, band_count=3, formats=["bmp"]))
    assert len(tiles) == 6 and len(failures) == 2


def test_formats_whose_decoders_start_programs_are_none(folder: Path) -> None:
    with pytest.raises(ConfigError, match="EPS is no format that images are read in"):
        source(folder, formats=["eps"])


def test_what_cannot_be_opened_may_be_there_for_another_worker_and_what_is_damaged_is_not(
    folder: Path,
) -> None:
    made = source(folder)
    tasks = list(made.tasks())
    (folder / "d.png").unlink()
    (folder / "pool/a.png").write_bytes(b"no image")
    strips = [read() for task in tasks for read in task.reads()]
    unreached = {one.tile.tile: one.unreached for strip in strips for one in strip.failures}
    assert unreached == {"d.png": True, "pool/a.png": False}
