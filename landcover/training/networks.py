"""Networks that are trained: a small one from scratch, and one that was trained for something else."""

from __future__ import annotations

from typing import Any

from landcover.training.fitting import Checkpoint, fit
from landcover.training.judging import judged_of, logits_of
from landcover.training.learned import Learned, Prepared, Progress
from landcover.training.network import make_network
from landcover.training.settings import NetworkSettings


def train_network(
    tiles: Prepared, settings: NetworkSettings, seed: int, kept: Checkpoint, say: Progress
) -> Learned:
    """Train a small convolutional network from scratch.

    Args:
        tiles: to learn from, and apart to tell when to end.
        settings: of the method.
        seed: makes chance repeatable.
        kept: where its state is kept between epochs.
        say: called after each epoch.
    """
    edge, bands = tiles.pixels.shape[1], tiles.pixels.shape[-1]
    network = make_network(edge, bands, tiles.classes, settings.width)
    rows = fit(network, tiles, settings, seed, kept, say)
    method = "a convolutional network trained from scratch"
    return learned_of(network, tiles, method, rows)


def learned_of(
    network: Any, tiles: Prepared, method: str, rows: tuple[dict[str, float], ...]
) -> Learned:
    """A fitted network, judged by the tiles that are apart."""
    assert tiles.apart is not None and tiles.apart_labels is not None
    logits, truth = logits_of(network, tiles.apart, tiles.apart_labels)
    judged = judged_of(tiles.apart_labels, truth, "validation")
    best = min(rows, key=lambda row: row["validation_loss"])
    chosen = {"parameters": int(network.count_params()), "epoch": int(best["epoch"])}
    return Learned(network, method, logits, truth, judged, rows, chosen=chosen)
