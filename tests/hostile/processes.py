"""Child processes that run one command after another, and tell what each did and took."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any


class Child:
    """A process that runs commands of landcover, begun anew after one that had to be ended.

    Args:
        place: a folder whose folders the commands may change; outside of it nothing may be.
    """

    def __init__(self, place: Path) -> None:
        self._place, self._process = place, None

    def run(self, command: Sequence[str], folder: Path, seconds: float) -> dict[str, Any]:
        """Run a command in a folder.

        Returns:
            code (None where it had to be ended, or the process died), err, peak in bytes, held (bytes before it began), spent in
            seconds of a processor, late (whether it ran out of time), outside (what it did beyond the folder, as far as Python sees that).
        """
        process = self._started()
        asked = json.dumps({"command": list(command), "folder": str(folder)})
        process.stdin.write(asked + "\n")
        process.stdin.flush()
        ready, _, _ = select.select([process.stdout], [], [], seconds)
        line = process.stdout.readline() if ready else ""
        if line:
            answer: dict[str, Any] = json.loads(line)
            return answer
        self.close()
        nothing = {"code": None, "err": "", "peak": 0, "held": 0, "spent": 0.0, "outside": []}
        return {**nothing, "late": not ready}

    def close(self) -> None:
        """End the process and those that it has started."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def _started(self) -> Any:
        if self._process is None or self._process.poll() is not None:
            scratch = self._place / "scratch"
            scratch.mkdir(exist_ok=True)
            here = str(Path(__file__).parent.parent)
            self._process = subprocess.Popen(
                [sys.executable, "-m", "hostile.processes"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                start_new_session=True,
                env={
                    **os.environ,
                    "PYTHONPATH": os.pathsep.join([here, os.environ.get("PYTHONPATH", "")]),
                    "TMPDIR": str(scratch),
                    "HOME": str(scratch),
                    "LANDCOVER_CACHE": str(self._place / "cache"),
                    "PYTHONWARNINGS": "ignore",
                },
            )
            self.run(("--version",), self._place, 60)
        return self._process


_WATCHED = {
    "subprocess.Popen",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.fork",
    "socket.connect",
}
_CHANGES = {
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.mkdir",
    "os.symlink",
    "os.link",
    "os.chmod",
    "os.truncate",
}


def _serve() -> None:
    """Run the commands that standard input names."""
    from landcover.cli.main import _run
    from landcover.scoring import forecast

    # A plan is measured in a process of its own: here, what is measured is watched.
    forecast._as_workers_begin = lambda short_run, seconds, config: short_run(seconds)

    answers = os.fdopen(os.dup(1), "w")
    place = Path(os.environ["TMPDIR"]).parent
    outside: list[str] = []
    watching = [False]

    def strange(path: object) -> bool:
        if not isinstance(path, (str, bytes, os.PathLike)):
            return False
        whole = os.path.abspath(os.fsdecode(path))  # noqa: PTH100  (links are not followed)
        return not whole.startswith((f"{place}/", "/dev/null", "/proc/", "/dev/shm"))

    def hook(event: str, details: tuple[Any, ...]) -> None:
        if not watching[0]:
            return
        if event == "subprocess.Popen" and details[0] == "uname":
            return  # of Python's module platform
        if event == "socket.connect" and details[1] == ("127.0.0.1", 9):
            return  # which a configuration has named, and where nobody listens
        if event in _WATCHED:
            told = " < ".join(frame.name for frame in traceback.extract_stack()[-5:-1])
            outside.append(f"{event} {details[:2]} {told}"[:200])
        elif event == "open" and isinstance(details[2], int):
            writes = details[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC)
            if writes and strange(details[0]):
                outside.append(f"opened for writing {details[0]}"[:200])
        elif event in _CHANGES and any(strange(one) for one in details[:2]):
            outside.append(f"{event} {details[:2]}"[:200])

    sys.addaudithook(hook)
    for line in sys.stdin:
        asked = json.loads(line)
        folder = Path(asked["folder"])
        os.chdir(folder)
        own = folder / "cache"  # of a case that is about caches
        os.environ["LANDCOVER_CACHE"] = str(own if os.path.lexists(own) else place / "cache")
        log = place / f"scratch/log-{os.getpid()}"
        # Appended to: a handler of logging may write through the descriptor of an earlier case.
        handle = os.open(log, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
        os.dup2(handle, 1)
        os.dup2(handle, 2)
        sys.stdout, sys.stderr = os.fdopen(os.dup(1), "w"), os.fdopen(os.dup(2), "w")
        Path("/proc/self/clear_refs").write_text("5")  # the peak of memory begins anew
        held = _memory("VmRSS")  # of what cases before have loaded
        outside.clear()
        began = time.process_time()
        watching[0] = True
        try:
            code = _run(asked["command"])
        except SystemExit as error:
            code = int(error.code or 0)
        watching[0] = False
        sys.stdout.flush()
        sys.stderr.flush()
        os.close(handle)
        peak = _memory("VmHWM")
        said = log.read_text(errors="replace")
        spent = time.process_time() - began
        took = {"peak": peak, "held": held, "spent": spent, "late": False}
        answer = {"code": code, "err": said, "outside": list(outside), **took}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _memory(what: str) -> int:
    """Bytes of this process, as Linux counts them."""
    told = re.search(rf"{what}:\s+(\d+)", Path("/proc/self/status").read_text())
    return int(told[1]) * 1024


if __name__ == "__main__":
    _serve()
