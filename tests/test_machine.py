"""What a process may use of the machine, where a control group limits it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from landcover import machine


@pytest.mark.parametrize(
    ("used", "limit", "stat", "prefix"),
    [
        ("memory.current", "memory.max", "memory.stat", ""),
        (
            "memory/memory.usage_in_bytes",
            "memory/memory.limit_in_bytes",
            "memory/memory.stat",
            "total_",
        ),
    ],
    ids=["version 2", "version 1"],
)
def test_files_that_the_kernel_keeps_in_memory_do_not_make_it_short(
    used: str,
    limit: str,
    stat: str,
    prefix: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "memory").mkdir()
    (tmp_path / used).write_text("1000000\n")
    (tmp_path / limit).write_text("1200000\n")
    own = "inactive_file 5\nactive_file 7\n" if prefix else ""
    (tmp_path / stat).write_text(
        f"cache 0\n{own}{prefix}inactive_file 300000\n{prefix}active_file 400000\n"
    )
    monkeypatch.setattr(machine, "_CGROUP", tmp_path)
    assert machine.usable_memory() == 1200000
    assert machine.available_memory() == min(900000, psutil.virtual_memory().available)


def test_without_a_control_group_memory_is_the_machines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "_CGROUP", tmp_path)
    assert machine.usable_memory() == psutil.virtual_memory().total
    assert 0 < machine.available_memory() < machine.usable_memory()


def test_what_the_process_before_has_held_is_no_memory_of_this_one() -> None:
    held = bytearray(500_000_000)
    told = "from landcover.machine import peak_memory; print(peak_memory())"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert 1e6 < int(done.stdout) < len(held)
