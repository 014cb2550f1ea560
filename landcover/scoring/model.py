"""The model of this process: opened once, however many threads ask for it."""

from __future__ import annotations

import threading

from landcover.contracts import Model
from landcover.models.model import open_model
from landcover.models.recipe import Recipe

_models: dict[tuple[Recipe, int], Model] = {}
_opening = threading.Lock()


def model_of(recipe: Recipe, threads: int = 0) -> Model:
    """Return the model of a recipe, opened by the first who asks; the others wait for it.

    A process keeps one model: that of another recipe takes the place of the last one.

    Args:
        recipe: what the model is opened by.
        threads: CPU threads that it may compute with; 0: as many as its runtime thinks fit.
    """
    key = (recipe, threads)
    with _opening:
        if key not in _models:
            _models.clear()
            _models[key] = open_model(recipe, threads)
        return _models[key]
