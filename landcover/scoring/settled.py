"""The precision of a run: as told, as an earlier part of the run has settled it, or settled now."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from landcover.config import Config
from landcover.contracts import Backend
from landcover.errors import OutputError
from landcover.models.recipe import Recipe
from landcover.redaction import redacted_values
from landcover.runs.directory import RunDirectory
from landcover.scoring.fastest import fastest
from landcover.scoring.plan import as_written
from landcover.scoring.promise import NETWORK, in_8_bits, promised, refusal
from landcover.scoring.sample import Sample, draw
from landcover.tiles.images import ImageSource
from landcover.tiles.rasters import RasterSource

_log = logging.getLogger(__name__)

# Tiles of a sample: of a network that labels tiles, as many as tell 99.0 from 99.6 %; each window of
# one that labels pixels has thousands of labels.
_TILES = {"tile": 1280, "pixel": 160}


@dataclass(frozen=True)
class Settled:
    """A recipe whose precision is that of its network.

    Args:
        recipe: a worker can open the model by it.
        told: what ``run.json`` says of how it was settled.
    """

    recipe: Recipe
    told: dict[str, Any] = field(default_factory=dict)


def is_settled(recipe: Recipe) -> bool:
    """Whether a worker can open the model as the recipe stands."""
    return recipe.precision not in ("i8", "fastest") or recipe.quantized_digest is not None


def recorded(recipe: Recipe, config: Config) -> Settled:
    """As the run that is gone on with has settled it; as it is where there is none, or another.

    Args:
        recipe: what is asked for.
        config: says where the run is.
    """
    if is_settled(recipe):
        return Settled(recipe)
    try:
        run = RunDirectory.open(config.output.path)
        found = run.manifest()
    except OutputError:
        return Settled(recipe)
    there = found.get("fingerprint", {}).get("model", {})
    precision, digest = there.get("precision"), there.get("quantized_digest")
    if recipe.precision == "i8" != precision:
        return Settled(recipe)
    network = run.storage.where(NETWORK) if digest else None
    same = replace(recipe, precision=precision, quantized=network, quantized_digest=digest)
    check = found.get("precision_check", {})
    enough = check.get("lower_bound", 1.0) >= config.precision_check.at_least
    if (
        not enough
        or _plain(same.identity()) != there
        or (digest and not run.storage.exists(NETWORK))
    ):
        return Settled(recipe)
    if recipe.precision == "fastest" and "fastest" not in found:
        _log.warning(
            "%s: this run was begun in %s, and stays in it: model.precision 'fastest' chooses for a "
            "new one, at another output or with --restart",
            config.output.path,
            precision,
        )
    return Settled(same, {key: found[key] for key in _TOLD if key in found})


_TOLD = ("precision_check", "fastest")


def _plain(values: dict[str, Any]) -> Any:
    """As it comes back from ``run.json``."""
    return redacted_values(json.loads(json.dumps(values)))


def settle(
    settled: Settled,
    config: Config,
    source: RasterSource | ImageSource,
    planned: int,
    pool: Backend,
) -> Settled:
    """Find the network that a run works with, where that is still open.

    Args:
        settled: the recipe, as far as it is.
        config: of the run.
        source: of its imagery.
        planned: tiles of the plan.
        pool: says how many threads a worker has.

    Raises:
        ModelError: no network keeps what is asked for.
        MissingExtra: NNCF is not installed.
    """
    recipe = settled.recipe
    if is_settled(recipe):
        return settled
    sample = draw(source, planned, _TILES[recipe.output])
    what = (sample, pool.threads, config.precision_check.at_least)
    works = as_written(config.source, recipe)
    found = _in_i8(works, *what) if recipe.precision == "i8" else _fastest(works, *what)
    return replace(found, recipe=replace(found.recipe, halo=recipe.halo))


def _fastest(recipe: Recipe, sample: Sample, threads: int, at_least: float) -> Settled:
    found = fastest(recipe, sample, threads, at_least)
    _log.warning("%s", found.sentence())
    told: dict[str, Any] = {"fastest": dict(found.speeds)}
    if found.check is not None:
        told["precision_check"] = found.check.as_dict()
    return Settled(found.recipe, told)


def _in_i8(recipe: Recipe, sample: Sample, threads: int, at_least: float) -> Settled:
    found = promised(recipe, sample, threads, at_least)
    if found.network is None:
        raise refusal(recipe, found.check)
    return Settled(in_8_bits(recipe, found.network), {"precision_check": found.check.as_dict()})


def shared_network(settled: Settled, directory: RunDirectory) -> Recipe:
    """The recipe of a run whose workers find the quantized network in the run's directory.

    Args:
        settled: the recipe; its network, if it has one, lies in the cache or in the directory.
        directory: of the run.

    Raises:
        OutputError: it cannot be written there.
    """
    recipe = settled.recipe
    if recipe.quantized is None:
        return recipe
    there = directory.storage.where(NETWORK)
    if recipe.quantized != there:
        directory.storage.put(NETWORK, Path(recipe.quantized).read_bytes())
    return replace(recipe, quantized=there)
