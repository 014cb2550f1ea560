"""What is to be trained: strict and frozen, every mistake named at once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from landcover.config import read_values
from landcover.config.mistakes import near
from landcover.errors import ConfigError


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ProbeSettings(_Section):
    """For few labels: a logistic regression on the answers of random filters; needs no weights.

    Args:
        name: "probe".
        filters: at each scale: patches of the imagery itself.
        copies: how often each tile is shown turned, mirrored and in other light, beside as it is.
        variation: how much brightness, contrast and colours of the copies vary, in deviations of
            the imagery.
    """

    name: Literal["probe"] = "probe"
    filters: int = Field(128, ge=1, le=10_000)
    copies: int = Field(4, ge=0, le=100)
    variation: float = Field(0.3, ge=0, le=2)


class NetworkSettings(_Section):
    """A small convolutional network, trained from scratch.

    Args:
        name: "network".
        epochs: how often every tile is shown, at most.
        patience: epochs without a better validation loss after which training stops.
        batch: tiles a step.
        width: filters of the first stage.
        rate: the largest step width.
        variation: how much brightness, contrast and colours vary as tiles are shown, in deviations.
    """

    name: Literal["network"] = "network"
    epochs: int = Field(40, ge=1)
    patience: int = Field(10, ge=1)
    batch: int = Field(32, ge=1)
    width: int = Field(24, ge=1, le=1024)
    rate: float = Field(3e-3, gt=0, le=1)
    variation: float = Field(0.3, ge=0, le=2)


class TransferSettings(_Section):
    """A network that was trained for something else, with a new last layer; then its last layers too.

    Args:
        name: "transfer".
        base: a network of keras.applications by its name, such as MobileNetV3Small, or a file of
            Keras (.keras, .h5).
        weights: a file of weights of that network, as Keras writes them (.weights.h5, .h5), or an
            fsspec URL; None: a file's own, and for a name of keras.applications random ones.
        cut: the layer of a file whose answer is learned from; None: the last but one.
        epochs: how often every tile is shown while only the new layer learns, at most.
        then: how often while the last layers of the base learn too, at most.
        layers: how many layers of the base learn then, from its end.
        patience: epochs without a better validation loss after which either part stops.
        batch: tiles a step.
        rate: the largest step width of the new layer; the base takes a tenth of it.
        variation: how much brightness, contrast and colours vary as tiles are shown, in deviations.
    """

    name: Literal["transfer"]
    base: str
    weights: str | None = None
    cut: str | None = None
    epochs: int = Field(20, ge=1)
    then: int = Field(10, ge=0)
    layers: int = Field(30, ge=1)
    patience: int = Field(5, ge=1)
    batch: int = Field(32, ge=1)
    rate: float = Field(1e-3, gt=0, le=1)
    variation: float = Field(0.3, ge=0, le=2)


Method: TypeAlias = Annotated[
    ProbeSettings | NetworkSettings | TransferSettings, Field(discriminator="name")
]


class TrainSettings(_Section):
    """One training.

    Args:
        data: a local folder with a folder of images for each class, or with such folders in
            ``train/``, ``validation/`` and ``test/``.
        output: the folder that gets the model and all that is told of it.
        method: what is trained; a name alone stands for its defaults.
        classes: names in the order of the output, or of a scheme such as nlcd6; None: the names of
            the folders, sorted. These, ``bands`` and ``resolution`` are told by tiles of ``prepare``.
        bands: which bands of the imagery the images' bands are, from 1 or by name; None: its first
            ones.
        resolution: metres a pixel of the images; None: not known.
        validation: share of the images of each class that is drawn to measure with, where the folder
            holds no validation split.
        seed: makes chance repeatable.
        license: of the model, for its card.
    """

    data: str
    output: str
    method: Method = ProbeSettings()
    classes: str | tuple[str, ...] | None = None
    bands: tuple[int | str, ...] | None = None
    resolution: float | None = Field(None, gt=0.0001, le=1e6)
    validation: float = Field(0.15, gt=0, lt=1)
    seed: int = Field(0, ge=0, lt=2**32)
    license: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, values: Any) -> Any:
        """``method: probe`` stands for the probe with its defaults."""
        if isinstance(values, Mapping) and isinstance(values.get("method"), str):
            return {**values, "method": {"name": values["method"]}}
        return values


def load_training(
    source: str | os.PathLike[str] | Mapping[str, Any], overrides: Mapping[str, Any] | None = None
) -> TrainSettings:
    """Read what is to be trained.

    Args:
        source: a YAML file, whose relative paths count from it, or the same as nested mappings.
        overrides: values by dotted key, as in ``{"method.filters": 512}``.

    Raises:
        ConfigError: naming every mistake.
    """
    if isinstance(source, Mapping):
        values, origin = dict(source), "the arguments"
    else:
        values, origin = _read(Path(source)), str(source)
    for key, value in (overrides or {}).items():
        _set(values, key, value)
    for key in {"data", "output"} & values.keys():
        if isinstance(values[key], os.PathLike):
            values[key] = str(values[key])
    try:
        return TrainSettings.model_validate(values)
    except ValidationError as error:
        raise ConfigError([_sentence(one) for one in error.errors()], origin) from None


def _read(path: Path) -> dict[str, Any]:
    values = read_values(path, TrainSettings)
    base, method = path.resolve().parent, values.get("method")
    _anchor(values, ("data", "output"), base)
    if isinstance(method, dict):
        _anchor(method, ("weights",), base)
        if "." in str(method.get("base", "")):  # a file, not a name of keras.applications
            _anchor(method, ("base",), base)
    return values


def _anchor(values: dict[str, Any], keys: tuple[str, ...], base: Path) -> None:
    for key in keys:
        value = values.get(key)
        if isinstance(value, str) and "://" not in value:
            values[key] = str(base / Path(value).expanduser())


def _set(values: dict[str, Any], key: str, value: Any) -> None:
    parent, dot, last = key.partition(".")
    if not dot:
        values[parent] = value
        return
    inner = values.get(parent, {})
    inner = {"name": inner} if parent == "method" and isinstance(inner, str) else inner
    if not isinstance(inner, Mapping):
        raise ConfigError([f"{key!r}: {parent!r} holds a value, not keys"], "--set")
    if parent == "method" and "name" not in inner:
        inner = {"name": "probe", **inner}
    values[parent] = {**inner, last: value}


_METHODS: dict[str, type[_Section]] = {
    "probe": ProbeSettings,
    "network": NetworkSettings,
    "transfer": TransferSettings,
}


def _sentence(error: Any) -> str:
    """What one error of pydantic's says, with the key as it stands in the file."""
    place = [str(part) for part in error["loc"]]
    known: Any = TrainSettings.model_fields
    if place[0] == "method" and place[1:] and place[1] in _METHODS:
        known = _METHODS[place.pop(1)].model_fields
    where, message = ".".join(place), error["msg"].removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        return f"{where}: no such key{near(place[-1], known)}"
    if error["type"] == "missing":
        return f"{where}: is missing"
    if error["type"].startswith("union_tag"):
        return f"{where}.name: must be one of {', '.join(_METHODS)}"
    if "input" in error and not isinstance(error["input"], Mapping):
        message += f" (found {error['input']!r})"
    return f"{where}: {message}" if where else message
