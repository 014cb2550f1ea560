"""From labelled tiles to a network of random filters with a fitted last layer."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from landcover.training.batches import varied
from landcover.training.learned import Learned, Prepared, Progress, Step
from landcover.training.network import load_keras
from landcover.training.probe import fit_probe
from landcover.training.random_features import draw_filters, feature_network
from landcover.training.settings import ProbeSettings

Floats = npt.NDArray[np.floating[Any]]

_AT_A_TIME = 64


def train_probe(tiles: Prepared, settings: ProbeSettings, seed: int, progress: Progress) -> Learned:
    """Draw filters, compute features of all tiles and of varied copies, and fit the last layer.

    Args:
        tiles: to learn from. Where none are apart, each is judged by a probe that did not see it.
        settings: of the method.
        seed: makes chance repeatable.
        progress: called with how many tiles have been looked at.
    """
    generator = np.random.default_rng(seed)
    edge, bands = tiles.pixels.shape[1], tiles.pixels.shape[-1]
    drawn = draw_filters(tiles.pixels, settings.filters, generator)
    features = feature_network(edge, bands, drawn)
    shown = _shown(features, tiles.pixels, settings, generator, progress)
    probe = fit_probe(shown, tiles.labels, tiles.classes, seed)
    keras = load_keras()
    head = keras.layers.Dense(tiles.classes, name="probe")
    network = keras.Model(features.input, head(features.output))
    head.set_weights([probe.weights.astype(np.float32), probe.bias.astype(np.float32)])
    judged = f"{len(probe.truth):,} training tiles, each left out once"
    apart, truth = probe.apart, probe.truth
    if tiles.apart is not None and tiles.apart_labels is not None:
        judged = f"the {len(tiles.apart_labels):,} validation tiles"
        apart = network.predict(tiles.apart, batch_size=_AT_A_TIME, verbose=0)
        truth = tiles.apart_labels
    said = f"logistic regression on the means of {features.output.shape[-1]:,} answers of filters"
    chosen = {"strength": probe.strength, "features": int(features.output.shape[-1])}
    return Learned(network, f"{said} drawn from the tiles", apart, truth, judged, chosen=chosen)


def _shown(
    features: Any,
    pixels: Floats,
    settings: ProbeSettings,
    generator: np.random.Generator,
    progress: Progress,
) -> Floats:
    """Features of tiles as they are, then of varied copies: dims (copy, tile, feature)."""
    rounds = 1 + settings.copies
    found = np.empty((rounds, len(pixels), features.output.shape[-1]), np.float32)
    for turn in range(rounds):
        for start in range(0, len(pixels), _AT_A_TIME):
            part = pixels[start : start + _AT_A_TIME]
            if turn:
                part = varied(part, settings.variation, generator)
            found[turn, start : start + len(part)] = features(part, training=False)
            progress(Step(turn * len(pixels) + start + len(part), rounds * len(pixels), "tiles"))
    return found
