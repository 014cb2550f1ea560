"""The sidecar: a YAML file beside a model that says what lies between pixels and probabilities."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from landcover.config import ModelSettings, place_of
from landcover.errors import ConfigError, StoreError
from landcover.models.fetch import read_text
from landcover.models.formats.detection import ModelFile
from landcover.models.formats.metadata import stated_in
from landcover.small_files import load_yaml

_KEYS = sorted(set(ModelSettings.model_fields) - {"path"})

_ENDS_OF_CHECKPOINTS = (".meta", ".index", ".data-00000-of-00001")


def with_sidecar(settings: ModelSettings) -> ModelSettings:
    """Add what the sidecar of a model says, where there is one; what is set already wins.

    The sidecar of ``retrained.model`` is ``retrained.model.yaml`` or ``retrained.yaml`` beside it,
    the first that is there; that of a folder may also lie in the folder, under either name. It may
    hold every key of :class:`~landcover.config.ModelSettings` but ``path``.

    Raises:
        ConfigError: naming every mistake in the sidecar.
    """
    for path in sidecar_paths(settings.path):
        text = _text(path)
        if text is not None:
            return _merged(settings, _anchored(_checked(text, path), path))
    return settings


def with_notes(told: ModelSettings, file: ModelFile) -> tuple[ModelSettings, list[str]]:
    """Add what notes in the file mean (:func:`stated_in`); what is told already wins.

    Mean and scale belong together: where one is told, the other is not taken from the notes.

    Returns:
        the settings, and the keys that the notes told.
    """
    notes = {key: value for key, value in stated_in(file).items() if getattr(told, key) is None}
    if tells_scaling(told):
        notes = {key: value for key, value in notes.items() if key not in ("mean", "scale")}
    return told.model_copy(update=notes), sorted(notes)


def tells_scaling(told: ModelSettings) -> bool:
    """Whether anything is told of the numbers that the network wants; also that it is 0 or 1."""
    return any(value is not None for value in (told.mean, told.mean_image, told.scale))


def sidecar_place(model: str) -> tuple[str, bool]:
    """Where the sidecar of a model lies, or would; and whether it is there."""
    places = sidecar_paths(model)
    there = [place for place in places if Path(place).is_file()]
    return (there[0], True) if there else (places[len(places) // 2 - 1], False)


def sidecar_paths(model: str) -> list[str]:
    """Where the sidecar of a model may lie, in the order in which it is looked for."""
    base, _, query = model.partition("?") if "://" in model else (model, "", "")
    base = base.rstrip("/").removesuffix("/saved_model.pb")
    for end in _ENDS_OF_CHECKPOINTS:
        base = base.removesuffix(end)
    folder, slash, name = base.rpartition("/")
    stem = name.rpartition(".")[0] or name
    names = dict.fromkeys((f"{name}.yaml", f"{stem}.yaml"))
    places = [f"{folder}{slash}{n}" for n in names] + [f"{base}/{n}" for n in names]
    return [f"{place}?{query}" if query else place for place in places]


def _text(path: str) -> str | None:
    try:
        return read_text(path)
    except UnicodeDecodeError:
        raise ConfigError(["is not text in UTF-8"], path) from None
    except StoreError:
        raise
    except OSError as error:
        raise ConfigError([f"cannot be read: {error.strerror or error}"], path) from None


def _checked(text: str, origin: str) -> dict[str, Any]:
    try:
        values = load_yaml(text) or {}
    except yaml.YAMLError as error:
        raise ConfigError([f"is not YAML: {place_of(error)}"], origin) from None
    if not isinstance(values, dict):
        raise ConfigError(["must hold keys such as classes, mean and scale"], origin)
    if {"source", "model"} <= values.keys():
        reason = "is a run's configuration where a model's sidecar is looked for: rename either"
        raise ConfigError([reason], origin)
    if "path" in values:
        raise ConfigError(["path: a sidecar belongs to the model beside it"], origin)
    try:
        checked = ModelSettings.model_validate({**values, "path": ""})
    except ValidationError as error:
        raise ConfigError(_sentences(error), origin) from None
    return {key: getattr(checked, key) for key in values}


def _anchored(values: dict[str, Any], sidecar: str) -> dict[str, Any]:
    """What the sidecar says, with the file it names where that lies: relative to the sidecar."""
    told = values.get("mean_image")
    if told is None or "://" in told or Path(told).expanduser().is_absolute():
        return values
    base, mark, query = sidecar.partition("?") if "://" in sidecar else (sidecar, "", "")
    return {**values, "mean_image": f"{base.rpartition('/')[0] or '.'}/{told}{mark}{query}"}


def _sentences(error: ValidationError) -> list[str]:
    """One sentence per key, although a key of several types fails once for each of them."""
    reasons: dict[str, str] = {}
    for mistake in error.errors():
        key = str(mistake["loc"][0])
        reason = f"{mistake['msg'][0].lower()}{mistake['msg'][1:]} (found {mistake['input']!r})"
        if mistake["type"] == "extra_forbidden":
            reason = "no such key"
        reasons[key] = f"{reasons[key]}, or {reason}" if key in reasons else reason
    unknown = [key for key, reason in reasons.items() if reason == "no such key"]
    if unknown:
        reasons[unknown[-1]] += f"; there are {', '.join(_KEYS)}"
    return [f"{key}: {reason}" for key, reason in reasons.items()]


def _merged(settings: ModelSettings, sidecar: dict[str, Any]) -> ModelSettings:
    told = {key: getattr(settings, key) for key in settings.model_fields_set}
    told = {key: value for key, value in told.items() if value is not None}
    # One takes the place of the other.
    for key, other in (("mean", "mean_image"), ("mean_image", "mean")):
        if key in told and other not in told:
            sidecar = {name: value for name, value in sidecar.items() if name != other}
    return ModelSettings.model_validate({**sidecar, **told})
