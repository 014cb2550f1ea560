"""The configuration of a run: strict, frozen, every mistake named at once.

A configuration is read from YAML; single keys may be overridden by dotted names
(``backend.workers=4``), given as arguments or as environment variables
(``LANDCOVER_BACKEND__WORKERS=4``). Relative paths count from the file that names them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from landcover.errors import ConfigError
from landcover.redaction import redacted_values
from landcover.small_files import load_yaml, read_regular

ENVIRONMENT_PREFIX = "LANDCOVER_"

# Sections that their first key alone may stand for.
_FIRST = {"model": "path", "backend": "name", "output": "path", "region": "path"}

_SUBDATASET = re.compile(
    r'(?P<driver>[A-Z][A-Z0-9_]{2,}):(?:"(?P<quoted>[^"]+)"|(?P<file>(?!//)[^:"]+))(?P<rest>:.+)',
    re.IGNORECASE,
)

# Relative ones count from the file that names them.
PATHS_OF_A_MODEL = {"path", "mean_image"}

Device: TypeAlias = Literal["auto", "cpu", "gpu"]
Precision: TypeAlias = Literal["f32", "bf16", "f16"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
Alpha: TypeAlias = Literal["mask", "imagery"]
Inside: TypeAlias = Literal["whole", "centre", "touch"]
Resize: TypeAlias = Literal["none", "fit", "crop", "pad"]
PerBand: TypeAlias = float | tuple[float, ...]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


class RegionSettings(_Section):
    """The ground that is scored: polygons of a vector file, in any CRS.

    Args:
        path: a file that OGR reads, or GeoParquet; local or an fsspec URL.
        layer: which layer of it; default: the only one.
        where: which features, as a condition in SQL (``NAME = 'Middlesex'``); default: all.
    """

    path: str
    layer: str | None = None
    where: str | None = None


class SourceSettings(_Section):
    """Which imagery is scored, and how tiles cover it.

    Args:
        rasters: scenes: paths, globs, folders or fsspec URLs; an entry that is itself a list names
            the files of one scene that keeps a file per band, in the order of the bands.
        images: image files: paths, globs, folders or fsspec URLs.
        tile: edge of what the network sees, in pixels at ``resolution``; default: the model's.
        stride: distance between neighbouring tiles in pixels; default: the tile less its halo.
        halo: pixels read around what a tile writes; default: the model's.
        resolution: metres a pixel; default: the model's, else the scene's own.
        bands: bands in the order of the network, from 1 or by their names; default: the model's.
        grid: where tiles begin: at the corner of each "scene", or on one lattice on the "ground"
            for all scenes of one CRS and resolution.
        region: rasters only: nothing outside of these polygons is scored.
        inside: which tiles lie in the region: "whole" ones, those whose "centre" does, or all that
            "touch" it; default: centre, and for networks that label pixels touch: of these, only
            the labels of pixels whose centre lies in the region are kept.
        alpha: what a band is that its file declares alpha: a "mask" of the pixels, or "imagery";
            default: imagery if the network reads it, else a mask.
        resize: what to do with images of another size than the network's window: "none" (they are
            not scored), "fit" (resampled), "crop" (their middle), "pad" (mirrored at their edges).
        labels: "parent": the true label of an image is the name of its folder.
        task: tiles a task; default: chosen for the model.
    """

    rasters: tuple[str | tuple[str, ...], ...] = ()
    images: tuple[str, ...] = ()
    tile: int | None = Field(None, ge=1)
    stride: int | None = Field(None, ge=1)
    halo: int | None = Field(None, ge=0)
    resolution: float | None = Field(None, gt=0)
    bands: tuple[int | str, ...] | None = None
    grid: Literal["scene", "ground"] = "scene"
    region: RegionSettings | None = None
    inside: Inside | None = None
    alpha: Alpha | None = None
    resize: Resize = "none"
    labels: Literal["parent"] | None = None
    task: int | None = Field(None, ge=1)

    @model_validator(mode="before")
    @classmethod
    def _one_or_many(cls, values: Any) -> Any:
        return _with_first(_listed(values, "rasters", "images"), {"region": "path"})

    @model_validator(mode="after")
    def _exactly_one(self) -> SourceSettings:
        if bool(self.rasters) == bool(self.images):
            raise ValueError("needs either 'rasters' or 'images'")
        if self.labels and self.rasters:
            raise ValueError("'labels' goes with 'images': a raster has no folder per class")
        if self.region and self.images:
            raise ValueError("'region' goes with 'rasters': image files have no place on earth")
        if self.inside and not self.region:
            raise ValueError(
                "'inside' says which tiles of a 'region' are scored, and there is none"
            )
        if self.resize != "none" and self.rasters:
            raise ValueError("'resize' goes with 'images'; rasters have 'resolution'")
        return self


class ModelSettings(_Section):
    """Which network is applied, and everything between pixels and probabilities.

    All but ``path`` may also stand in the sidecar, a YAML file of the model's name beside it; what
    is set here wins.

    Args:
        path: the model file or folder, local or an fsspec URL.
        runtime: what executes the network; "auto" chooses by a stated rule.
        precision: arithmetic of the network.
        device: what the network runs on: "auto" is a GPU on hosts that have any which the runtime
            can use, one for each worker process, and the CPU on others.
        batch: tiles given to the network at once.
        head: which of several outputs: its name or its index from 0.
        classes: names in the order of the network's output, or the name of a scheme.
        bands: bands of the imagery that the network reads, from 1 or by name, in its order.
        channel_order: "bgr" where the network wants the three colours in reverse.
        mean: subtracted from pixels, one number or one a band.
        mean_image: in place of ``mean``: a mean file of CNTK (.xml), with a number for every pixel.
        scale: the network gets (pixel - mean) * scale; one number or one a band.
        input_size: edge of what the network sees, in pixels.
        resolution: metres a pixel that the network was trained at.
        output: "tile" for a label a tile, "pixel" for a label a pixel.
        activation: what the network leaves to do: "softmax" where it ends in the logits of classes
            of which one is true, "sigmoid" where in logits of single ones, "none" where in
            probabilities.
        threshold: of a network with one output: from which probability on the label is the second
            of two classes.
        output_stride: pixels of the window from one label of the network to the next; the
            probabilities are interpolated between them.
        halo: pixels on each side of the window that get no label.
    """

    path: str
    runtime: str = "auto"
    precision: Precision = "f32"
    device: Device = "auto"
    batch: int | Literal["auto"] = "auto"
    head: str | int | None = None
    classes: str | tuple[str, ...] | None = None
    bands: tuple[int | str, ...] | None = None
    channel_order: Literal["rgb", "bgr"] | None = None
    mean: PerBand | None = None
    mean_image: str | None = None
    scale: PerBand | None = None
    input_size: int | None = Field(None, ge=1)
    resolution: float | None = Field(None, gt=0)
    output: Literal["tile", "pixel"] | None = None
    activation: Literal["softmax", "sigmoid", "none"] | None = None
    threshold: float | None = Field(None, gt=0, lt=1)
    output_stride: int | None = Field(None, ge=1)
    halo: int | None = Field(None, ge=0)


class BackendSettings(BaseModel):
    """What spreads the work: a name, and the options of that backend by name."""

    model_config = ConfigDict(frozen=True, extra="allow")

    name: str = "local"

    @property
    def options(self) -> dict[str, Any]:
        """The options that are set, to be given to the backend's constructor."""
        return {key: value for key, value in (self.model_extra or {}).items() if value is not None}


