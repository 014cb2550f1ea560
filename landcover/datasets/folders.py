"""Labelled images in folders: ``SPLIT/CLASS/NAME.png``, or ``CLASS/NAME.png`` without splits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from landcover.classes import scheme
from landcover.errors import SourceError
from landcover.tiles.gdal import FAILURES, cause
from landcover.tiles.grid import Size
from landcover.tiles.images.decoding import Expected, Unusable, Wanted, decode, expected_of
from landcover.tiles.images.fetching import Unreachable, fetch
from landcover.tiles.listing import IMAGES
from landcover.tiles.opening import opened_raster

SPLITS = ("train", "validation", "test")
# What others call the split in which "validation" stands here.
_VALIDATION = ("val", "valid", "dev")
_AT_A_TIME = 64


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """Images of one size with their classes, all held in memory.

    Args:
        pixels: dims (tile, band, y, x), square, in the dtype of the files.
        labels: dims (tile,), an index into the classes for each; or dims (tile, y, x), one for each
            pixel, less than 0 where none is known.
        paths: of the files, in the same order.
    """

    pixels: npt.NDArray[Any]
    labels: npt.NDArray[np.integer[Any]]
    paths: tuple[Path, ...]

    def __len__(self) -> int:
        return len(self.labels)

    def chosen(self, which: npt.NDArray[Any]) -> LabelledImages:
        """Some of them: by indices, or by True and False, dims (tile,)."""
        places = np.arange(len(self))[which]
        paths = tuple(self.paths[place] for place in places)
        return LabelledImages(self.pixels[places], self.labels[places], paths)


@dataclass(frozen=True, eq=False)
class LabelledFolder:
    """What a folder of labelled images holds.

    Args:
        path: of the folder.
        classes: names in the order of the labels.
        splits: images by "train", "validation" and "test", those that are there; a folder without
            splits has only "train".
    """

    path: Path
    classes: tuple[str, ...]
    splits: dict[str, LabelledImages]

    def counts(self) -> dict[str, list[int]]:
        """How many images (or pixels) each split has of each class, in the order of the classes."""
        return {
            name: np.bincount(
                images.labels[images.labels >= 0], minlength=len(self.classes)
            ).tolist()
            for name, images in self.splits.items()
        }


def read_folder(
    path: str | Path,
    classes: str | Sequence[str] | None = None,
    bands: Sequence[int] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> LabelledFolder:
    """Read labelled images.

    Args:
        path: a local folder, with a folder of images for each class, or with such folders in
            ``train/`` and, where they are there, in ``validation/`` and ``test/``.
        classes: names in the wanted order, or of a scheme such as ``nlcd6``; None: the names of the
            folders, sorted.
        bands: which bands, from 1; None: all.
        progress: called with how many images are read, and how many there are.

    Raises:
        SourceError: the folder holds something else, a class is missing or has no image, or images
            differ in size, bands or dtype.
    """
    home = Path(path)
    found = {name: _class_files(folder) for name, folder in _split_folders(home).items()}
    names = _names(home, found, classes)
    order = {name.casefold(): index for index, name in enumerate(names)}
    listed = {
        split: [(file, order[name.casefold()]) for name in files for file in files[name]]
        for split, files in found.items()
    }
    total, done = sum(map(len, listed.values())), 0
    expected = _expected(next(iter(listed["train"]))[0], bands)
    splits = {}
    for split, files in listed.items():
        pixels = np.empty((len(files), *expected.shape), expected.dtype)
        for place, tile in enumerate(_decoded([file for file, _ in files], expected)):
            pixels[place] = tile
            done += 1
            if progress:
                progress(done, total)
        labels = np.array([label for _, label in files], np.intp)
        splits[split] = LabelledImages(pixels, labels, tuple(file for file, _ in files))
    return LabelledFolder(home, names, splits)


def _split_folders(home: Path) -> dict[str, Path]:
    """The folders that hold a folder a class, by the name of their split."""
    if not home.is_dir():
        reason = "is a file" if home.exists() else "is not there"
        raise SourceError(str(home), f"{reason}: give a folder that holds a folder a class")
    there = [name for name in SPLITS if (home / name).is_dir()]
    if not there:
        return {"train": home}
    if "train" not in there:
        reason = f"holds {' and '.join(there)}, but no folder 'train' to learn from"
        raise SourceError(str(home), reason)
    if alike := [name for name in _VALIDATION if (home / name).is_dir()]:
        raise SourceError(str(home / alike[0]), "is a split that is called 'validation': rename it")
    return {name: home / name for name in there}


def _class_files(folder: Path) -> dict[str, list[Path]]:
    """The images of each class, by the names of their folders; anything else is refused."""
    found: dict[str, list[Path]] = {}
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            found[entry.name] = _image_files(entry)
        elif entry.suffix.lower() in IMAGES:
            raise SourceError(str(entry), "lies in no folder of a class: move it into one")
    if not found:
        raise SourceError(str(folder), "holds no folder of a class")
    return found


def _image_files(folder: Path) -> list[Path]:
    files = [entry for entry in sorted(folder.iterdir()) if not entry.name.startswith(".")]
    for entry in files:
        if entry.is_dir() or entry.suffix.lower() not in IMAGES:
            kinds = ", ".join(sorted(IMAGES))
            reason = f"is no image ({kinds}) among those of class {folder.name!r}: remove it"
            raise SourceError(str(entry), reason)
    return files


def _names(
    home: Path, found: dict[str, dict[str, list[Path]]], classes: str | Sequence[str] | None
) -> tuple[str, ...]:
    """The classes in their order, after a look at whether the folders fit them."""
    folders = sorted({name for files in found.values() for name in files})
    if alike := _alike(folders):
        reason = f"has folders {alike[0]!r} and {alike[1]!r}, which differ in case only"
        raise SourceError(str(home), f"{reason}: put the images of a class into one")
    if classes is None:
        names = tuple(folders)
    else:
        names = scheme(classes).names if isinstance(classes, str) else tuple(classes)
        if alike := _alike(names):
            raise SourceError(
                str(home), f"classes {alike[0]!r} and {alike[1]!r} are one: name it once"
            )
        known = {name.casefold() for name in names}
        if strange := [name for name in folders if name.casefold() not in known]:
            reason = f"folder {strange[0]!r} is none of the classes ({', '.join(names)})"
            raise SourceError(str(home), f"{reason}: rename it, or set classes")
    for split, files in found.items():
        have = {name.casefold() for name, images in files.items() if images}
        if empty := [name for name in names if name.casefold() not in have]:
            reason = (
                f"split {split!r} has no image of {', '.join(map(repr, empty))}: add some, or leave "
                "the class out of all splits" + (" and of classes" if classes is not None else "")
            )
            raise SourceError(str(home), reason)
    if len(names) < 2:
        reason = f"holds one class only ({names[0]}): there is nothing to tell apart"
        raise SourceError(str(home), reason)
    return names


def _alike(names: Sequence[str]) -> tuple[str, str] | None:
    """The first two names that are one, whatever their case."""
    seen: dict[str, str] = {}
    for name in names:
        if (other := seen.setdefault(name.casefold(), name)) is not name:
            return other, name
    return None


def _expected(path: Path, bands: Sequence[int] | None) -> Expected:
    """What the first image is like, which all others must be like too."""
    try:
        with opened_raster(str(path)) as file:
            rows, cols = file.shape
    except FAILURES as error:
        raise SourceError(str(path), cause(error)) from error
    if rows != cols:
        reason = f"is {cols} x {rows} pixels, and a network wants square tiles: cut or pad them"
        raise SourceError(str(path), reason)
    wanted = Wanted(Size(rows, cols), tuple(bands) if bands else None)
    try:
        [content] = fetch([str(path)])
        return expected_of(content, wanted)
    except (Unusable, Unreachable) as error:
        raise SourceError(str(path), str(error)) from None


def _decoded(files: list[Path], expected: Expected) -> Iterator[npt.NDArray[Any]]:
    listed = iter(files)
    with ThreadPoolExecutor() as pool:
        while part := list(islice(listed, _AT_A_TIME)):
            yield from pool.map(lambda path: _one(path, expected), part)


def _one(path: Path, expected: Expected) -> npt.NDArray[Any]:
    edge = expected.wanted.tile.rows
    try:
        [content] = fetch([str(path)])
        return decode(content, expected)
    except Unreachable as error:
        raise SourceError(str(path), str(error)) from None
    except Unusable as error:
        told = str(error).split(";", maxsplit=1)[0]
        reason = f"{told}; the first image is {edge} x {edge} pixels, {expected.count} bands"
        raise SourceError(str(path), f"{reason} of {expected.dtype}: all must be alike") from None


def check_several(images: LabelledImages) -> None:
    """Refuse images from which none of a class can be left out.

    Raises:
        SourceError: a class has a single image.
    """
    for label, count in Counter(images.labels.tolist()).items():
        if count < 2:
            [place] = np.flatnonzero(images.labels == label)
            reason = "is the only image of its class: a class needs 2, one to measure with"
            raise SourceError(str(images.paths[place]), reason)


def drawn_split(
    images: LabelledImages, share: float, generator: np.random.Generator
) -> tuple[LabelledImages, LabelledImages]:
    """Draw a share of each class, at least one image.

    Returns:
        the others, and those that were drawn.

    Raises:
        SourceError: a class has a single image.
    """
    check_several(images)
    drawn = np.zeros(len(images), bool)
    for label in np.unique(images.labels):
        own = generator.permutation(np.flatnonzero(images.labels == label))
        drawn[own[: max(1, round(share * len(own)))]] = True
    return images.chosen(~drawn), images.chosen(drawn)
