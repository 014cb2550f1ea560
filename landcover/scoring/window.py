"""The window of a network that takes any: the one in which it labels the most pixels a second.

What lies around what is written is read and computed for every window, so that larger ones waste less.
The labels must not depend on the choice. So only a network is free to choose that labels each pixel by
what lies within a halo of it, whatever the window; the halo is told, or made as wide as the network
looks. That is read from its graph, and tried.
"""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import replace
from typing import Any

import numpy as np

from landcover.config import PRECISIONS, Config, ModelSettings
from landcover.errors import LandcoverError, ModelError, OutputError, WindowUntold
from landcover.machine import machine_facts
from landcover.models.cache import cached
from landcover.models.fetch import local_path, shown
from landcover.models.formats.detection import detect
from landcover.models.model import ScoringModel, open_model
from landcover.models.quantization.quantize import unquantized
from landcover.models.recipe import Recipe, make_recipe
from landcover.models.sight import sight
from landcover.runs.directory import RunDirectory
from landcover.scoring.plan import as_written, model_settings
from landcover.scoring.tuning import measure

_log = logging.getLogger(__name__)

# What windows write, in pixels: multiples of 64, so that a network that halves its pixels up to six
# times groups them alike in all of them.
_CORES = (192, 448, 960, 1984)
# Halos are multiples of these, so that windows are, too: what is halved five times has no rest. A
# network that looks no further than the first number is not halved more than three times.
_HALO_STEPS = (32, 8)
# The widest halo that is chosen: of a network that looks further, the window must be told.
_WIDEST = 128
# A larger window must be faster by this share to be worth its memory.
_GAIN = 1.03
# How far scores may differ between windows: rounding, and nothing else.
_SAME = 1e-4


def recipe_of(config: Config, here: bool) -> Recipe:
    """The recipe of a run's model, with a window that is chosen where nothing tells one.

    Args:
        config: of the run.
        here: this process will run the model as well.

    Raises:
        WindowUntold: nothing tells the window, and the network's labels depend on it.
        LandcoverError: as :func:`landcover.models.recipe.make_recipe`.
    """
    settings = model_settings(config)
    try:
        return make_recipe(settings, here=here)
    except WindowUntold as untold:
        found = _recorded(config) or _remembered(config, settings, untold)
        return make_recipe(settings.model_copy(update=found), here=here)


def _recorded(config: Config) -> dict[str, int] | None:
    """The window of the run that is gone on with; None where there is none."""
    try:
        model = RunDirectory.open(config.output.path).manifest()["model"]
        rows, cols = model["input_size"]
        return {"input_size": int(rows), "halo": int(model["halo"])} if rows == cols else None
    except (OutputError, KeyError, TypeError, ValueError):
        return None


def _remembered(config: Config, settings: ModelSettings, untold: WindowUntold) -> dict[str, int]:
    """The window that was chosen on this host for the same network and halo, else a new choice."""
    file = detect(local_path(settings.path), shown(settings.path))
    told = {**settings.model_dump(mode="json"), "path": file.digest, "asked": config.source.halo}
    text = json.dumps(
        [told, config.source.stride, _CORES, machine_facts()], sort_keys=True, default=str
    )
    name = f"windows/{hashlib.sha256(text.encode()).hexdigest()[:24]}.json"
    path = cached(name, lambda at: _write(at, _chosen(config, settings, untold)))
    found: dict[str, int] = json.loads(path.read_text())
    return found


def _write(path: Any, found: dict[str, int]) -> None:
    path.write_text(json.dumps(found))


def _chosen(config: Config, settings: ModelSettings, untold: WindowUntold) -> dict[str, int]:
    halo = _halo(config, settings, untold)
    best: dict[str, int] | None = None
    speed, smallest = 0.0, None
    for core in _CORES:
        found = {"input_size": core + 2 * halo, "halo": halo}
        try:
            model = _opened(config, settings, found)
            smallest = smallest or model
            alike = smallest is model or _same(smallest, model)
            each = measure(model, 0).tiles_per_second * core**2
        except ModelError:
            if best is None:
                raise
            break  # it does not fit into memory, or the network does not take it
        if not alike:
            raise untold
        _log.info("%s: windows of %d label %d pixels/s", settings.path, core + 2 * halo, each)
        if each < speed * _GAIN:
            break
        best, speed = found, each
    assert best is not None
    return best


def _opened(config: Config, settings: ModelSettings, found: dict[str, int]) -> ScoringModel:
    """The network for a window, as a run would open it."""
    recipe = make_recipe(settings.model_copy(update=found), here=False)
    if recipe.precision not in PRECISIONS:  # that is settled for the window, later
        recipe = unquantized(recipe)
    return open_model(replace(as_written(config.source, recipe), device="cpu"))


def _halo(config: Config, settings: ModelSettings, untold: WindowUntold) -> int:
    """The halo that makes labels the same in any window.

    Raises:
        WindowUntold: none does, or the one that is told does not.
    """
    told = config.source.halo if config.source.halo is not None else settings.halo
    tried = {"input_size": _CORES[1] + 2 * _WIDEST}
    try:
        seen = sight(make_recipe(settings.model_copy(update=tried), here=False))
    except LandcoverError:
        raise untold from None
    if config.source.images or config.source.stride or seen is None or seen > _WIDEST:
        raise untold
    if told is not None and told < seen:
        raise untold
    step = _HALO_STEPS[seen <= _HALO_STEPS[0]]
    return -(-seen // step) * step if told is None else told


def _same(small: ScoringModel, large: ScoringModel) -> bool:
    """Whether a network labels the first and the last small window in a large one as by itself."""
    recipe = small.recipe
    edge, wide = recipe.input_size[0], large.recipe.input_size[0]
    core = edge - 2 * recipe.halo
    shape = (1, len(recipe.bands), wide, wide)
    pixels = np.random.default_rng(2017).integers(0, 256, shape, np.uint8)
    found = large.network.run(pixels)
    last = (wide - edge) // core * core
    for at in (0, last):
        window = np.ascontiguousarray(pixels[:, :, at : at + edge, at : at + edge])
        part = found[:, :, at : at + core, at : at + core]
        if not np.allclose(small.network.run(window), part, rtol=0, atol=_SAME):
            return False
    return True
