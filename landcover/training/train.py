"""From labelled tiles to a network that scores, with all that is to be told of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from landcover.classes import scheme
from landcover.datasets.folders import LabelledFolder, LabelledImages, drawn_split, read_folder
from landcover.runs.storage import Storage
from landcover.training.batches import normalization
from landcover.training.calibration import best_temperature, reliability, softmax
from landcover.training.fitting import Checkpoint
from landcover.training.learned import Learned, Prepared, Progress, Step
from landcover.training.network import load_keras
from landcover.training.networks import train_network
from landcover.training.prepared import as_cut
from landcover.training.probing import train_probe
from landcover.training.results import Judged, Trained, fingerprint_of, finished, write_results
from landcover.training.settings import (
    NetworkSettings,
    ProbeSettings,
    TrainSettings,
    load_training,
)
from landcover.training.transfer import train_transfer

Floats = npt.NDArray[np.floating[Any]]


def train(
    config: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    *,
    overrides: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
    restart: bool = False,
    **settings: Any,
) -> Trained:
    """Train a network on labelled tiles, and write it with all that is to be told of it.

    Args:
        config: a YAML file, or the same as a mapping; None: ``settings`` say it all.
        overrides: values by dotted key, such as ``{"method.filters": 512}``.
        progress: called with how far the training has come.
        restart: train anew where a finished training lies.
        settings: keys of the configuration, as in ``lc.train(data="tiles", output="model")``.

    Returns:
        what came out; of a training that was finished earlier, what lies there.

    Raises:
        ConfigError: mistakes in the settings, all named at once.
        SourceError: the tiles are not as they must be; the file or folder is named.
        ModelError: the weights or the base of a transfer do not fit.
        OutputError: the output holds something else, or cannot be written.
        MissingExtra: a library is not installed.
    """
    wanted = load_training(config if config is not None else {}, {**settings, **(overrides or {})})
    keras, say = load_keras(), progress or (lambda step: None)
    wanted, folder = _read(wanted, lambda done, total: say(Step(done, total, "images read")))
    if not restart and (found := finished(wanted, folder)):
        return found
    keras.utils.set_random_seed(wanted.seed)
    shown, apart = _parts(folder, wanted)
    mean, scale = normalization(shown.pixels)
    tiles = Prepared(
        _ready(shown, mean, scale),
        shown.labels,
        None if apart is None else _ready(apart, mean, scale),
        None if apart is None else apart.labels,
        len(folder.classes),
    )
    learned = _learned(tiles, wanted, folder, say)
    temperature = best_temperature(learned.apart, learned.truth)
    network = _with_probabilities(learned.network, temperature)
    judged = [_judged(learned.judged, learned, temperature)]
    if test := folder.splits.get("test"):
        found_there = network.predict(_ready(test, mean, scale), batch_size=64, verbose=0)
        judged.append(Judged(f"the {len(test):,} test tiles", found_there, test.labels))
    sidecar = _sidecar(wanted, folder, mean, scale)
    return write_results(wanted, folder, learned, network, sidecar, temperature, judged)


def _read(
    wanted: TrainSettings, progress: Callable[[int, int], None]
) -> tuple[TrainSettings, LabelledFolder]:
    """The tiles, and the settings with what ``landcover prepare`` has said of them."""
    cut = as_cut(wanted.data)
    if cut is None:
        return wanted, read_folder(wanted.data, wanted.classes, progress=progress)
    known = {
        "resolution": wanted.resolution or cut.resolution,
        "bands": wanted.bands or cut.bands,
        "classes": wanted.classes or cut.scheme,
    }
    folder = read_folder(wanted.data, wanted.classes or tuple(cut.classes), progress=progress)
    if wanted.classes is None:  # folders are called as classes, as far as a file system can
        folder = replace(folder, classes=tuple(cut.classes.values()))
    return wanted.model_copy(update=known), folder


def _parts(
    folder: LabelledFolder, wanted: TrainSettings
) -> tuple[LabelledImages, LabelledImages | None]:
    """Tiles to learn from, and those that tell how far to go; the probe does without the latter."""
    train, validation = folder.splits["train"], folder.splits.get("validation")
    if validation is not None or isinstance(wanted.method, ProbeSettings):
        return train, validation
    return drawn_split(train, wanted.validation, np.random.default_rng(wanted.seed))


def _learned(
    tiles: Prepared, wanted: TrainSettings, folder: LabelledFolder, say: Progress
) -> Learned:
    method = wanted.method
    if isinstance(method, ProbeSettings):
        return train_probe(tiles, method, wanted.seed, say)
    home = Storage(wanted.output)
    home.prepare()
    kept = Checkpoint(home, fingerprint_of(wanted, folder))
    if isinstance(method, NetworkSettings):
        return train_network(tiles, method, wanted.seed, kept, say)
    return train_transfer(tiles, method, wanted.seed, kept, say)


def _ready(images: LabelledImages, mean: Floats, scale: Floats) -> Floats:
    """Normalized pixels, dims (tile, y, x, band)."""
    pixels = images.pixels.transpose(0, 2, 3, 1).astype(np.float32)
    pixels -= mean.astype(np.float32)
    pixels *= scale.astype(np.float32)
    return pixels


def _with_probabilities(network: Any, temperature: float) -> Any:
    """The network with its logits divided by the temperature, and probabilities made of them."""
    last = network.layers[-1]
    last.set_weights([weights / np.float32(temperature) for weights in last.get_weights()])
    keras = load_keras()
    return keras.Model(network.input, keras.layers.Softmax()(network.output))


def _judged(what: str, learned: Learned, temperature: float) -> Judged:
    before = reliability(softmax(learned.apart), learned.truth).error
    return Judged(what, softmax(learned.apart / temperature), learned.truth, before)


def _sidecar(
    wanted: TrainSettings, folder: LabelledFolder, mean: Floats, scale: Floats
) -> dict[str, Any]:
    """What lies between pixels and the network; it reads a tile as the folder holds them."""
    bands, edge = folder.splits["train"].pixels.shape[1:3]
    named = isinstance(wanted.classes, str)
    whole = named and scheme(str(wanted.classes)).names == folder.classes
    said = {
        "classes": wanted.classes if whole else list(folder.classes),
        "bands": list(wanted.bands or range(1, bands + 1)),
        "mean": mean.tolist(),
        "scale": scale.tolist(),
        "input_size": int(edge),
        "resolution": wanted.resolution,
        "output": "tile",
        "activation": "none",  # the network ends in probabilities
    }
    return {key: value for key, value in said.items() if value is not None}
