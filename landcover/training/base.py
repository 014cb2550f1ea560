"""Networks that were trained for something else, without their last layer."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

from landcover.config import ModelSettings, checked
from landcover.errors import ModelError
from landcover.models.fetch import local_path, shown
from landcover.models.formats.detection import detect
from landcover.models.runtimes.keras.files import open_keras
from landcover.models.sidecar import with_sidecar
from landcover.training.network import load_keras
from landcover.training.settings import Base

Floats = npt.NDArray[np.floating[Any]]


def features_of(base: Any) -> Any:
    """What a base answers to a tile: a vector, in which maps are averaged over the tile."""
    answers = base.output
    if len(answers.shape) == 4:
        answers = load_keras().layers.GlobalAveragePooling2D()(answers)
    return answers


def normalization_of(base: Base, bands: int) -> tuple[Floats, Floats] | None:
    """What the sidecar of a base says is subtracted and multiplied, dims (band,); None: it says nothing.

    Raises:
        ModelError: it reads pixels in a way that a network that is made of it cannot.
        ConfigError: mistakes in the sidecar.
    """
    if not is_file(base):
        return None
    told = with_sidecar(checked(ModelSettings, {"path": base.base}))
    if told.mean_image is not None or told.channel_order == "bgr":
        what = "mean_image" if told.mean_image is not None else "channel_order: bgr"
        reason = f"its sidecar says {what}, which a network that goes on from it cannot say"
        raise ModelError(shown(base.base), f"{reason}: make it part of the network first")
    if told.mean is None and told.scale is None:
        return None
    sizes = {len(one) for one in (told.mean, told.scale) if isinstance(one, tuple)}
    if sizes - {1, bands}:
        reason = f"its sidecar tells {max(sizes)} bands, and the tiles have {bands}"
        raise ModelError(shown(base.base), f"{reason}: prepare tiles of these bands")
    mean, scale = (
        np.broadcast_to(np.array(usual if one is None else one, np.float64), bands)
        for one, usual in ((told.mean, 0.0), (told.scale, 1.0))
    )
    return mean, scale


def is_file(base: Base) -> bool:
    """Whether a base is a file, not the name of a network of keras.applications."""
    return "." in base.base


def told_of(base: Base) -> str:
    """A base and its weights, in words."""
    name = shown(base.base).rpartition("/")[2]
    if base.weights is not None:
        return f"{name} with the weights of {shown(base.weights).rpartition('/')[2]}"
    return f"{name} with {'its own' if is_file(base) else 'random'} weights"


def base_of(settings: Base, edge: int, bands: int) -> Any:
    """A Keras model from normalized pixels to answers: without its last layer."""
    if is_file(settings):
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
        raise ModelError(f"method.base: {name}", reason)
    options: dict[str, Any] = {"include_top": False, "weights": None}
    if name.startswith(("MobileNetV3", "EfficientNetV2")):
        options["include_preprocessing"] = False  # pixels come normalized by the sidecar
    try:
        return make(input_shape=(edge, edge, bands), **options)
    except ValueError as error:
        reason = f"takes no tiles of {edge} x {edge} pixels: {str(error).splitlines()[0]}"
        raise ModelError(name, reason) from None


def _from_file(settings: Base, edge: int, bands: int) -> Any:
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


def _load_weights(base: Any, settings: Base, bands: int) -> None:
    """Give a network its weights; a first layer for more bands gets the mean of the known ones."""
    told = str(settings.weights)
    path = local_path(told)
    if not path.is_file():
        raise ModelError(shown(told), "no such file of weights")
    source = base
    if bands != 3 and not is_file(settings):
        source = _from_applications(settings.base, base.input.shape[1], 3)
    try:
        with warnings.catch_warnings():
            # A hundred, one of each layer that is missed: then it raises.
            warnings.simplefilter("ignore")
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
