from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image

from landcover.datasets.folders import drawn_split, read_folder
from landcover.errors import SourceError

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


def _write(home: Path, *names: str, edge: int = 8) -> Path:
    for number, name in enumerate(names):
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((edge, edge, 3), number, np.uint8)).save(path)
    return home


def test_folders_of_classes_become_pixels_and_labels_by_split(tmp_path: Path) -> None:
    _write(tmp_path, "train/b/1.png", "train/a/2.png", "validation/a/3.png", "validation/b/4.png")
    (tmp_path / "prepare.json").write_text("{}")
    (tmp_path / "train" / ".DS_Store").write_text("left by a file manager")
    found = read_folder(tmp_path)
    assert found.classes == ("a", "b")
    assert found.counts() == {"train": [1, 1], "validation": [1, 1]}
    train = found.splits["train"]
    assert train.pixels.shape == (2, 3, 8, 8)
    assert train.pixels[:, 0, 0, 0].tolist() == [1, 0] and train.labels.tolist() == [0, 1]


def test_classes_may_be_those_of_a_scheme_in_its_order(tmp_path: Path) -> None:
    _write(tmp_path, "undeveloped/1.png", "Developed/2.png", "Cultivated/3.png")
    found = read_folder(tmp_path, "nlcd3")
    assert set(found.classes) == {"Developed", "Cultivated", "Undeveloped"}
    assert found.splits["train"].labels.tolist() == [
        found.classes.index(name) for name in ("Cultivated", "Developed", "Undeveloped")
    ]


def test_geotiffs_of_four_bands_and_sixteen_bits_keep_both(tmp_path: Path) -> None:
    profile = {"driver": "GTiff", "width": 8, "height": 8, "count": 4, "dtype": "uint16"}
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        with rasterio.open(tmp_path / name / "1.tif", "w", **profile) as file:
            file.write(np.full((4, 8, 8), 3000, np.uint16))
    pixels = read_folder(tmp_path).splits["train"].pixels
    assert pixels.shape == (2, 4, 8, 8) and pixels.dtype == np.uint16 and (pixels == 3000).all()


def _stray_text(home: Path) -> None:
    (home / "a" / "notes.txt").write_text("the one at the lake is wrong")


def _stray_image(home: Path) -> None:
    _write(home, "1.jpg")


def _other_size(home: Path) -> None:
    _write(home, "b/9.png", edge=10)


def _wide(home: Path) -> None:
    Image.fromarray(np.zeros((8, 9, 3), np.uint8)).save(home / "a" / "0.png")


def _grey(home: Path) -> None:
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(home / "b" / "9.png")


def _empty_class(home: Path) -> None:
    (home / "c").mkdir()


def _one_class(home: Path) -> None:
    (home / "b" / "2.png").unlink()
    (home / "b").rmdir()


def _missing_in_train(home: Path) -> None:
    _write(home, "train/a/1.png", "test/a/2.png", "test/b/3.png")


def _no_train(home: Path) -> None:
    _write(home, "test/a/1.png")


def _other_case(home: Path) -> None:
    _write(home, "A/1.png")


def _other_case_in_test(home: Path) -> None:
    _write(home, "train/a/1.png", "train/b/1.png", "test/A/2.png", "test/b/3.png")


def _val(home: Path) -> None:
    _write(home, "train/a/1.png", "train/b/1.png", "val/a/2.png", "val/b/3.png")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_stray_text, r"notes\.txt: is no image .* among those of class 'a': remove it"),
        (_stray_image, r"1\.jpg: lies in no folder of a class"),
        (_other_size, r"9\.png: is 10 x 10 pixels; the first image is 8 x 8"),
        (_wide, r"0\.png: is 9 x 8 pixels, and a network wants square tiles"),
        (_grey, r"9\.png: has 1 band.*; the first image is 8 x 8 pixels, 3 bands"),
        (_empty_class, r"split 'train' has no image of 'c'"),
        (_one_class, r"holds one class only \(a\)"),
        (_missing_in_train, r"split 'train' has no image of 'b'"),
        (_no_train, r"holds test, but no folder 'train'"),
        (_other_case, r"has folders 'A' and 'a', which differ in case only"),
        (_other_case_in_test, r"has folders 'A' and 'a', which differ in case only"),
        (_val, r"val: is a split that is called 'validation': rename it"),
    ],
)
def test_what_is_wrong_with_a_folder_is_said_with_its_place(
    tmp_path: Path, spoil: object, said: str
) -> None:
    _write(tmp_path, "a/1.png", "b/2.png")
    spoil(tmp_path)  # type: ignore[operator]
    with pytest.raises(SourceError, match=said):
        read_folder(tmp_path)


def test_folders_that_are_none_of_the_classes_are_refused(tmp_path: Path) -> None:
    _write(tmp_path, "a/1.png", "b/2.png")
    with pytest.raises(SourceError, match="folder 'b' is none of the classes"):
        read_folder(tmp_path, ["a", "c"])
    with pytest.raises(SourceError, match="has no image of 'c'"):
        read_folder(tmp_path, ["a", "b", "c"])
    with pytest.raises(SourceError, match="classes 'b' and 'B' are one"):
        read_folder(tmp_path, ["a", "b", "B"])


def test_a_split_is_drawn_from_each_class_and_leaves_some(tmp_path: Path) -> None:
    _write(tmp_path, *(f"{name}/{number}.png" for name in "ab" for number in range(10)))
    images = read_folder(tmp_path).splits["train"]
    kept, drawn = drawn_split(images, 0.2, np.random.default_rng(0))
    assert np.bincount(kept.labels).tolist() == [8, 8]
    assert np.bincount(drawn.labels).tolist() == [2, 2]
    assert {*kept.paths} | {*drawn.paths} == {*images.paths}
    alone = images.chosen(np.array([0, 10, 11]))
    with pytest.raises(SourceError, match="is the only image of its class"):
        drawn_split(alone, 0.2, np.random.default_rng(0))


@pytest.mark.parametrize("what", ["pipe", "circle", "text"])
def test_a_first_image_that_is_none_is_named_in_a_sentence(tmp_path: Path, what: str) -> None:
    first = tmp_path / "a" / "0.png"
    for name in "ab":
        (tmp_path / name).mkdir()
        Image.new("RGB", (16, 16)).save(tmp_path / name / "1.png")
    if what == "pipe":
        os.mkfifo(first)
    elif what == "circle":
        first.symlink_to("0.png")
    else:
        first.write_text("<VRTDataset/>")
    with pytest.raises(SourceError, match=r"a/0\.png"):
        read_folder(tmp_path)
