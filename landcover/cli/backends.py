"""The options ``--backend`` and ``--workers`` of commands that read whole maps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from landcover.contracts import Backend
from landcover.plugins import load_backend

_Command = Callable[..., Any]


def backend_options(command: _Command) -> _Command:
    """Add both options to a command."""
    workers = click.option(
        "--workers", type=click.IntRange(min=1), help="How many work at the same time."
    )
    backend = click.option(
        "--backend", default="local", show_default=True, help="local, dask, spark."
    )
    return backend(workers(command))


def backend_of(name: str, workers: int | None) -> Backend:
    """The backend that the two options name."""
    return load_backend(name, **({} if workers is None else {"workers": workers}))
