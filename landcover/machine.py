"""What this process may use of the machine: CPUs and memory, also inside containers."""

from __future__ import annotations

import math
import os
from pathlib import Path

import psutil

_CGROUP = Path("/sys/fs/cgroup")


def usable_cpus() -> int:
    """CPUs that this process may keep busy: affinity and container quota, at least 1."""
    return max(1, min(len(os.sched_getaffinity(0)), _quota()))


def usable_memory() -> int:
    """Bytes of memory that this process may use at the most."""
    total = psutil.virtual_memory().total
    limit = _read("memory.max") or _read("memory/memory.limit_in_bytes")
    return min(total, int(limit)) if limit.isdigit() else total


def _quota() -> int:
    """CPUs of the control group (v2, else v1), rounded up; the machine's where there is no limit."""
    quota, _, period = _read("cpu.max").partition(" ")
    if not quota:
        quota, period = _read("cpu/cpu.cfs_quota_us"), _read("cpu/cpu.cfs_period_us")
    if not (quota.isdigit() and period.isdigit()):
        return os.cpu_count() or 1
    return math.ceil(int(quota) / int(period))


def _read(name: str) -> str:
    try:
        return (_CGROUP / name).read_text().strip()
    except OSError:
        return ""
