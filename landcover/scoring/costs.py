"""What a run takes: time, workers, memory, bytes, money and energy, as planned and as it came out."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from landcover.config import Config, PlanSettings
from landcover.models.cache import cache_folder, noted
from landcover.small_files import load_json, read_regular

_KEYS = frozenset({"seconds", "workers", "peak_memory", "bytes", "cost", "currency", "kwh"})
_MOST_BYTES = 10_000


@dataclass(frozen=True)
class Figures:
    """What a run takes.

    Args:
        seconds: from the command to its end.
        workers: processes that score.
        peak_memory: bytes that the largest of them holds at the most.
        bytes: of files, to be read; None: nobody has counted them.
    """

    seconds: float
    workers: int
    peak_memory: int
    bytes: int | None = None

    def told(self, plan: PlanSettings) -> dict[str, Any]:
        """As plain JSON values, with ``cost`` and ``kwh`` where ``plan`` says what workers take."""
        hours = self.workers * self.seconds / 3600
        values: dict[str, Any] = {
            "seconds": round(self.seconds, 2),
            "workers": self.workers,
            "peak_memory": self.peak_memory,
        }
        if self.bytes is not None:
            values["bytes"] = self.bytes
        if plan.price is not None:
            values |= {"cost": round(plan.price * hours, 6), "currency": plan.currency}
        if plan.watts is not None:
            values["kwh"] = round(plan.watts * hours / 1000, 6)
        return values


def remember(config: Config, planned: dict[str, Any]) -> None:
    """Keep on this host what a plan has found out, for the run that follows it.

    Args:
        config: of the plan, and of the run.
        planned: as :meth:`Figures.told` has it.
    """
    noted(_path(config), json.dumps(planned))


def remembered(config: Config) -> dict[str, Any] | None:
    """What was planned for a run on this host; None where nothing was."""
    try:
        found = load_json(read_regular(_path(config), _MOST_BYTES))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and found.keys() <= _KEYS else None


def _path(config: Config) -> Path:
    recorded = config.recorded()
    text = json.dumps([recorded[key] for key in ("source", "model", "backend", "output", "plan")])
    name = hashlib.sha256(text.encode()).hexdigest()[:24]
    return cache_folder() / "plans" / f"{name}.json"
