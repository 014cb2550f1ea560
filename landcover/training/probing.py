"""From labelled tiles to a network of random filters with a fitted last layer."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from landcover.training.augmentation import lit_anew, placed_anew
from landcover.training.base import base_of, features_of, told_of
from landcover.training.judging import judged_of
from landcover.training.learned import Learned, Prepared, Progress, Step
from landcover.training.network import load_keras
from landcover.training.probe import fit_probe
from landcover.training.random_features import draw_filters, feature_network, light_features
from landcover.training.settings import ProbeSettings

Floats = npt.NDArray[np.floating[Any]]

_AT_A_TIME = 64


def train_probe(tiles: Prepared, settings: ProbeSettings, seed: int, progress: Progress) -> Learned:
    """Compute features of all tiles and of varied copies, and fit the last layer.

    Args:
        tiles: to learn from. Where none are apart, each is judged by a probe that did not see it.
        settings: of the method.
        seed: makes chance repeatable.
        progress: called with how many tiles have been looked at.

    Raises:
        ModelError: the network whose features are wanted is not as it must be.
    """
    features, told, light = _features(tiles.pixels, settings, seed)
    seeds = load_keras().random.SeedGenerator(seed)
    shown = _shown(features, tiles.pixels, settings, seeds, progress)
    probe = fit_probe(shown, tiles.labels, tiles.classes, seed, light)
    keras = load_keras()
    head = keras.layers.Dense(tiles.classes, name="probe")
    network = keras.Model(features.input, head(features.output))
    head.set_weights([probe.weights.astype(np.float32), probe.bias.astype(np.float32)])
    judged = f"{len(probe.truth):,} training tiles, each left out once"
    apart, truth = probe.apart, probe.truth
    if tiles.apart is not None and tiles.apart_labels is not None:
        judged = judged_of(tiles.apart_labels, tiles.apart_labels, "validation")
        apart = network.predict(tiles.apart, batch_size=_AT_A_TIME, verbose=0)
        truth = tiles.apart_labels
    method = f"logistic regression on {features.output.shape[-1]:,} {told}"
    count = int(features.output.shape[-1])
    chosen = {"strength": probe.strength, "light": probe.light, "features": count}
    return Learned(network, method, apart, truth, judged, chosen=chosen)


def _features(pixels: Floats, settings: ProbeSettings, seed: int) -> tuple[Any, str, int]:
    """A Keras model from normalized pixels to features, dims (tile, feature), and what they are.

    And how many of them, the last ones, tell brightness and contrast alone.
    """
    edge, bands = pixels.shape[1], pixels.shape[-1]
    if settings.features is None:
        drawn = draw_filters(pixels, settings.filters, np.random.default_rng(seed))
        network = feature_network(edge, bands, drawn)
        return network, "mean answers of filters drawn from the tiles", light_features(bands)
    base = base_of(settings.features, edge, bands)
    base.trainable = False
    network = load_keras().Model(base.input, features_of(base))
    cut = "the last layer but one" if settings.features.cut is None else settings.features.cut
    return network, f"answers of {cut} of {told_of(settings.features)}", 0


def _shown(
    features: Any,
    pixels: Floats,
    settings: ProbeSettings,
    seeds: Any,
    progress: Progress,
) -> Floats:
    """Features of tiles as they are, then of varied copies: dims (copy, tile, feature)."""
    rounds = 1 + settings.copies
    found = np.empty((rounds, len(pixels), features.output.shape[-1]), np.float32)
    for turn in range(rounds):
        for start in range(0, len(pixels), _AT_A_TIME):
            part = pixels[start : start + _AT_A_TIME]
            if turn:
                part = lit_anew(placed_anew(part, 0, seeds), settings.variation, seeds)
            found[turn, start : start + len(part)] = features(part, training=False)
            progress(Step(turn * len(pixels) + start + len(part), rounds * len(pixels), "tiles"))
    return found
