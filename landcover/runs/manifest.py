"""What ``run.json`` may hold: it may come from anyone, so that nothing of it is used before it is looked at."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from landcover.redaction import printable
from landcover.small_files import load_json

MOST_MANIFEST = 16_000_000
"""Bytes of a ``run.json``: of a run of 100,000 scenes, with the name of each of their maps."""


def _inside(name: str) -> str:
    parts = name.split("/")
    if name != printable(name) or "\n" in name or "://" in name or not {"", ".."}.isdisjoint(parts):
        raise ValueError("is no name of a file in the run's directory")
    return name


def _shown(text: str) -> str:
    if text != printable(text):
        raise ValueError("holds control characters")
    return text


def _moment(text: str) -> str:
    try:
        datetime.fromisoformat(text).astimezone(UTC)
    except OverflowError as error:
        raise ValueError(str(error)) from None
    return text


Count: TypeAlias = Annotated[int, Field(ge=0, le=2**62)]
Number: TypeAlias = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Name: TypeAlias = Annotated[str, AfterValidator(_inside)]
Shown: TypeAlias = Annotated[str, AfterValidator(_shown)]
Moment: TypeAlias = Annotated[str, AfterValidator(_moment)]
Options: TypeAlias = dict[str, Any]


class _Part(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True)


class _Source(_Part):
    rasters: list[str | list[str]] = []
    images: list[str] = []


class _Config(_Part):
    source: _Source = _Source()
    output: Options = {}


class _Plan(_Part):
    tiles: Count
    task_tiles: Annotated[int, Field(ge=1, le=2**31)]


class _Tiles(_Part):
    planned: Count = 0
    scored: Count = 0
    quarantined: Count = 0
    skipped: Count = 0


class _Accuracy(_Part):
    text: Shown


class _Figures(_Part):
    seconds: Number = 0.0
    workers: Count = 0
    peak_memory: Count = 0
    bytes: Count | None = None
    cost: Number | None = None
    currency: Annotated[Shown, Field(max_length=12)] = ""
    kwh: Number | None = None


class _Smoothed(_Part):
    from_: str = Field(alias="from")
    date: str = ""


class _Precision(_Part):
    precision: Shown
    agreement: Number
    labels: Count
    tiles: Count
    largest_score_difference: Number
    lower_bound: Number | None = None
    at_least: Number | None = None
    layers: Count | None = None
    kept: Count | None = None


class _Manifest(_Part):
    """The keys that commands read; which of them are there depends on how far the run is."""

    classes: Any
    status: str = ""
    started: Moment = ""
    finished: Moment = ""
    reason: Shown = ""
    note: Shown | None = None
    advice: Shown | None = None
    config: _Config = _Config()
    model: Options = {}
    versions: dict[str, str] = {}
    plan: _Plan | None = None
    fingerprint: Options = {}
    tiles: _Tiles | None = None
    retryable: Count = 0
    undefined_pixels: Count = 0
    tiles_per_second: Number | None = None
    seconds: Number = 0.0
    tasks: Count = 0
    model_loads: Count = 0
    multiply_adds: dict[str, int] = {}
    peak_memory: Count = 0
    figures: _Figures = _Figures()
    planned: _Figures = _Figures()
    devices: dict[str, int] = {}
    workers: dict[str, int] = {}
    installations: list[Options] = []
    stages: dict[str, Number] = {}
    files: list[Name] = []
    dates: dict[Name, list[Name]] = {}
    smoothed: _Smoothed | None = None
    compared: list[str] = []
    compared_dates: list[str] = []
    accuracy: _Accuracy | None = None
    precision_check: _Precision | None = None


def parsed_manifest(content: bytes) -> dict[str, Any]:
    """The values of a ``run.json``, of which those that commands read are of the right kind.

    Raises:
        ValueError: they are not, or it is no JSON, or too large; the text says why.
    """
    values = load_json(content)
    if not isinstance(values, dict) or "classes" not in values:
        raise ValueError("it is not what landcover writes")
    try:
        _Manifest.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ValueError(f"it is not what landcover writes: {where}: {first['msg']}") from None
    return values


def now() -> str:
    """This moment, as ``run.json`` tells it."""
    return datetime.now(UTC).isoformat(timespec="seconds")
