"""How far around a pixel a network looks to label it, told by its graph."""

from __future__ import annotations

import numpy as np

from landcover.models.fetch import local_path, shown
from landcover.models.formats.detection import detect
from landcover.models.graph_analysis.pixel_dependencies import NOTHING
from landcover.models.preprocessing.numpy import NumpyOperations
from landcover.models.preprocessing.rendering import arranged
from landcover.models.recipe import Recipe
from landcover.models.runtimes.registry import start_runtime


def sight(recipe: Recipe) -> int | None:
    """Pixels on each side of a pixel that its label depends on, whatever the window.

    Args:
        recipe: of a network that labels every pixel, for a window that is large beside that.

    Returns:
        None where labels in the middle of the window depend on its edges, or where that cannot be
        told.
    """
    if recipe.output != "pixel" or recipe.output_stride != 1 or recipe.cells is None:
        return None
    name = shown(recipe.path)
    file = detect(local_path(recipe.path), name)
    runtime = start_runtime(recipe.runtime, file, recipe.precision, 0, name)
    graph = runtime.open(file, recipe.head)
    steps = recipe.steps()
    assert steps.output is not None
    extents = {"N": 1, "H": recipe.input_size[0], "W": recipe.input_size[1], "C": steps.bands}
    shape = tuple(extents[axis] for axis in recipe.layout)
    spans = graph.facts().dependencies(shape, (recipe.layout.index("H"), recipe.layout.index("W")))
    if spans is None or spans.ndim != 1 + recipe.rank:
        return None
    planes = np.stack([arranged(NumpyOperations(), p, steps.output)[0] for p in spans]).min(axis=1)
    found = [
        _reach(planes[2 * axis : 2 * axis + 2], axis, recipe.input_size[axis]) for axis in (0, 1)
    ]
    return None if None in found else max(reach for reach in found if reach is not None)


def _reach(spans: np.ndarray, axis: int, edge: int) -> int | None:
    """How far labels in the middle half look along an axis; None: as far as the window's edges.

    Args:
        spans: first and negative last pixel that each label depends on, dims (2, y, x).
        axis: rows or columns.
        edge: pixels of the window along it.
    """
    count = spans.shape[1 + axis]
    middle = slice(count // 4, count - count // 4)
    others = spans.min(axis=2 - axis)[:, middle]
    low, high = others[0], -others[1]
    if low.max() >= NOTHING or low.min() <= 0 or high.max() >= edge - 1:
        return None
    pixels = np.arange(count)[middle] + (edge - count) // 2
    return int(max((pixels - low).max(), (high - pixels).max()))
