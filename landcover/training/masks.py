"""The class of every pixel of labelled tiles, as ``landcover prepare --pixels`` writes it."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from landcover.classes import Scheme
from landcover.datasets.folders import LabelledFolder, LabelledImages
from landcover.errors import SourceError
from landcover.labelling.checking import MASKS
from landcover.small_files import read_regular

Labels = npt.NDArray[np.integer[Any]]
Codes = npt.NDArray[Any]

_NONE, _STRANGE = -1, -2
_MOST_BYTES = 100_000_000  # of a mask of 8192 x 8192 pixels that hardly gets smaller


def with_masks(
    folder: LabelledFolder, scheme: Scheme, progress: Callable[[int, int], None]
) -> LabelledFolder:
    """The tiles with the classes of their pixels, of which those that occur are kept.

    Args:
        folder: of tiles, beside which ``masks/`` lies.
        scheme: which classes the codes of pixels stand for.
        progress: called with how many masks are read, and how many there are.

    Raises:
        SourceError: masks are missing or are not of their tiles, hold other codes, or one class only;
            or a class is in no pixel to learn from.
    """
    if not (folder.path / MASKS).is_dir():
        reason = (
            f"holds no {MASKS}/: a U-Net learns the classes of pixels, which 'landcover prepare "
        )
        raise SourceError(str(folder.path), f"{reason}--pixels' writes")
    total, done, found = sum(map(len, folder.splits.values())), 0, {}
    for split, images in folder.splits.items():
        labels = np.empty((len(images), *images.pixels.shape[2:]), np.int16)
        for place, path in enumerate(images.paths):
            labels[place] = _mask(folder.path, path, labels.shape[1:], scheme)
            done += 1
            progress(done, total)
        found[split] = labels
    there = sorted({label for labels in found.values() for label in np.unique(labels)} - {_NONE})
    names = tuple(scheme.names[label] for label in there)
    _check(folder.path, found["train"], there, names)
    order = np.full(len(scheme) + 1, _NONE, np.int16)  # its last one stands for none
    order[there] = range(len(there))
    splits = {
        split: replace(images, labels=order[found[split]])
        for split, images in folder.splits.items()
    }
    return replace(folder, classes=names, splits=splits)


def _mask(home: Path, image: Path, shape: tuple[int, ...], scheme: Scheme) -> Labels:
    """The classes of the pixels of a tile: dims (y, x), by their place in the scheme."""
    path = (home / MASKS / image.relative_to(home)).with_suffix(".png")
    codes = _codes(path, shape)
    places = np.full(2**16, _STRANGE, np.int16)
    places[list(scheme.codes)] = range(len(scheme))
    places[scheme.nodata] = _NONE
    labels: Labels = places[codes]
    if (labels == _STRANGE).any():
        code = codes[labels == _STRANGE][0]
        reason = f"holds the code {code}, which is none of scheme {scheme.name!r}"
        raise SourceError(str(path), f"{reason}: prepare the tiles anew")
    return labels


def _codes(path: Path, shape: tuple[int, ...]) -> Codes:
    """The codes of a mask: dims (y, x), once its size is that of its tile."""
    try:
        content = io.BytesIO(read_regular(path, _MOST_BYTES))
        with Image.open(content, formats=["PNG"]) as opened:
            size = opened.size[::-1]
            codes = np.asarray(opened) if size == shape else np.zeros(0, np.uint8)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        said = getattr(error, "strerror", None) or error
        raise SourceError(str(path), f"cannot be read as the mask of a tile: {said}") from None
    if size != shape:
        reason = f"is {size[::-1]} pixels, and its tile {shape[::-1]}: prepare them anew"
        raise SourceError(str(path), reason)
    if (
        codes.shape != shape
        or codes.dtype.kind not in "ui"
        or not 0 <= codes.min() <= codes.max() < 2**16
    ):
        reason = "cannot be read as the mask of a tile: it does not have one code a pixel"
        raise SourceError(str(path), reason)
    return codes


def _check(home: Path, train: Labels, there: list[int], names: tuple[str, ...]) -> None:
    if len(there) < 2:
        told = f"of one class only ({names[0]})" if names else "without a class"
        raise SourceError(str(home / MASKS), f"all pixels are {told}: there is nothing to learn")
    learned = np.unique(train)
    if missing := [name for name, label in zip(names, there, strict=True) if label not in learned]:
        reason = f"split 'train' has no pixel of {', '.join(map(repr, missing))}, and others have"
        raise SourceError(str(home / MASKS), f"{reason}: prepare more tiles, or split otherwise")


def drawn_whole(
    images: LabelledImages, share: float, generator: np.random.Generator
) -> tuple[LabelledImages, LabelledImages]:
    """Draw a share of tiles whose pixels have classes, at least one.

    Returns:
        the others, and those that were drawn.

    Raises:
        SourceError: there is a single tile.
    """
    if len(images) < 2:
        raise SourceError(str(images.paths[0]), "is the only tile: another one must measure")
    drawn = np.zeros(len(images), bool)
    drawn[generator.permutation(len(images))[: max(1, round(share * len(images)))]] = True
    return images.chosen(~drawn), images.chosen(drawn)
