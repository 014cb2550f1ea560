"""``landcover.score``: what a script says in one call becomes the configuration of a run."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from landcover.config import load_config
from landcover.contracts import Backend
from landcover.errors import ConfigError
from landcover.run import Run
from landcover.runs.claiming import erase
from landcover.scoring.driver import run
from landcover.scoring.totals import Tiles


def score(
    config: str | Path | Mapping[str, Any] | None = None,
    *,
    rasters: Any = None,
    images: Any = None,
    model: str | Path | Mapping[str, Any] | None = None,
    backend: str | Mapping[str, Any] | Backend | None = None,
    output: str | Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    progress: Callable[[Tiles], None] | None = None,
    extend: bool = False,
    restart: bool = False,
) -> Run:
    """Score imagery with a model and write a run directory.

    Args:
        config: a YAML file, or the same as nested mappings (``landcover.config.Config``).
        rasters: scenes, in place of ``source.rasters``; or an ``xarray.DataArray`` with dims
            (band, y, x) and a CRS, or a Dataset of such, which is written beside the run first.
        images: image files, in place of ``source.images``.
        model: in place of ``model.path``, or of several keys of the section ``model``.
        backend: in place of ``backend.name``, or of several keys of that section; or a backend
            made by hand, which is left open.
        output: in place of ``output.path``.
        overrides: any other keys, dotted: ``{"source.tile": 128}``.
        progress: called with a :class:`Tiles` after each task.
        extend: go on with a run that had other inputs: only scenes and images that are new or have
            changed are scored, and maps are made of all.
        restart: remove first what a run in this directory has written.

    Returns:
        The run, once all of it is done.

    Raises:
        LandcoverError: a subclass says what is wrong.
        TooManyFailures: the run has come to its end, but more tiles failed than allowed.
    """
    by_hand = backend if isinstance(backend, Backend) else None
    settings = {
        **section("model", "path", model),
        **backend_settings(backend),
        **section("output", "path", output),
        **({"source.images": images} if images is not None else {}),
        **(overrides or {}),
    }
    if _is_array(rasters):
        from landcover.scoring.array_source import write_source

        settings["source.rasters"] = [write_source(rasters, _output_of(config, settings))]
    elif rasters is not None:
        settings["source.rasters"] = rasters
    resolved = load_config(config if config is not None else {}, settings)
    if extend and restart:
        raise ConfigError(["extend and restart exclude one another"], "the arguments")
    if restart:
        erase(resolved.output.path)
    return run(resolved, by_hand, progress or (lambda tiles: None), extend)


def _is_array(rasters: Any) -> bool:
    """Whether scenes are given as an array of xarray, which nobody has who has not imported it."""
    xarray = sys.modules.get("xarray")
    return xarray is not None and isinstance(rasters, (xarray.DataArray, xarray.Dataset))


def backend_settings(given: str | Mapping[str, Any] | Backend | None) -> dict[str, Any]:
    """The section ``backend``; one made by hand takes its place, in ``run.json`` by its kind."""
    if isinstance(given, Backend):
        return {"backend": {"name": type(given).__name__}}
    if given is not None and not isinstance(given, (str, Mapping)):
        kind = f"{type(given).__module__}.{type(given).__qualname__}"
        reason = "must be a name, options by name, or a backend such as DaskBackend(client=...)"
        raise ConfigError([f"backend: {reason}, not a {kind}"], "the arguments")
    return section("backend", "name", given)


def section(name: str, first: str, given: Any) -> dict[str, Any]:
    """A section given by its first key alone, or by several of its keys, as dotted overrides."""
    if given is None:
        return {}
    if isinstance(given, Mapping):
        return {f"{name}.{key}": value for key, value in given.items()}
    return {f"{name}.{first}": str(given)}


def _output_of(config: str | Path | Mapping[str, Any] | None, settings: Mapping[str, Any]) -> str:
    """Where a run will write, before its configuration is complete."""
    if "output.path" in settings:
        return str(settings["output.path"])
    if config is None:
        raise ConfigError(["output: is missing"], "the arguments")
    whole = {"source.rasters": ["to be written"], **settings}
    return load_config(config, whole).output.path
