"""Train a small convolutional network that gives a tile its class."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

from landcover.classes import scheme
from landcover.errors import ConfigError
from landcover.training.batches import Batches, class_weights, held_out, normalization
from landcover.training.network import load_keras, make_network

Floats = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Epoch:
    """How far a training has come.

    Args:
        number: epochs done, from 1.
        epochs: epochs wanted.
        loss: mean cross-entropy of the tiles that were shown.
        accuracy: share of the tiles that were shown and labelled right.
        held_out_accuracy: share of the held-out tiles that were labelled right.
    """

    number: int
    epochs: int
    loss: float
    accuracy: float
    held_out_accuracy: float


@dataclass(frozen=True)
class History:
    """What a training came to.

    Args:
        path: the network's file; its sidecar lies beside it.
        epochs: one record an epoch.
        trained: how many tiles the network was trained with.
        held_out: how many tiles were kept apart to measure the accuracy.
    """

    path: Path
    epochs: tuple[Epoch, ...]
    trained: int
    held_out: int

    @property
    def held_out_accuracy(self) -> float:
        """Share of the held-out tiles that the finished network labels right."""
        return self.epochs[-1].held_out_accuracy


def train_classifier(
    pixels: npt.NDArray[Any],
    labels: npt.NDArray[np.integer],
    classes: str | Sequence[str],
    path: str | os.PathLike[str],
    *,
    resolution: float | None = None,
    bands: Sequence[int | str] | None = None,
    epochs: int = 20,
    batch: int = 64,
    width: int = 24,
    rate: float = 3e-3,
    variation: float = 0.1,
    held_out_share: float = 0.15,
    seed: int = 0,
    progress: Callable[[Epoch], None] | None = None,
) -> History:
    """Train a network on labelled tiles and write it as a Keras file with its sidecar.

    Tiles are turned, mirrored and varied in brightness as they are shown; rare classes count more.
    The network itself takes normalized pixels: what is subtracted and multiplied stands in the
    sidecar, with its classes and bands, so that the file scores like any other model.

    Args:
        pixels: dims (tile, band, y, x), square, in the digital numbers of the imagery.
        labels: an index into ``classes`` for each tile.
        classes: names in the order of the output, or the name of a scheme such as ``nlcd6``.
        path: where the network is written, ending in ``.keras``.
        resolution: metres a pixel of the tiles; None where that is not known.
        bands: bands of the imagery that the tiles hold, from 1 or by name; default: the first ones.
        epochs: how often every tile is shown.
        batch: tiles a step.
        width: filters of the first stage; the later ones have up to four times as many.
        rate: the largest step width, reached after a tenth of the training; it ends at 0.
        variation: how much brightness, contrast and colours vary, in deviations of the imagery:
            more of it helps where other imagery than that of the training is to be scored.
        held_out_share: share of the tiles of each class, drawn by chance, that only measure.
        seed: makes chance repeatable.
        progress: called after every epoch.

    Raises:
        ConfigError: the tiles do not fit the labels, or the labels do not fit the classes.
        MissingExtra: Keras or TensorFlow is not installed.
    """
    names = scheme(classes).names if isinstance(classes, str) else tuple(classes)
    _check(pixels, labels, names, Path(path))
    load_keras().utils.set_random_seed(seed)
    generator = np.random.default_rng(seed)
    apart = held_out(labels, held_out_share, generator)
    mean, scale = normalization(pixels[~apart])
    ready = (pixels.transpose(0, 2, 3, 1).astype(np.float32) - mean) * scale
    weights = class_weights(labels[~apart], len(names))
    shown = Batches(ready[~apart], labels[~apart], weights, batch, variation, generator)
    network = make_network(pixels.shape[2], pixels.shape[1], len(names), width)
    _compile(network, rate, epochs * len(shown))
    records = []
    for record in _epochs(network, shown, (ready[apart], labels[apart]), epochs):
        records.append(record)
        if progress:
            progress(record)
    sidecar = {
        "classes": classes if isinstance(classes, str) else list(names),
        "bands": list(bands or range(1, pixels.shape[1] + 1)),
        "mean": mean.tolist(),
        "scale": scale.tolist(),
        "input_size": pixels.shape[2],
        "resolution": resolution,
        "output": "tile",
        "activation": "none",  # the network ends in probabilities
    }
    _save(network, Path(path), sidecar)
    return History(Path(path), tuple(records), len(shown.labels), int(apart.sum()))


def _check(
    pixels: npt.NDArray[Any], labels: npt.NDArray[np.integer], names: Sequence[str], path: Path
) -> None:
    mistakes = []
    if pixels.ndim != 4 or pixels.shape[2] != pixels.shape[3]:
        mistakes.append(
            f"tiles have the shape {pixels.shape}, not (tile, band, y, x), y equal to x"
        )
    if labels.shape != pixels.shape[:1]:
        mistakes.append(f"there are {len(pixels)} tiles, but labels of the shape {labels.shape}")
    elif not len(labels) or labels.min() < 0 or labels.max() >= len(names):
        mistakes.append(f"labels must lie between 0 and {len(names) - 1}, one for each tile")
    else:
        counts = np.bincount(labels, minlength=len(names))
        few = [f"{name!r} has {n}" for name, n in zip(names, counts, strict=True) if n < 2]
        mistakes += [f"every class needs at least 2 tiles: {text}" for text in few]
    if path.suffix != ".keras":
        mistakes.append(f"the path of the network must end in .keras: {path}")
    if mistakes:
        raise ConfigError(mistakes, "the training")


def _compile(network: Any, rate: float, steps: int) -> None:
    keras = load_keras()
    rising = max(1, steps // 10)
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, max(1, steps - rising), warmup_target=rate, warmup_steps=rising
    )
    network.compile(
        optimizer=keras.optimizers.AdamW(schedule, weight_decay=1e-3),
        # Smoothed, for the labels of mixed tiles are not that certain.
        loss=keras.losses.CategoricalCrossentropy(label_smoothing=0.05),
        metrics=["accuracy"],
    )


def _epochs(
    network: Any, shown: Batches, apart: tuple[Floats, npt.NDArray[np.integer]], epochs: int
) -> Iterator[Epoch]:
    for number in range(1, epochs + 1):
        # (loss, accuracy) of each batch; batches are of one size but for one tile.
        logs = np.array([network.train_on_batch(*batch) for batch in shown])
        found = network.predict(apart[0], batch_size=256, verbose=0).argmax(1)
        loss, accuracy = logs.mean(0).tolist()
        yield Epoch(number, epochs, loss, accuracy, float((found == apart[1]).mean()))


def _save(network: Any, path: Path, sidecar: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    network.save(path)
    said = {key: value for key, value in sidecar.items() if value is not None}
    text = yaml.safe_dump(said, sort_keys=False, default_flow_style=None, allow_unicode=True)
    path.with_suffix(".yaml").write_text(text, encoding="utf-8")
