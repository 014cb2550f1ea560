"""The fastest precision of a network whose labels are still those of f32."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from landcover.config import PRECISIONS
from landcover.errors import MissingExtra, ModelError
from landcover.machine import machine_facts
from landcover.models.cache import cache_folder, cached, noted
from landcover.models.comparison.race import Race
from landcover.models.model import open_model
from landcover.models.network import Network
from landcover.models.preprocessing.specification import Pixels
from landcover.models.quantization.quantize import unquantized
from landcover.models.recipe import Recipe
from landcover.models.runtimes.facts import facts_of
from landcover.scoring.precision import PrecisionCheck, checked
from landcover.scoring.promise import in_8_bits, promised
from landcover.scoring.sample import Sample
from landcover.small_files import load_json, read_regular

# Seconds of a turn, rounds, and seconds of all together.
_TURN, _ROUNDS, _SECONDS = 1.0, 5, 60.0
# A lower precision must be faster by this share to be worth its labels.
_GAIN = 1.03


@dataclass(frozen=True)
class Choice:
    """The precision that was chosen.

    Args:
        recipe: of the model in it.
        speeds: tiles a second of a worker in each precision that was measured, on data in memory.
        check: how its labels compare with those of f32; None for f32.
    """

    recipe: Recipe
    speeds: Mapping[str, float]
    check: PrecisionCheck | None

    def sentence(self) -> str:
        """What was chosen, and why, in one line."""
        if not self.speeds:
            return "precision fastest: f32, as nothing else runs here, or keeps the labels"
        told = ", ".join(f"{name} {speed:,.1f}" for name, speed in self.speeds.items())
        why = f"precision fastest: {self.recipe.precision} ({told} tiles/s a worker, in memory)"
        if self.check is None:
            return f"{why}; nothing faster keeps the labels"
        return f"{why}; at least {self.check.lower_bound:.2%} of the labels are those of f32"


def fastest(recipe: Recipe, sample: Sample, threads: int, at_least: float) -> Choice:
    """Find the fastest precision that keeps the labels.

    Speeds are measured in interleaved rounds, and remembered for the model and the processor;
    agreements for the imagery, too.

    Args:
        recipe: of the model.
        sample: of the imagery.
        threads: CPU threads of a worker.
        at_least: the share of labels that must be those of f32.

    Raises:
        ModelError: the model does not run in f32.
    """
    ways = dict(_ways(recipe, sample, threads, at_least)) if sample.judged_by else {}
    if ways.keys() <= {"f32"}:
        return Choice(unquantized(recipe), {}, None)
    speeds = _speeds(recipe, {name: way for name, (way, _) in ways.items()}, sample, threads)
    for name in sorted(speeds, key=lambda name: _worth(name, speeds[name]), reverse=True):
        way, check = ways[name]
        if name == "f32":
            return Choice(way, speeds, None)
        found = check or _judged(way, sample, threads, at_least)
        if (found.lower_bound or 0.0) >= at_least:
            return Choice(way, speeds, found)
    raise AssertionError("f32 is always among them")


def _worth(name: str, speed: float) -> float:
    return speed if name == "f32" else speed / _GAIN


def _ways(
    recipe: Recipe, sample: Sample, threads: int, at_least: float
) -> Iterator[tuple[str, tuple[Recipe, PrecisionCheck | None]]]:
    """The model in all precisions that it runs in here; the check of what keeps a promise."""
    plain = unquantized(recipe)
    yield "f32", (plain, None)
    for name in facts_of(recipe.runtime).precisions:
        if name in PRECISIONS[1:] and _runs(other := replace(plain, precision=name), threads):
            yield name, (other, None)
    try:
        found = promised(recipe, sample, threads, at_least)
    except (ModelError, MissingExtra):
        return
    if found.network is not None:
        yield "i8", (in_8_bits(recipe, found.network), found.check)


def _runs(recipe: Recipe, threads: int) -> bool:
    try:
        open_model(recipe, threads)
    except ModelError:
        return False
    return True


def _speeds(
    recipe: Recipe, ways: Mapping[str, Recipe], sample: Sample, threads: int
) -> dict[str, float]:
    """Tiles a second in each precision, as remembered or as measured now."""
    facts = machine_facts()
    device = [facts["processor"], facts["instructions"], threads]
    path = cache_folder() / "fastest" / f"{_key(unquantized(recipe).identity(), device)}.json"
    try:
        known = load_json(read_regular(path))
        return {name: float(known[name]) for name in ways}
    except (OSError, ValueError, TypeError, KeyError):
        pass
    found = _measured(ways, sample.judged_by[0].pixels, threads)
    noted(path, json.dumps(found))
    return found


def _measured(ways: Mapping[str, Recipe], pixels: Pixels, threads: int) -> dict[str, float]:
    networks = {name: open_model(way, threads).network for name, way in ways.items()}
    for network in networks.values():
        network.run(pixels)  # compiles it
    turn = Race(list(ways), lambda name: _turn(networks[name], pixels), _ROUNDS, _SECONDS).run()
    return {name: round(turns.middle, 2) for name, turns in turn.items()}


def _turn(network: Network, pixels: Pixels) -> float:
    """Tiles a second over a second of steady state."""
    network.run(pixels)  # threads of the turn before may still hold the cores
    began, tiles = time.perf_counter(), 0
    while (taken := time.perf_counter() - began) < _TURN:
        network.run(pixels)
        tiles += len(pixels)
    return tiles / taken


def _judged(recipe: Recipe, sample: Sample, threads: int, at_least: float) -> PrecisionCheck:
    """How the labels of a precision compare with those of f32; remembered for the imagery."""

    def make(path: Path) -> None:
        lower, exact = (open_model(one, threads).network for one in (recipe, unquantized(recipe)))
        check = checked(lower, exact, sample.judged_by, recipe.precision, at_least)
        path.write_text(json.dumps(check.as_dict()))

    key = _key(recipe.identity(), [sample.digest, at_least])
    return PrecisionCheck(**json.loads(cached(f"agreement/{key}.json", make).read_text()))


def _key(*values: Any) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:32]
