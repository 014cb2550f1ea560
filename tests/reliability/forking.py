"""The command ``landcover``, forked from a process that has imported everything: a run takes a fraction of a second."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self


class Forked:
    """A command that is under way, as ``subprocess.Popen`` would have it.

    Args:
        answers: where its process id and then its exit code are told.
    """

    def __init__(self, answers: int) -> None:
        self._answers = answers
        self.pid = int(self._line())
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Its exit code, if it has ended."""
        if self.returncode is None and select.select([self._answers], [], [], 0)[0]:
            self.returncode = int(self._line())
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, once it has ended.

        Raises:
            subprocess.TimeoutExpired: it does not end in time.
        """
        if self.poll() is None and not select.select([self._answers], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired("landcover", timeout or 0)
        code = self.poll()
        assert code is not None
        return code

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it has not ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.wait()

    def _line(self) -> str:
        line = b""
        while not line.endswith(b"\n"):
            line += os.read(self._answers, 1)
        return line.decode()


class Forking:
    """A process that forks for each command.

    Args:
        environment: of the process.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        pipe = subprocess.PIPE
        command = [sys.executable, str(Path(__file__).resolve())]
        self._process = subprocess.Popen(
            command, env=dict(environment), stdin=pipe, stdout=pipe, bufsize=0
        )

    def start(self, arguments: Sequence[str], said: Path) -> Forked:
        """Start ``landcover ARGUMENTS``; what it says goes to a file. One at a time."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([list(arguments), str(said)]).encode() + b"\n")
        return Forked(self._process.stdout.fileno())

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def _serve() -> None:
    import matplotlib.pyplot  # noqa: F401
    import onnxruntime  # noqa: F401
    import rioxarray  # noqa: F401

    import landcover.cli.main
    import landcover.cli.score

    for line in sys.stdin:
        arguments, said = json.loads(line)
        if not (child := os.fork()):
            os.setsid()
            output = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(output, 1)
            os.dup2(output, 2)
            sys.argv = ["landcover", *arguments]
            try:
                landcover.cli.main.main()
            except SystemExit as ended:  # libraries would wait for threads that were not forked
                os._exit(int(ended.code or 0))
        _tell(child)
        _tell(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def _tell(number: int) -> None:
    os.write(1, f"{number}\n".encode())


if __name__ == "__main__":
    _serve()
