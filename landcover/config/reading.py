"""Reading a configuration: the file, then environment variables, then arguments."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from landcover.config.mistakes import keys_of, near, place_of, sentence
from landcover.config.settings import BESIDE, FIRST_KEYS, Config
from landcover.config.subdataset import subdataset
from landcover.errors import ConfigError
from landcover.small_files import load_yaml, read_regular

ENVIRONMENT_PREFIX = "LANDCOVER_"

# Relative ones count from the file that names them.
PATHS_OF_A_MODEL = {"path", "mean_image"}
_PATHS_OF_A_BASE = {"weights", "base"}

# Sections that only commands other than score have; each leaves alone what is set for another.
_OF_OTHERS = {"reference", "labels", "split", "draw", "method"}

# The value is not shown: a password may begin with what means something to YAML.
_NO_YAML = "is not YAML: close its brackets or, if it is text, put it in quotes of its own"

S = TypeVar("S", bound=BaseModel)

_LOG = logging.getLogger(__name__)


def load_config(
    source: str | Path | Mapping[str, Any],
    overrides: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Config:
    """Read the configuration of a scoring run and apply overrides to it: :func:`load_settings`."""
    return load_settings(Config, source, overrides, environment)


def load_settings(
    kind: type[S],
    source: str | Path | Mapping[str, Any],
    overrides: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] = os.environ,
) -> S:
    """Read a configuration and apply overrides to it.

    Args:
        kind: what is configured: its sections are the fields of this class.
        source: a YAML file, or the same as nested mappings.
        overrides: values by dotted key, as in ``{"backend.name": "spark"}``; they win over
            environment variables, which win over the file.
        environment: variables of which those that begin with ``LANDCOVER_`` and hold two
            underscores (``LANDCOVER_BACKEND__NAME``) are taken as overrides.

    Raises:
        ConfigError: naming every mistake.
    """
    origin = str(source) if isinstance(source, (str, Path)) else "the arguments"
    values = _read(Path(source), kind) if isinstance(source, (str, Path)) else _copy(source)
    base = Path(source).resolve().parent if isinstance(source, (str, Path)) else Path.cwd()
    if isinstance(source, (str, Path)):
        _anchor(values, base)
    later = {**_from_environment(environment, kind), **(overrides or {})}
    for key, value in later.items():
        _set(values, key, value)
    return checked(kind, values, origin)


def checked(kind: type[S], values: Mapping[str, Any], origin: str = "the arguments") -> S:
    """Values as settings of some kind.

    Args:
        kind: which.
        values: by key.
        origin: where they were told.

    Raises:
        ConfigError: naming every mistake.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise ConfigError([sentence(e, kind) for e in error.errors()], origin) from None


def parse_override(text: str) -> tuple[str, Any]:
    """Split ``key.path=value`` of the command line; the value is read as YAML.

    Raises:
        ConfigError: if there is no ``=`` or the value is not YAML.
    """
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise ConfigError([f"{text!r} is not of the form key.path=value"], "--set")
    try:
        return key.strip(), load_yaml(value)
    except yaml.YAMLError:
        raise ConfigError([f"the value of {key!r} {_NO_YAML}"], "--set") from None


def _read(path: Path, kind: type[BaseModel]) -> dict[str, Any]:
    try:
        values = load_yaml(read_regular(path).decode("utf-8"))
    except OSError as error:
        raise ConfigError([f"cannot be read: {error.strerror}"], str(path)) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError([f"is not YAML: {place_of(error)}"], str(path)) from None
    if not isinstance(values, dict):
        raise ConfigError([f"must hold the keys {keys_of(kind)}"], str(path))
    return values


def _copy(values: Any) -> Any:
    return {k: _copy(v) for k, v in values.items()} if isinstance(values, Mapping) else values


