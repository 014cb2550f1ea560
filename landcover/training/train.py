"""From labelled tiles to a network that scores, with all that is to be told of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from landcover.classes import scheme
from landcover.config import load_settings, told_of
from landcover.datasets.folders import LabelledFolder, LabelledImages
from landcover.errors import ConfigError
from landcover.runs.lock import forget_left_over, only_run
from landcover.runs.storage import Storage
from landcover.training.calibration import best_temperature
from landcover.training.curve import learning_curve
from landcover.training.fitting import Checkpoint
from landcover.training.judging import judged_of, logits_of
from landcover.training.learned import Learned, Prepared, Progress, Step
from landcover.training.methods import learn, scaling_of
from landcover.training.network import load_keras
from landcover.training.reading import parts_of, read_tiles
from landcover.training.results import Trained, fingerprint_of, finished, judged_by, write_results
from landcover.training.settings import TrainSettings, UnetSettings
from landcover.training.unet import window_of

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
        OutputError: the output holds something else, cannot be written, or is being written.
        MissingExtra: a library is not installed.
    """
    given = {**settings, **(overrides or {})}
    wanted = load_settings(TrainSettings, _source(config), given)
    with told_of(config):
        load_keras()  # where it is not installed, that is said before tiles are read
        say = progress or (lambda step: None)
        wanted, folder = read_tiles(
            wanted, lambda done, total: say(Step(done, total, "images read"))
        )
        home = Storage(wanted.output)
        if not restart and (found := finished(wanted, folder)):
            forget_left_over(home, Checkpoint(home, "").all)
            return found
        home.prepare()
        with only_run(home) as token:
            held = replace(home, fence=token)
            held.sweep("")
            # Another command may have come between.
            if not restart and (found := finished(wanted, folder)):
                return found
            return _trained(wanted, folder, held, say)


def _trained(
    wanted: TrainSettings, folder: LabelledFolder, home: Storage, say: Progress
) -> Trained:
    load_keras().utils.set_random_seed(wanted.seed)
    shown, apart = parts_of(folder, wanted)
    mean, scale = scaling_of(wanted.method, shown.pixels)
    validation, test = (
        None if one is None else (_ready(one, mean, scale), one.labels)
        for one in (apart, folder.splits.get("test"))
    )
    pixels, labels = validation or (None, None)
    tiles = Prepared(_ready(shown, mean, scale), shown.labels, pixels, labels, len(folder.classes))
    kept = Checkpoint(home, fingerprint_of(wanted, folder))
    learned = learn(tiles, wanted.method, wanted.seed, kept, say)
    temperature = best_temperature(learned.apart, learned.truth)
    judged = [judged_by(learned.judged, learned.apart, learned.truth, temperature, tiles.unit)]
    if test is not None:
        logits, truth = logits_of(learned.network, *test)
        what = judged_of(test[1], truth, "test")
        judged.append(judged_by(what, logits, truth, temperature, tiles.unit))
    if wanted.curve is not None:
        learned = replace(learned, curve=_curve(tiles, test or validation, wanted, kept, say))
    network = _with_probabilities(learned, temperature)
    sidecar = _sidecar(wanted, folder, mean, scale)
    return write_results(home, wanted, folder, learned, network, sidecar, temperature, judged)


def _curve(
    tiles: Prepared,
    measured: tuple[Floats, npt.NDArray[np.integer[Any]]] | None,
    wanted: TrainSettings,
    kept: Checkpoint,
    say: Progress,
) -> tuple[dict[str, float], ...]:
    if measured is None:
        reason = (
            "curve: the tiles have neither test/ nor validation/ to measure by: 'landcover prepare' "
            "splits by ground"
        )
        raise ConfigError([reason], "the training")
    return learning_curve(tiles, measured, wanted, kept, say)


def _source(
    config: str | os.PathLike[str] | Mapping[str, Any] | None,
) -> Path | Mapping[str, Any]:
    if config is None or isinstance(config, Mapping):
        return config or {}
    return Path(config)


def _ready(images: LabelledImages, mean: Floats, scale: Floats) -> Floats:
    """Normalized pixels, dims (tile, y, x, band)."""
    pixels = images.pixels.transpose(0, 2, 3, 1).astype(np.float32)
    pixels -= mean.astype(np.float32)
    pixels *= scale.astype(np.float32)
    return pixels


def _with_probabilities(learned: Learned, temperature: float) -> Any:
    """The network with its logits divided by the temperature, and probabilities made of them.

    What feels the edge of the window is cut off, so that no seam is seen between windows.
    """
    keras, network = load_keras(), learned.network
    last = network.layers[-1]
    last.set_weights([weights / np.float32(temperature) for weights in last.get_weights()])
    found = keras.layers.Softmax()(network.output)
    if learned.halo:
        found = keras.layers.Cropping2D(learned.halo)(found)
    return keras.Model(network.input, found)


def _sidecar(
    wanted: TrainSettings, folder: LabelledFolder, mean: Floats, scale: Floats
) -> dict[str, Any]:
    """What lies between pixels and the network; it reads a tile as the folder holds them."""
    bands, edge = folder.splits["train"].pixels.shape[1:3]
    method = wanted.method
    named = isinstance(wanted.classes, str)
    whole = named and scheme(str(wanted.classes)).names == folder.classes
    said = {
        "classes": wanted.classes if whole else list(folder.classes),
        "bands": list(wanted.bands or range(1, bands + 1)),
        "mean": mean.tolist(),
        "scale": scale.tolist(),
        "input_size": window_of(method.depth, edge) if isinstance(method, UnetSettings) else edge,
        "resolution": wanted.resolution,
        "output": "pixel" if isinstance(method, UnetSettings) else "tile",
        "output_stride": 1 if isinstance(method, UnetSettings) else None,
        "activation": "none",  # the network ends in probabilities
    }
    return {key: value for key, value in said.items() if value is not None}