class OutputSettings(_Section):
    """Where the run's directory is, and what it holds beyond the usual.

    Args:
        path: a local folder or an fsspec URL.
        probabilities: whether tables hold the probabilities of all classes.
        mosaic: of several scenes: "index" for a virtual raster that shows their maps as one, "cog"
            for one map of them all.
    """

    path: str
    probabilities: bool = False
    mosaic: Literal["index", "cog"] = "index"


class FailureSettings(_Section):
    """What to do with tiles that fail: set them aside up to a share of the plan, or stop."""

    policy: Literal["quarantine", "fail"] = "quarantine"
    at_most: float = Field(0.01, ge=0, le=1)


class Config(_Section):
    """One scoring run."""

    source: SourceSettings
    model: ModelSettings
    backend: BackendSettings = BackendSettings()
    output: OutputSettings
    failures: FailureSettings = FailureSettings()

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, values: Any) -> Any:
        """``model: path``, ``backend: name`` and ``output: path`` stand for their first keys."""
        if not isinstance(values, Mapping):
            raise ValueError("must hold the keys source, model, backend, output")  # noqa: TRY004
        return _with_first(values, _FIRST)

    def recorded(self) -> dict[str, Any]:
        """All that is set as plain JSON values, for ``run.json``.

        Secrets are left out, and objects handed to a backend (a client, a session) stand there as
        their kind.
        """
        values = self.model_dump(mode="json", exclude_none=True, exclude={"backend"})
        options = {key: _recorded(value) for key, value in self.backend.options.items()}
        found: dict[str, Any] = redacted_values(
            {**values, "backend": {"name": self.backend.name, **options}}
        )
        return found


