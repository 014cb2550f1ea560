"""What every benchmark writes: its rows with the machine, the versions and the commit, as JSON."""

from __future__ import annotations

import json
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from landcover.machine import usable_cpus, usable_memory

RESULTS = Path(__file__).parent / "results"


def write_results(name: str, rows: list[dict[str, Any]], libraries: list[str], **more: Any) -> Path:
    """Write ``results/NAME.json`` and return its path.

    Args:
        name: of the benchmark.
        rows: what was measured.
        libraries: distributions whose versions matter.
        more: conditions of the measurement.
    """
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    record = {
        "benchmark": name,
        "measured": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _git("rev-parse", "HEAD"),
        "changed_since_commit": bool(_git("status", "--porcelain", "--untracked-files=no")),
        "machine": _machine(),
        "versions": {library: _version(library) for library in ["landcover", *libraries]},
        **more,
        "rows": rows,
    }
    path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return path


def _machine() -> dict[str, Any]:
    text = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    names = [line.split(":", 1)[1].strip() for line in text.splitlines() if "model name" in line]
    flags = next((line.split() for line in text.splitlines() if line.startswith("flags")), [])
    known = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
    return {
        "processor": names[0] if names else platform.processor(),
        "instructions": [flag for flag in known if flag in flags],
        "cpus": usable_cpus(),
        "memory_gib": round(usable_memory() / 2**30, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
    }


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
