"""Runs of which one call that writes fails, as it does on a disk that is full or dying.

``failing_calls.c`` lets the n-th such call of a process fail, whoever makes it: Python, GDAL, Arrow.
A process that has imported everything forks for each run, so that one takes a fraction of a second.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

SUPPORT = Path(__file__).resolve().parent
NEVER = 2**30


class Ended(NamedTuple):
    """How a command ended: its exit code, what it said, and how many calls wrote something."""

    code: int
    said: str
    calls: int


def compiled(folder: Path) -> Path:
    """The library to be preloaded; skips where nothing compiles C."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None or sys.platform != "linux":
        pytest.skip("no C compiler, with which calls of Linux could be made to fail")
    library = folder / "failing_calls.so"
    command = [compiler, "-shared", "-fPIC", "-O1", "-o", library, SUPPORT / "failing_calls.c"]
    subprocess.run([*map(str, command), "-ldl"], check=True, capture_output=True)
    return library


class Commands:
    """Commands of landcover, each in a process of its own of which one call may fail.

    Args:
        library: that :func:`compiled` made.
        folder: for what commands say.
    """

    def __init__(self, library: Path, folder: Path) -> None:
        environment = {**os.environ, "LD_PRELOAD": str(library), "FAILING_CALLS": str(library)}
        environment["PYTHONPATH"] = os.pathsep.join([str(SUPPORT.parent), *sys.path])
        command = [sys.executable, "-m", "support.failing_calls", str(folder)]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            command, env=environment, stdin=pipe, stdout=pipe, text=True, bufsize=1
        )

    def run(
        self, arguments: Sequence[str], place: int = NEVER, error: int = 0, lasting: bool = False
    ) -> Ended:
        """Run ``landcover ARGUMENTS``; its n-th call that writes fails with an error number.

        Where the error lasts, so do all that follow (but for removals on a disk that is full).
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([list(arguments), place, error, lasting]) + "\n")
        return Ended(*json.loads(self._process.stdout.readline()))

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def _serve(folder: Path) -> None:
    import matplotlib.pyplot  # noqa: F401
    import onnxruntime  # noqa: F401
    import rioxarray  # noqa: F401

    import landcover.cli.main
    import landcover.cli.score
    import landcover.scoring.score

    library = ctypes.CDLL(os.environ["FAILING_CALLS"])
    del os.environ["LD_PRELOAD"]
    for line in sys.stdin:
        arguments, place, error, lasting = json.loads(line)
        said, counted = folder / "said", folder / "calls"
        for path in (said, counted):
            path.unlink(missing_ok=True)
        child = os.fork()
        if not child:
            output = os.open(said, os.O_WRONLY | os.O_CREAT)
            os.dup2(output, 1)
            os.dup2(output, 2)
            library.failing_calls_arm(place, error, lasting)
            code = landcover.cli.main._run(arguments)
            counted.write_text(str(library.failing_calls_count()))
            sys.stderr.flush()
            os._exit(code)
        _, status = os.waitpid(child, 0)
        calls = int(counted.read_text()) if counted.exists() else 0
        ended = os.waitstatus_to_exitcode(status), said.read_text(), calls
        sys.stdout.write(json.dumps(ended) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _serve(Path(sys.argv[1]))
