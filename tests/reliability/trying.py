"""One fault on one backend: the command that meets it, the same command after it, and what is left."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import onnx
import yaml
from support.colours import SIDECAR, blobs, network, write_scene
from support.web import FolderServer, serving

from reliability.faults import Command, Fault
from reliability.forking import Forked, Forking

BACKENDS = ("local", "dask", "spark")
TASK = 7  # tiles
# Seconds until a command that does not get on is given up.
_PATIENCE = 300.0
_COMMAND = [sys.executable, "-m", "landcover.cli.main"]
_HOOK = Path(__file__).parent / "hook"


@dataclass(frozen=True)
class Cell:
    """What became of a run.

    Args:
        code: with which the command ended that met the fault; negative: a signal.
        said: its last line.
        before: parts that it left whole.
        again: tasks that were done after it, 0 where there was no need.
        tasks: of the whole run.
    """

    code: int
    said: str
    before: int
    again: int
    tasks: int


@dataclass(frozen=True)
class Place:
    """A folder with imagery behind a server, a network and a configuration.

    Args:
        folder: which.
        server: of its folder "web".
    """

    folder: Path
    server: FolderServer

    def prepare(self, model: Path) -> None:
        """Write the imagery, and the configuration."""
        write_scene(self.folder / "web" / "scene.tif", blobs(1, 320, 448))
        told = {
            "source": {"rasters": [f"{self.server.url}/scene.tif"], "task": TASK},
            "model": {"path": str(model), "batch": 4},
            "output": {"path": "harmed/run"},
        }
        (self.folder / "run.yaml").write_text(yaml.safe_dump(told))

    @property
    def run(self) -> Path:
        """The directory of the run."""
        return self.folder / "harmed" / "run"

    def start(self, backend: str, **settings: object) -> Forked | subprocess.Popen[str]:
        """Start the command; where no engine is started, from a process that has imported all."""
        told = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
        arguments = ["score", str(self.folder / "run.yaml"), "--quiet", "--backend", backend]
        arguments += ["--set", "backend.workers=2", *told]
        if backend == "local":
            return self._forking.start(arguments, self.folder / "said")
        with (self.folder / "said").open("w") as log:
            return subprocess.Popen(
                [*_COMMAND, *arguments],
                stdout=log,
                stderr=log,
                text=True,
                env=self._environment,
                start_new_session=True,
            )

    @cached_property
    def _environment(self) -> dict[str, str]:
        paths = [str(_HOOK), os.environ.get("PYTHONPATH", "")]
        return {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
            "HARM": str(self._harm),
            "LANDCOVER_CACHE": str(self.folder / "cache"),
            "CPL_VSIL_CURL_NON_CACHED": "/vsicurl/http://127.0.0.1",
            "GDAL_HTTP_RETRY_DELAY": "0.05",
        }

    @cached_property
    def _forking(self) -> Forking:
        return Forking(self._environment)

    def close(self) -> None:
        """End what was started beside commands."""
        if "_forking" in self.__dict__:
            self._forking.close()

    def said(self) -> str:
        """The last line of what the last command said."""
        lines = (self.folder / "said").read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""

    def begin_anew(self) -> None:
        """Leave nothing of what was before."""
        self.server.works()
        shutil.rmtree(self.run.parent, ignore_errors=True)
        self.disarm()

    def arm(self, fault: Fault) -> None:
        """Have the hook do what a fault says."""
        if fault.harm:
            (self._harm / "rule.json").write_text(json.dumps(fault.harm))

    def disarm(self) -> None:
        """Have everything work."""
        shutil.rmtree(self._harm, ignore_errors=True)
        self._harm.mkdir()

    @property
    def _harm(self) -> Path:
        return self.folder / "harm"

    def wait_for(self, seen: tuple[str, int], process: Forked | subprocess.Popen[str]) -> bool:
        """Wait until there is something in the run directory; whether it came before the end."""
        until = time.monotonic() + _PATIENCE
        pattern, count = seen
        while process.poll() is None:
            found = [self.run] if pattern == "." else self.run.glob(pattern)
            if sum(path.exists() for path in found) >= count:
                return True
            assert time.monotonic() < until, f"{pattern} does not come: {self.said()}"
            time.sleep(0.005)
        return False

    def content(self) -> dict[str, bytes]:
        """All that a run has written, but for what says when and how fast."""
        paths = (path for path in self.run.rglob("*") if path.is_file())
        kept = (path for path in paths if path.name != "run.json")
        return {str(path.relative_to(self.run)): path.read_bytes() for path in sorted(kept)}


def healthy(place: Place) -> dict[str, bytes]:
    """What a run writes that nothing happens to."""
    place.begin_anew()
    assert place.start("local").wait(_PATIENCE) == 0, place.said()
    return place.content()


def meet(place: Place, fault: Fault, backend: str) -> Cell:
    """Let a command meet a fault, then give it again; the second time it ends well.

    Returns:
        what became of it; what is in the run directory is for the caller to look at.
    """
    place.begin_anew()
    place.arm(fault)
    with place.start(backend, **fault.settings) as process:

        def send(number: signal.Signals) -> None:
            process.send_signal(number)
            if number != signal.SIGKILL:
                process.wait(_PATIENCE)

        if fault.then and place.wait_for(fault.seen, process):
            command = Command(place.run, place.server, send)
            fault.then(command)
        code = process.wait(_PATIENCE)
    said = place.said()
    before = len([*place.run.glob("tiles/part-*")])
    place.server.works()
    place.disarm()
    again = 0
    if code:
        assert place.start(backend).wait(_PATIENCE) == 0, place.said()
        again = _summary(place)["tasks"]
    return Cell(code, said, before, again, len([*place.run.glob("tiles/part-*")]))


def _summary(place: Place) -> dict[str, int]:
    found: dict[str, int] = json.loads((place.run / "run.json").read_text())
    return found


def check(cell: Cell, fault: Fault, backend: str, place: Place, whole: dict[str, bytes]) -> None:
    """See that a run ended as it should, right, and without more work than was under way."""
    end = fault.end_on(backend)
    if end == "right":
        assert cell.code == 0, cell.said
    elif end == "ends":
        assert cell.code < 0, cell.said
    else:
        assert cell.code == 1, cell.said
        assert "defect" not in cell.said
        assert "Traceback" not in cell.said
    summary = _summary(place)
    assert summary["status"] == "done"
    assert place.content() == whole
    if cell.code and fault.name not in _DONE_AGAIN:
        # Workers whose driver is gone may still have written what they had.
        assert cell.again <= cell.tasks - cell.before, "a part that was whole was done again"


# After these, what was done before is gone, or is tried again since it failed.
_DONE_AGAIN = frozenset(
    {
        "the run directory is removed",
        "the store does not answer any more",
        "credentials run out",
        "a part is damaged afterwards",
    }
)


@contextmanager
def prepared(folder: Path) -> Iterator[Place]:
    """A place with imagery, a server and a network of pixels."""
    model = folder / "colours.onnx"
    onnx.save(network(pixel=True, halo=2, size=36), model)
    model.with_suffix(".yaml").write_text(SIDECAR)
    (folder / "web").mkdir()
    with serving(folder / "web") as server:
        made = Place(folder, server)
        made.prepare(model)
        yield made
        made.close()
