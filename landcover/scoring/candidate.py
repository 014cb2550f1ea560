"""Ways to run a configuration, and which of them cannot run here: found out without a run."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from landcover.config import load_config
from landcover.errors import LandcoverError, ModelError
from landcover.models.quantization.quantize import check_quantizable
from landcover.models.recipe import make_recipe
from landcover.plugins import load_backend
from landcover.scoring.plan import model_settings


class Candidate(NamedTuple):
    """What may differ; ``workers`` None: what the backend or the configuration says."""

    backend: str
    runtime: str
    precision: str
    workers: int | None

    def overrides(self) -> dict[str, Any]:
        """What it sets in a configuration."""
        keys = ("backend.name", "model.runtime", "model.precision", "backend.workers")
        pairs = zip(keys, self, strict=True)
        return {key: value for key, value in pairs if value is not None}


def impossible(
    config: str | Path | Mapping[str, Any],
    candidates: Sequence[Candidate],
    overrides: Mapping[str, Any],
) -> dict[Candidate, str]:
    """Which of the candidates cannot run here, and why.

    Args:
        config: as :func:`landcover.score` takes it.
        candidates: ways to run it.
        overrides: keys of the configuration, dotted.
    """
    backends = {name: _backend_reason(name) for name in {one.backend for one in candidates}}
    networks: dict[tuple[str, str], str | None] = {}
    for runtime in dict.fromkeys(one.runtime for one in candidates):
        precisions = list(dict.fromkeys(o.precision for o in candidates if o.runtime == runtime))
        networks |= _network_reasons(config, overrides, runtime, precisions)
    found = {
        one: backends[one.backend] or networks[one.runtime, one.precision] for one in candidates
    }
    return {candidate: reason for candidate, reason in found.items() if reason is not None}


@contextmanager
def own_process() -> Iterator[ProcessPoolExecutor]:
    """A new process, which has used and started nothing yet."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as process:
        yield process


def _backend_reason(name: str) -> str | None:
    try:
        load_backend(name)
    except LandcoverError as error:
        return str(error)
    return None


def _network_reasons(
    config: str | Path | Mapping[str, Any],
    overrides: Mapping[str, Any],
    runtime: str,
    precisions: Sequence[str],
) -> dict[tuple[str, str], str | None]:
    with own_process() as process:
        try:
            arguments = (config, overrides, runtime, precisions)
            return process.submit(_reasons_here, *arguments).result()
        except BrokenProcessPool:
            reason = "its process died as it opened the model; the memory may not suffice"
            return {(runtime, precision): reason for precision in precisions}


def _reasons_here(
    config: str | Path | Mapping[str, Any],
    overrides: Mapping[str, Any],
    runtime: str,
    precisions: Sequence[str],
) -> dict[tuple[str, str], str | None]:
    """Why a runtime does not open the model in some precisions; None where it does."""
    found: dict[tuple[str, str], str | None] = {}
    for precision in precisions:
        keys = {"model.runtime": runtime, "model.precision": precision, "output.path": "unused"}
        try:
            recipe = make_recipe(
                model_settings(load_config(config, {**overrides, **keys})), here=False
            )
            if precision == "i8":
                check_quantizable(recipe)
            found[runtime, precision] = None
        except LandcoverError as error:
            reason = error.reason if isinstance(error, ModelError) else str(error)
            found[runtime, precision] = reason
    return found
