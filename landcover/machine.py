"""What this process may use of the machine: CPUs and memory, also inside containers."""

from __future__ import annotations

import ctypes
import math
import os
import platform
import re
import resource
import signal
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import psutil

_CGROUP = Path("/sys/fs/cgroup")

# Of Linux (prctl.h): a signal for this process when the one that started it ends.
_PR_SET_PDEATHSIG = 1

# The instruction sets that decide how fast a network runs, and in which precisions.
_TELLING = ("avx2", "avx512f", "avx512_bf16", "avx512_fp16", "amx_bf16", "amx_fp16")


def usable_cpus() -> int:
    """CPUs that this process may keep busy: affinity and container quota, at least 1."""
    return max(1, min(len(os.sched_getaffinity(0)), _quota()))


def usable_memory() -> int:
    """Bytes of memory that this process may use at the most."""
    total = psutil.virtual_memory().total
    limit = _read("memory.max") or _read("memory/memory.limit_in_bytes")
    return min(total, int(limit)) if limit.isdigit() else total


def available_memory() -> int:
    """Bytes of memory that this process may still take without others having to make way."""
    free = psutil.virtual_memory().available
    used = _read("memory.current") or _read("memory/memory.usage_in_bytes")
    if not used.isdigit():
        return free
    return min(free, usable_memory() - int(used) + _kept_files())


def peak_memory() -> int:
    """Bytes of memory that this process has held at the most so far."""
    # The other count begins with what whoever started this process had held.
    with suppress(OSError):
        if found := re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text()):
            return 1024 * int(found[1])
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # Linux counts in kibibytes


def machine_facts() -> dict[str, Any]:
    """What a measured speed depends on, as plain JSON values."""
    return {
        "processor": _cpu_field("model name") or platform.processor(),
        "instructions": [name for name in _TELLING if name in _cpu_field("flags").split()],
        "cpus": usable_cpus(),
        "memory_gib": round(usable_memory() / 2**30, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def end_with(parent: int) -> None:
    """Let this process be killed when the one that started it ends, however that ends; on Linux.

    Args:
        parent: which, told by itself, as it may have ended already.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


@cache
def _cpu_field(name: str) -> str:
    """A field of the first processor that Linux describes; "" elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    fields = (line.partition(":") for line in lines)
    return next((value.strip() for key, _, value in fields if key.strip() == name), "")


def _quota() -> int:
    """CPUs of the control group (v2, else v1), rounded up; the machine's where there is no limit."""
    quota, _, period = _read("cpu.max").partition(" ")
    if not quota:
        quota, period = _read("cpu/cpu.cfs_quota_us"), _read("cpu/cpu.cfs_period_us")
    if not (quota.isdigit() and period.isdigit()):
        return os.cpu_count() or 1
    return math.ceil(int(quota) / int(period))


def _kept_files() -> int:
    """Bytes of files that the kernel keeps in memory: counted as used, but given up when asked.

    Version 1 of control groups counts those of groups inside apart (``total_``), unlike their use.
    """
    lines = (_read("memory.stat") or _read("memory/memory.stat")).splitlines()
    found = {name: int(value) for name, _, value in (line.partition(" ") for line in lines)}
    names = ("active_file", "inactive_file")
    return sum(found.get(f"total_{name}", found.get(name, 0)) for name in names)


def _read(name: str) -> str:
    try:
        return (_CGROUP / name).read_text().strip()
    except OSError:
        return ""
