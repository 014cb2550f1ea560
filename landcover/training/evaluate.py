"""How often a network of any format labels a folder of images right."""

from __future__ import annotations

import os

import numpy as np

from landcover.analysis.accuracy import Accuracy
from landcover.config import ModelSettings, checked
from landcover.datasets.folders import read_folder
from landcover.errors import ModelError, SourceError
from landcover.models.model import open_model
from landcover.models.recipe import make_recipe


def evaluate(
    model: str | os.PathLike[str], data: str | os.PathLike[str], split: str | None = None
) -> Accuracy:
    """Hold the labels of a network against those of images in folders.

    Args:
        model: a file of any format, with its sidecar.
        data: a local folder with a folder of images a class, or with such folders in ``train/``,
            ``validation/`` and ``test/``.
        split: which of these; None: "test" where there is one, else "validation", else all there is.

    Returns:
        the confusion matrix, in the order of the network's classes, and what follows from it.

    Raises:
        SourceError: the images are not as they must be, or there is no such split.
        ModelError: the network cannot be used, or does not read such images.
    """
    recipe = make_recipe(checked(ModelSettings, {"path": str(model)}))
    if recipe.output == "pixel":
        reason = (
            "labels pixels, and images in folders have one class each: score a scene, and hold its map "
            "against a reference with 'landcover accuracy'"
        )
        raise ModelError(str(model), reason)
    numbers = [band for band in recipe.bands if isinstance(band, int)]
    bands = numbers if len(numbers) == len(recipe.bands) else None
    folder = read_folder(str(data), recipe.classes, bands)
    there = folder.splits
    chosen = split or next(name for name in ("test", "validation", "train") if name in there)
    if chosen not in there:
        raise SourceError(str(data), f"has no split {chosen!r}; there are: {', '.join(there)}")
    images = there[chosen]
    found = open_model(recipe).probabilities(images.pixels).argmax(1)
    matrix = np.zeros((len(folder.classes), len(folder.classes)), np.int64)
    np.add.at(matrix, (images.labels, found), 1)
    return Accuracy(folder.classes, matrix)
