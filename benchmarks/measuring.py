"""How every benchmark measures: in rounds, in processes of their own, and what it claims."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple, TypeVar

K = TypeVar("K")
T = TypeVar("T")

ROOT = Path(__file__).resolve().parent.parent


class Said(NamedTuple):
    """What a process of its own took, from its start to its end, and the last line it printed."""

    seconds: float
    values: dict[str, Any]


def in_rounds(contenders: Mapping[K, Callable[[], T]], rounds: int) -> dict[K, list[T]]:
    """Run all contenders once in each round, so that other work of the machine hits all alike."""
    found: dict[K, list[T]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, contender in contenders.items():
            found[name].append(contender())
    return found


def apart(measure: Callable[..., T], *arguments: Any) -> T:
    """Call a function in a new process, which has used and started nothing yet."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as process:
        return process.submit(measure, *arguments).result()


def peak_memory(process: int | str = "self") -> int:
    """The most memory that a process has had resident, in bytes, as Linux counts it; 0 if it has ended.

    ``resource.getrusage`` would not do: a process begins with what the one that started it has used.

    Raises:
        OSError: if there is no such process.
    """
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
    return int(found[1]) * 1024 if found else 0


def in_child(module: str, *arguments: str, environment: Mapping[str, str] | None = None) -> Said:
    """Run ``python -m MODULE ARGUMENTS``; a JSON object in its last line becomes ``values``.

    Raises:
        RuntimeError: it failed; with the end of what it said.
    """
    command = [sys.executable, "-m", module, *arguments]
    started = time.perf_counter()
    done = subprocess.run(
        command,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **(environment or {})},
    )
    seconds = time.perf_counter() - started
    if done.returncode:
        raise RuntimeError(f"{module} {' '.join(arguments)} failed:\n{done.stderr[-3000:]}")
    lines = done.stdout.strip().splitlines()
    told = lines[-1] if lines and lines[-1].startswith("{") else "{}"
    return Said(seconds, json.loads(told))


def claim(
    question: str, reached: float, unit: str, goal: float | None = None, most: bool = False
) -> dict[str, Any]:
    """A figure that ``benchmarks/report.py`` puts into docs/performance.md.

    Args:
        question: what is asked, as one line of a table.
        reached: the figure.
        unit: of it; "" for a ratio.
        goal: what it should be; None: it is told without a goal.
        most: the goal is the most that it should be, not the least.
    """
    met = None if goal is None else (reached <= goal if most else reached >= goal)
    return {
        "question": question,
        "reached": float(f"{reached:.4g}"),
        "unit": unit,
        "goal": goal,
        "most": most,
        "met": met,
    }


def middle(values: Sequence[float], digits: int = 4) -> float:
    """The median, to so many digits."""
    return float(f"{median(values):.{digits}g}")
