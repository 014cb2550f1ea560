"""What every benchmark writes: its rows with the machine, the versions and the commit, as JSON."""

from __future__ import annotations

import json
import os
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from landcover.machine import machine_facts

# Elsewhere for trials, which must not replace what was measured with care.
RESULTS = Path(os.environ.get("LANDCOVER_BENCHMARKS", Path(__file__).parent / "results"))


def write_results(name: str, rows: list[dict[str, Any]], libraries: list[str], **more: Any) -> Path:
    """Write ``results/NAME.json`` and return its path.

    Args:
        name: of the benchmark.
        rows: what was measured.
        libraries: distributions whose versions matter.
        more: conditions of the measurement.
    """
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"{name}.json"
    record = {
        "benchmark": name,
        "measured": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _git("rev-parse", "HEAD"),
        "changed_since_commit": bool(_git("status", "--porcelain", "--untracked-files=no")),
        "machine": machine_facts(),
        "versions": {library: _version(library) for library in ["landcover", *libraries]},
        **more,
        "rows": rows,
    }
    path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return path


def _version(library: str) -> str | None:
    try:
        return version(library)
    except PackageNotFoundError:
        return None


def _git(*arguments: str) -> str:
    folder = Path(__file__).parent
    done = subprocess.run(
        ["git", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    return done.stdout.strip()