def load_config(
    source: str | Path | Mapping[str, Any],
    overrides: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Config:
    """Read a configuration and apply overrides to it.

    Args:
        source: a YAML file, or the same as nested mappings.
        overrides: values by dotted key, as in ``{"backend.name": "spark"}``; they win over
            environment variables, which win over the file.
        environment: variables of which those that begin with ``LANDCOVER_`` and hold two
            underscores (``LANDCOVER_BACKEND__NAME``) are taken as overrides.

    Raises:
        ConfigError: naming every mistake.
    """
    origin = str(source) if isinstance(source, (str, Path)) else "the arguments"
    values = _read(Path(source)) if isinstance(source, (str, Path)) else _copy(source)
    base = Path(source).resolve().parent if isinstance(source, (str, Path)) else Path.cwd()
    if isinstance(source, (str, Path)):
        _anchor(values, base)
    later = {**_from_environment(environment), **(overrides or {})}
    for key, value in later.items():
        _set(values, key, value)
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        raise ConfigError([_sentence(e) for e in error.errors()], origin) from None


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
        raise ConfigError([f"the value of {key!r} is not YAML: {value!r}"], "--set") from None


def place_of(error: yaml.YAMLError | UnicodeDecodeError) -> str:
    """What is wrong with a YAML file, and in which line."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"line {error.problem_mark.line + 1}: {error.problem}"
    return str(error).splitlines()[0]


def _read(path: Path) -> dict[str, Any]:
    try:
        values = load_yaml(read_regular(path).decode("utf-8"))
    except OSError as error:
        raise ConfigError([f"cannot be read: {error.strerror}"], str(path)) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError([f"is not YAML: {place_of(error)}"], str(path)) from None
    if not isinstance(values, dict):
        raise ConfigError(["must hold the keys source, model, backend, output"], str(path))
    return values


def _copy(values: Any) -> Any:
    return {k: _copy(v) for k, v in values.items()} if isinstance(values, Mapping) else values


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    found = {}
    for key, value in environment.items():
        # Variables without a section, such as LANDCOVER_CACHE, are not of the configuration.
        if not key.startswith(ENVIRONMENT_PREFIX) or "__" not in key:
            continue
        section, *_ = path = key.removeprefix(ENVIRONMENT_PREFIX).lower().split("__")
        if section not in Config.model_fields:
            near = _near(section, Config.model_fields)
            reason = f"no section of the configuration is called {section!r}{near}"
            raise ConfigError([reason], f"the environment variable {key}")
        try:
            found[".".join(path)] = load_yaml(value)
        except yaml.YAMLError:
            raise ConfigError([f"its value is not YAML: {value!r}"], key) from None
    return found


def _set(values: dict[str, Any], key: str, value: Any) -> None:
    *parents, last = key.split(".")
    for parent in parents:
        inner = values.setdefault(parent, {})
        if parent in _FIRST and isinstance(inner, (str, Path)):
            inner = values[parent] = {_FIRST[parent]: str(inner)}
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
    else:
        source = {}
    for holder, section in ((values, "model"), (values, "output"), (source, "region")):
        inner = holder.get(section)
        if isinstance(inner, str):
            holder[section] = _anchored(inner, base)
        elif isinstance(inner, dict):
            for key in PATHS_OF_A_MODEL & inner.keys():
                inner[key] = _anchored(inner[key], base)


def _anchored(path: Any, base: Path) -> Any:
    if isinstance(path, list):
        return [_anchored(item, base) for item in path]
    if not isinstance(path, str):
        return path
    if found := subdataset(path):
        return found._replace(file=_anchored(found.file, base)).text
    return path if "://" in path else str(base / Path(path).expanduser())


class Subdataset(NamedTuple):
    """One of the rasters that a local file holds, as GDAL names it: ``NETCDF:"a.nc":red``.

    Args:
        driver: of GDAL.
        file: that holds it.
        rest: what tells it from the others, with the colon.
    """

    driver: str
    file: str
    rest: str

    @property
    def text(self) -> str:
        """The name, which GDAL takes without quotes unless the file's has a colon."""
        file = f'"{self.file}"' if ":" in self.file else self.file
        return f"{self.driver}:{file}{self.rest}"


def subdataset(text: str) -> Subdataset | None:
    """Take the name of a subdataset apart; None for a path or URL that is none."""
    found = _SUBDATASET.fullmatch(text)
    return (
        Subdataset(found["driver"], found["quoted"] or found["file"], found["rest"])
        if found
        else None
    )


def _recorded(value: Any) -> Any:
    """An option of a backend as a plain JSON value."""
    if isinstance(value, (str, int, float)):
        return value
    if isinstance(value, (list, tuple)):
        return [_recorded(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _recorded(item) for key, item in value.items()}
    return f"{type(value).__module__}.{type(value).__qualname__}"


def _listed(values: Any, *keys: str) -> Any:
    if not isinstance(values, Mapping):
        return values
    single = (str, Path)
    return {
        key: [str(value)] if key in keys and isinstance(value, single) else value
        for key, value in values.items()
    }


def _with_first(values: Any, first: Mapping[str, str]) -> Any:
    """Values in which a section that is a text is one whose first key has it."""
    if not isinstance(values, Mapping):
        return values
    return {
        key: {first[key]: str(value)} if key in first and isinstance(value, (str, Path)) else value
        for key, value in values.items()
    }


def _known(section: Sequence[Any]) -> Iterable[str]:
    """The keys of a section of the configuration, or of the configuration itself."""
    fields = Config.model_fields
    for key in section:
        kind = fields[str(key)].annotation
        kinds = [one for one in (kind, *get_args(kind)) if isinstance(one, type)]
        inner = [one for one in kinds if issubclass(one, BaseModel)]
        if not inner:
            return ()
        fields = inner[0].model_fields
    return fields


def _near(word: str, known: Iterable[str]) -> str:
    """The known word that was probably meant, as the end of a sentence; empty if none is near."""
    near = get_close_matches(word, list(known), 1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _sentence(error: Any) -> str:
    where = ".".join(str(part) for part in error["loc"])
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        return f"{where}: no such key{_near(str(error['loc'][-1]), _known(error['loc'][:-1]))}"
    if error["type"] == "missing":
        return f"{where}: is missing"
    if "input" in error and not isinstance(error["input"], Mapping):
        message += f" (found {error['input']!r})"
    return f"{where}: {message}" if where else message
