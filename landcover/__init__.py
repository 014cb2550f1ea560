"""Apply trained land-cover networks to more imagery than one process can take.

Nothing heavy is imported before it is used: ``import landcover`` is quick, and brings neither Dask
nor Spark nor any runtime.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from landcover.analysis.stratified import stratified_estimates as stratified_estimates
    from landcover.changes import Change as Change
    from landcover.changes import change as change
    from landcover.changes import open_change as open_change
    from landcover.config import load_config as load_config
    from landcover.errors import LandcoverError as LandcoverError
    from landcover.labelling.prepare import prepare as prepare
    from landcover.report.page.write import write_report as write_report
    from landcover.run import Run as Run
    from landcover.run import open_run as open_run
    from landcover.scoring.array import score_array as score_array
    from landcover.scoring.score import score as score
    from landcover.training.evaluate import evaluate as evaluate
    from landcover.training.results import Trained as Trained
    from landcover.training.train import train as train

_HOMES = {
    "Change": "landcover.changes",
    "LandcoverError": "landcover.errors",
    "Run": "landcover.run",
    "Trained": "landcover.training.results",
    "change": "landcover.changes",
    "evaluate": "landcover.training.evaluate",
    "load_config": "landcover.config",
    "open_change": "landcover.changes",
    "open_run": "landcover.run",
    "prepare": "landcover.labelling.prepare",
    "score": "landcover.scoring.score",
    "score_array": "landcover.scoring.array",
    "stratified_estimates": "landcover.analysis.stratified",
    "train": "landcover.training.train",
    "write_report": "landcover.report.page.write",
}

__all__ = [
    "Change",
    "LandcoverError",
    "Run",
    "Trained",
    "change",
    "evaluate",
    "load_config",
    "open_change",
    "open_run",
    "prepare",
    "score",
    "score_array",
    "stratified_estimates",
    "train",
    "write_report",
]


def __getattr__(name: str) -> Any:
    """Import the public names when they are first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module 'landcover' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
