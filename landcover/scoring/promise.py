"""A network in 8-bit integers whose labels are those of f32, on a run's own imagery; or a refusal."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path

from landcover.errors import ModelError
from landcover.models.cache import cached
from landcover.models.comparison.same_labels import FEWEST_TILES, fewest_labels
from landcover.models.fetch import shown
from landcover.models.model import digest_of, open_model
from landcover.models.quantization.quantize import check_quantizable, quantizing, unquantized
from landcover.models.recipe import Recipe
from landcover.scoring.precision import PrecisionCheck, checked
from landcover.scoring.sample import Sample
from landcover.versions import versioned

NETWORK = "network.i8"
_CHECK = "check.json"
# Another version of these makes another network.
_LIBRARIES = {"openvino": ("nncf", "openvino"), "onnxruntime": ("onnxruntime",)}

# Looks at the tiles that judge: how often the interval may miss, and which part of the labels that may
# differ may do so on the tiles that chose. A second look is another chance to be lucky: each bound is
# the lower end of an interval, so that all three together are too high in 5 % of all cases at most.
_LOOKS = ((0.05, 1 / 2), (0.025, 1 / 4), (0.025, 1 / 8))


@dataclass(frozen=True)
class Promise:
    """What came of quantizing.

    Args:
        check: how its labels compare, with the lower bound that was reached.
        network: the file; None where what was asked for is not reached.
    """

    check: PrecisionCheck
    network: Path | None


def promised(recipe: Recipe, sample: Sample, threads: int, at_least: float) -> Promise:
    """The network in 8-bit integers of a model and its imagery; made once and kept in the cache.

    Args:
        recipe: of the model.
        sample: of the imagery.
        threads: CPU threads to compute with.
        at_least: the share of labels that must be those of f32.

    Raises:
        ModelError: the model cannot be quantized, or the imagery is too little to promise anything.
        MissingExtra: NNCF is not installed.
    """
    check_quantizable(recipe)
    _check_size(recipe, sample, at_least)
    # The word is for how it is made: what an earlier version has made otherwise is not used.
    settings = [unquantized(recipe).identity(), sample.digest, at_least, _LOOKS, "cropped groups"]
    libraries = [versioned(name) for name in _LIBRARIES[recipe.runtime]]
    text = json.dumps([settings, libraries], sort_keys=True)
    key = hashlib.sha256(text.encode()).hexdigest()[:32]

    def make(folder: Path) -> None:
        folder.mkdir()
        check = _made(recipe, sample, threads, at_least, folder / NETWORK)
        (folder / _CHECK).write_text(json.dumps(check.as_dict()))

    folder = cached(f"quantized/{key}", make)
    check = PrecisionCheck(**json.loads((folder / _CHECK).read_text()))
    network = folder / NETWORK
    return Promise(check, network if network.exists() else None)


def in_8_bits(recipe: Recipe, network: Path) -> Recipe:
    """The recipe of the network in 8-bit integers.

    Args:
        recipe: of the model.
        network: the file that was made of it.
    """
    return replace(
        recipe, precision="i8", quantized=str(network), quantized_digest=digest_of(network)
    )


def refusal(recipe: Recipe, check: PrecisionCheck) -> ModelError:
    """What to say of a network whose labels are not those of f32.

    Args:
        recipe: of the model.
        check: what was reached.
    """
    if check.kept == check.layers:
        reason = (
            "none of its layers can be in i8 without a loss of labels: set model.precision to f32"
        )
        return ModelError(shown(recipe.path), reason)
    return ModelError(
        shown(recipe.path),
        f"in i8, {check.agreement:.2%} of {check.labels:,} labels of {check.tiles:,} tiles are those "
        f"of f32, which promises {check.lower_bound:.2%} where precision_check.at_least asks for "
        f"{check.at_least:.2%}, with {check.kept} of {check.layers} layers kept in f32: set "
        "model.precision to f32 or bf16, or precision_check.at_least lower",
    )


def _made(
    recipe: Recipe, sample: Sample, threads: int, at_least: float, network: Path
) -> PrecisionCheck:
    """Quantize until the labels are good enough; the last check where they never are.

    The file is there afterwards if they are.
    """
    exact = open_model(unquantized(recipe), threads).network

    def look(error: float, may_differ: float) -> PrecisionCheck:
        found = quantizer.until(may_differ)
        network.write_bytes(found.content)
        lower = open_model(in_8_bits(recipe, network), threads).network
        check = checked(lower, exact, sample.judged_by, "i8", at_least, error)
        return replace(check, layers=found.layers, kept=found.kept)

    with quantizing(recipe, [strip.pixels for strip in sample.chosen_by]) as quantizer:
        for error, part in _LOOKS:
            check = look(error, part * (1 - at_least))
            nothing_left = check.kept == check.layers
            if nothing_left:  # that is f32: the figure to tell is that of all layers in 8 bits
                check = look(_LOOKS[-1][0], 1.0)
            if _keeps(check):
                return check
            if nothing_left:
                break
    network.unlink()
    return check


def _keeps(check: PrecisionCheck) -> bool:
    return (check.lower_bound or 0.0) >= (check.at_least or 1.0)


def _check_size(recipe: Recipe, sample: Sample, at_least: float) -> None:
    """Refuse what no outcome could promise.

    Raises:
        ModelError: there are too few tiles.
    """
    tiles = sum(len(strip.tiles) for strip in sample.judged_by)
    needed = FEWEST_TILES if recipe.output == "pixel" else fewest_labels(at_least)
    if tiles < needed:
        raise ModelError(
            shown(recipe.path),
            f"i8 promises that {at_least:.2%} of the labels are those of f32, for which {needed} "
            f"tiles with data must judge, a fifth more must calibrate, and this run has {tiles} to "
            "judge: set model.precision to f32 or bf16, or precision_check.at_least lower",
        )
