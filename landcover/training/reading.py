"""The tiles of a training, and what ``landcover prepare`` has said of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from landcover.classes import scheme, scheme_names
from landcover.datasets.folders import (
    LabelledFolder,
    LabelledImages,
    check_several,
    drawn_split,
    read_folder,
)
from landcover.errors import ConfigError, SourceError
from landcover.training.masks import drawn_whole, with_masks
from landcover.training.prepared import Cut, as_cut
from landcover.training.settings import ProbeSettings, TrainSettings, UnetSettings


def read_tiles(
    wanted: TrainSettings, progress: Callable[[int, int], None]
) -> tuple[TrainSettings, LabelledFolder]:
    """The tiles, and the settings with what ``landcover prepare`` has said of them.

    Args:
        wanted: what is asked for.
        progress: called with how many files are read, and how many there are.

    Raises:
        SourceError: the tiles are not as they must be.
        ConfigError: the settings do not fit them.
    """
    told, folder = _read(wanted, progress)
    bands = folder.splits["train"].pixels.shape[1]
    if told.bands is not None and len(told.bands) != bands:
        reason = f"bands: {len(told.bands)} are named, and the tiles have {bands}"
        raise ConfigError([reason], "the training")
    return told, folder


def _read(
    wanted: TrainSettings, progress: Callable[[int, int], None]
) -> tuple[TrainSettings, LabelledFolder]:
    cut = as_cut(wanted.data)
    if isinstance(wanted.method, UnetSettings):
        return _read_masks(wanted, cut, progress)
    if cut is None:
        return wanted, read_folder(wanted.data, wanted.classes, progress=progress)
    folder = read_folder(wanted.data, wanted.classes or tuple(cut.classes), progress=progress)
    if wanted.classes is None:  # folders are called as classes, as far as a file system can
        folder = replace(folder, classes=tuple(cut.classes.values()))
    return _told(wanted, cut, wanted.classes or cut.scheme), folder


def _read_masks(
    wanted: TrainSettings, cut: Cut | None, progress: Callable[[int, int], None]
) -> tuple[TrainSettings, LabelledFolder]:
    """Tiles with the classes of their pixels, which the manifest of ``landcover prepare`` tells."""
    if cut is None:
        there = "holds no" if Path(wanted.data).exists() else "is not there: give"
        reason = f"{there} tiles of 'landcover prepare --pixels', from which a U-Net learns"
        raise SourceError(wanted.data, reason)
    if wanted.classes is not None:
        reason = "classes: those of a U-Net are the classes of the pixels: leave it out"
        raise ConfigError([reason], "the training")
    folder = read_folder(wanted.data, tuple(cut.classes), progress=progress)
    folder = with_masks(folder, cut.asked, progress)
    named = cut.asked.name in scheme_names()
    whole = named and scheme(cut.asked.name).names == folder.classes
    return _told(wanted, cut, cut.asked.name if whole else None), folder


def _told(wanted: TrainSettings, cut: Cut, classes: str | tuple[str, ...] | None) -> TrainSettings:
    known = {
        "resolution": wanted.resolution or cut.resolution,
        "bands": wanted.bands or cut.bands,
        "classes": classes,
    }
    return wanted.model_copy(update=known)


def parts_of(
    folder: LabelledFolder, wanted: TrainSettings
) -> tuple[LabelledImages, LabelledImages | None]:
    """Tiles to learn from, and those that tell how far to go; the probe does without the latter.

    Raises:
        SourceError: there are too few to draw the latter.
    """
    train, validation = folder.splits["train"], folder.splits.get("validation")
    if isinstance(wanted.method, ProbeSettings):
        check_several(train)
        return train, validation
    if validation is not None:
        return train, validation
    draw = drawn_whole if isinstance(wanted.method, UnetSettings) else drawn_split
    return draw(train, wanted.validation, np.random.default_rng(wanted.seed))
