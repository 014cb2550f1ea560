"""From a network that was trained for something else to one for the classes at hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from landcover.errors import ModelError
from landcover.models.fetch import local_path, shown
from landcover.models.formats.detection import detect
from landcover.models.runtimes.keras.files import open_keras
from landcover.training.fitting import Checkpoint, Fit, fit
from landcover.training.learned import Learned, Prepared, Progress
from landcover.training.network import load_keras
from landcover.training.networks import learned_of
from landcover.training.settings import TransferSettings

_SLOWER = 0.1  # the base learns with this part of the new layer's step width


def train_transfer(
    tiles: Prepared, settings: TransferSettings, seed: int, kept: Checkpoint, say: Progress
) -> Learned:
    """Train a new last layer on a network, then the last layers of the network too.

    Args:
        tiles: to learn from, and apart to tell when to end.
        settings: of the method.
        seed: makes chance repeatable.
        kept: where its state is kept between epochs.
        say: called after each epoch.

    Raises:
        ModelError: the base or its weights are not as they must be.
    """
    edge, bands = tiles.pixels.shape[1], tiles.pixels.shape[-1]
    base = base_of(settings, edge, bands)
    network = _with_head(base, tiles.classes)
    how = Fit(
        *(settings.epochs, settings.patience, settings.batch, settings.rate, settings.variation)
    )
    _learn(base, 0)
    rows = fit(network, tiles, how, seed, kept, say)
    if settings.then:
        _learn(base, settings.layers)
        slow = replace(how, epochs=settings.then, rate=settings.rate * _SLOWER)
        then = fit(network, tiles, slow, seed + 1, replace(kept, part=1), say)
        rows += tuple({**row, "epoch": row["epoch"] + len(rows)} for row in then)
    weights = "its own weights" if "." in settings.base else "random weights"
    weights = (
        weights if settings.weights is None else f"the weights of {Path(settings.weights).name}"
    )
    name = Path(settings.base).name
    return learned_of(network, tiles, f"{name} with {weights}, and a new last layer", rows)


def _learn(base: Any, layers: int) -> None:
    """Let only the last layers learn; what normalizes keeps its means, which few tiles would spoil."""
    keras = load_keras()
    free = base.layers[-layers:] if layers else []
    for layer in base.layers:
        normalizes = isinstance(layer, keras.layers.BatchNormalization)
        layer.trainable = layer in free and not normalizes


def _with_head(base: Any, classes: int) -> Any:
    """The base, its answers averaged over the tile where they are maps, and a new dense layer."""
    layers = load_keras().layers
    answers = base.output
    if len(answers.shape) == 4:
        answers = layers.GlobalAveragePooling2D()(answers)
    answers = layers.Dropout(0.2)(answers)
    return load_keras().Model(base.input, layers.Dense(classes, name="classes")(answers))


def base_of(settings: TransferSettings, edge: int, bands: int) -> Any:
    """A Keras model from normalized pixels to answers: without its last layer."""
    if "." in settings.base:
        base = _from_file(settings, edge, bands)
    else:
        base = _from_applications(settings.base, edge, bands)
    if settings.weights:
        _load_weights(base, settings, bands)
    return base


def _from_applications(name: str, edge: int, bands: int) -> Any:
    keras = load_keras()
    make = getattr(keras.applications, name, None)
    if not callable(make):
        known = sorted(
            n for n in dir(keras.applications) if callable(getattr(keras.applications, n))
        )
        reason = f"is no network of keras.applications ({', '.join(known)}) and no file"
        raise ModelError(name, reason)
    options: dict[str, Any] = {"include_top": False, "weights": None}
    if name.startswith(("MobileNetV3", "EfficientNetV2")):
        options["include_preprocessing"] = False  # pixels come normalized by the sidecar
    try:
        return make(input_shape=(edge, edge, bands), **options)
    except ValueError as error:
        reason = f"takes no tiles of {edge} x {edge} pixels: {str(error).splitlines()[0]}"
        raise ModelError(name, reason) from None


def _from_file(settings: TransferSettings, edge: int, bands: int) -> Any:
    """A network of the user's, cut at a layer; its code, if it brings any, is never run."""
    keras, name = load_keras(), shown(settings.base)
    opened = open_keras(detect(local_path(settings.base)), None, "tensorflow").model
    layers = {layer.name: layer for layer in opened.layers}
    if settings.cut is not None and settings.cut not in layers:
        last = ", ".join(list(layers)[-8:])
        raise ModelError(name, f"has no layer {settings.cut!r} to cut it at; its last ones: {last}")
    cut = layers[settings.cut] if settings.cut else opened.layers[-2]
    reads = tuple(opened.input.shape[1:])
    fits = all(have in (None, want) for have, want in zip(reads, (edge, edge, bands), strict=True))
    if not fits:
        reason = f"reads {_size(reads)}, and the tiles have {_size((edge, edge, bands))}"
        raise ModelError(name, f"{reason}: prepare tiles of that size and these bands")
    return keras.Model(opened.input, cut.output)


def _size(shape: tuple[int | None, ...]) -> str:
    rows, cols, bands = shape
    return f"{rows or 'any'} x {cols or 'any'} pixels of {bands or 'any'} bands"


def _load_weights(base: Any, settings: TransferSettings, bands: int) -> None:
    """Give a network its weights; a first layer for more bands gets the mean of the known ones."""
    told = str(settings.weights)
    path = local_path(told)
    if not path.is_file():
        raise ModelError(shown(told), "no such file of weights")
    source = base
    if bands != 3 and "." not in settings.base:
        source = _from_applications(settings.base, base.input.shape[1], 3)
    try:
        source.load_weights(path)
    except Exception as error:  # Keras raises whatever h5py and its layers raise
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise ModelError(
            shown(told),
            f"are not the weights of {settings.base} without its last layer ({reason[:200]}): name the "
            "network that they were saved from, with include_top=False",
        ) from error
    if source is not base:
        _widen(source, base)


def _widen(source: Any, base: Any) -> None:
    """Copy weights; filters for more bands see the mean of the known bands, at the same strength."""
    for given, wanted in zip(source.weights, base.weights, strict=True):
        value = np.asarray(given)
        if value.shape != tuple(wanted.shape):
            bands = wanted.shape[2]
            mean = value.mean(2, keepdims=True)
            kept = value[:, :, : min(3, bands)]
            more = np.repeat(mean, max(0, bands - 3), axis=2)
            value = np.concatenate([kept, more], axis=2) * value.shape[2] / bands
        wanted.assign(value)
