"""GPUs that other processes hold; the GPUs are made, what holds them is real."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from landcover.devices import Gpu

_TAKE = """
import sys
from pathlib import Path
from landcover.devices import Gpu, hold
print(hold([Gpu(sys.argv[2], "made", 0, 0)], Path(sys.argv[1])) is not None, flush=True)
sys.stdin.read()
"""


@contextmanager
def held_elsewhere(gpu: Gpu, locks: Path) -> Iterator[int]:
    """Another process holds a GPU; yields its process id.

    Args:
        gpu: which.
        locks: the folder of the locks.
    """
    command = [sys.executable, "-c", _TAKE, str(locks), gpu.uuid]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as other:  # type: ignore[call-overload]
        assert other.stdout is not None
        assert other.stdout.readline().strip() == "True"
        yield other.pid
        other.kill()