def _from_environment(environment: Mapping[str, str], kind: type[BaseModel]) -> dict[str, Any]:
    """Overrides by dotted key; sections that only other commands have are left to these."""
    found, known = {}, {*Config.model_fields, *_OF_OTHERS}
    for key, value in environment.items():
        # Variables without a section, such as LANDCOVER_CACHE, are not of the configuration.
        if not key.startswith(ENVIRONMENT_PREFIX) or "__" not in key:
            _tell_of_single_underscores(key)
            continue
        section, *_ = path = key.removeprefix(ENVIRONMENT_PREFIX).lower().split("__")
        if section not in known:
            nearest = near(section, known)
            reason = f"no section of the configuration is called {section!r}{nearest}"
            raise ConfigError([reason], f"the environment variable {key}")
        if section not in kind.model_fields:
            continue
        try:
            found[".".join(path)] = load_yaml(value)
        except yaml.YAMLError:
            raise ConfigError([f"its value {_NO_YAML}"], key) from None
    return found


def _tell_of_single_underscores(variable: str) -> None:
    """Say of a variable that reads like a key, and may be another program's, how a key is written."""
    section, _, key = variable.removeprefix(ENVIRONMENT_PREFIX).lower().partition("_")
    if not variable.startswith(ENVIRONMENT_PREFIX) or section not in Config.model_fields:
        return
    if key in getattr(Config.model_fields[section].annotation, "model_fields", ()):
        meant = f"{ENVIRONMENT_PREFIX}{section}__{key}".upper()
        _LOG.warning("%s sets nothing: a key is written with two underscores, %s", variable, meant)


def _set(values: dict[str, Any], key: str, value: Any) -> None:
    *parents, last = key.split(".")
    for parent in parents:
        inner = values.setdefault(parent, {})
        if parent in FIRST_KEYS and isinstance(inner, (str, Path)):
            inner = values[parent] = {FIRST_KEYS[parent]: str(inner)}
        if not isinstance(inner, dict):
            raise ConfigError([f"{key!r}: {parent!r} holds a value, not keys"], "--set")
        values = inner
    values[last] = value


def _anchor(values: dict[str, Any], base: Path) -> None:
    """Make the relative paths of a file absolute, in place."""
    source = values.get("source")
    if isinstance(source, dict):
        for key in ("rasters", "images"):
            source[key] = _anchored(source.get(key) or [], base)
        date = source.get("date")
        if isinstance(date, dict) and date.get("stac") not in (None, BESIDE):
            date["stac"] = _anchored(date["stac"], base)
    else:
        source = {}
    split = values.get("split")
    regions = split.get("regions") if isinstance(split, dict) else None
    places = [(values, section) for section in ("model", "reference", "output")]
    places += [(regions, name) for name in regions] if isinstance(regions, dict) else []
    for holder, section in (*places, (source, "region")):
        inner = holder.get(section)
        if isinstance(inner, str):
            holder[section] = _anchored(inner, base)
        elif isinstance(inner, dict):
            for key in PATHS_OF_A_MODEL & inner.keys():
                inner[key] = _anchored(inner[key], base)
    _anchor_training(values, base)


def _anchor_training(values: dict[str, Any], base: Path) -> None:
    """The paths of a training: its tiles, and the network that it begins with where that is a file."""
    if "data" in values:
        values["data"] = _anchored(values["data"], base)
    method = values.get("method")
    holders = [method, method.get("features")] if isinstance(method, dict) else []
    for holder in (one for one in holders if isinstance(one, dict)):
        for key in _PATHS_OF_A_BASE & holder.keys():
            if "." in str(holder[key]):  # else a name of keras.applications
                holder[key] = _anchored(holder[key], base)


def _anchored(path: Any, base: Path) -> Any:
    if isinstance(path, list):
        return [_anchored(item, base) for item in path]
    if not isinstance(path, str):
        return path
    if found := subdataset(path):
        return found._replace(file=_anchored(found.file, base)).text
    inside, chained, archive = path.partition("::")
    if chained and inside.startswith(("zip://", "tar://")):
        return f"{inside}::{_anchored(archive, base)}"
    return path if "://" in path else str(base / Path(path).expanduser())
