"""All cases."""

from __future__ import annotations

from hostile.cases import Case
from hostile.makers import (
    deeper,
    forged_imagery,
    forged_models,
    forged_runs,
    ground,
    imagery,
    learning,
    models,
    runs,
    settings,
    tables,
)


def corpus() -> list[Case]:
    """Every case, in a fixed order."""
    return [
        *(*models.cases(), *imagery.cases(), *settings.cases(), *runs.cases()),
        *(*ground.cases(), *learning.cases()),
        *(*forged_models.cases(), *forged_imagery.cases(), *forged_runs.cases()),
        *deeper.cases(),
        *tables.cases(),
    ]
