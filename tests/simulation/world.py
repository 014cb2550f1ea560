"""A world of one seed: runs that are begun, broken off and gone on with, until one ends without a fault."""

from __future__ import annotations

import json
import logging
import os
import pickle
import random
import shutil
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal
from unittest import mock

import pyarrow as pa
import pyarrow.parquet as pq

from landcover.config import Config, load_config
from landcover.errors import LandcoverError, RunReplaced
from landcover.local_files import TEMPORARY
from landcover.runs import lock
from landcover.runs.map_format.cog import auxiliary, header
from landcover.runs.pixels import _part, encode_pixels
from landcover.scoring import driver
from landcover.stores import asking
from simulation.disk import Disk, calls_of
from simulation.engine import Engine
from simulation.faults import KINDS, Faults
from simulation.network import TASK, Models, recipe_of, source_of
from simulation.scheduling import AtOnce, Process, Scheduler, Time
from simulation.store import ROOT, Objects, holding

_MOST_BROKEN_OFF = 3
# What a run says of itself that is the same however it came about.
_SAME = ("status", "tiles", "retryable", "undefined_pixels", "files", "classes", "fingerprint")
# What may keep a run from renewing its lock for so long that another one takes it for dead.
_HOLDS_UP = frozenset({"stall", "down", "refused", "lost"})
# What may leave workers that go on when the run has ended or has been gone on with.
_GO_ON = frozenset({"copy", "kill", "interrupt", "second", "full", "damage", "power"})
Output = Literal["tile", "pixel"]
PICTURE = "map.png"
OUTPUTS: tuple[Output, ...] = ("tile", "pixel")
Content = dict[str, Any]


@dataclass(eq=False)
class World:
    """What one seed stands for.

    Args:
        seed: decides everything.
        faultless: nothing goes wrong.
    """

    seed: int
    faultless: bool = False
    problems: list[str] = field(default_factory=list)
    left: Content = field(default_factory=dict)
    undrawn: bool = False

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.local = self.random.random() < 0.5
        self.output: Output = self.random.choice(OUTPUTS)
        self.apart = self.random.random() < 0.6
        self.scheduler = Scheduler(self.random)
        kinds = frozenset(kind for kind in KINDS if self.random.random() < 0.4)
        self.faults = Faults(self.scheduler, frozenset() if self.faultless else kinds)

    def live(self) -> None:
        """Let all happen; :attr:`problems` says what must not have."""
        with _folder() as folder:
            self.root = folder
            self.disk = Disk(folder, self.scheduler, self.faults)
            self.objects = Objects(self.scheduler, self.faults)
            asking._down.clear()
            lock._held.clear()
            with holding(self.objects), _living(self):
                for number in range(_MOST_BROKEN_OFF + 1):
                    self.faults.on = number < _MOST_BROKEN_OFF
                    self._let_time_pass()
                    if self._attempt() == "done" or self.problems:
                        break
                else:
                    self.problems.append("without any fault it is not done")
                self._bury(self.scheduler.processes)
        if self.scheduler.stuck:
            self.problems.append("nobody can go on, or somebody goes on for ever")

    def _let_time_pass(self) -> None:
        """Somebody sees that a run has stopped, and gives the command again; at last all is well."""
        self.scheduler.now += self.random.uniform(0, 100)
        if not self.faults.on:
            self.disk.full_until = self.objects.down_until = self.scheduler.now

    def _attempt(self) -> str:
        """Give the command, perhaps twice; how the first of the two ended."""
        ends: dict[str, str] = {}
        names = ["driver"] + ["second"] * self.faults.happens("second")
        drivers = [Process(name) for name in names]
        self.faults.drivers += drivers
        for process in drivers:
            self.scheduler.start(process.name, process, lambda p=process: self._drive(p, ends))
        self.scheduler.run(lambda: len(ends) == len(drivers))
        self._bury(drivers)
        if self.faults.power_lost:
            self.faults.power_lost = False
            self._bury(self.scheduler.processes)
            self.disk.cut_power()
        elif "done" in ends.values():
            self._check_done()
        self.scheduler.trace.append(f"ended: {ends}")
        return "done" if "done" in ends.values() else "broken off"

    def _drive(self, process: Process, ends: dict[str, str]) -> None:
        end = "killed"
        try:
            if process.name == "second":
                self.scheduler.wait(lambda: False, self.random.uniform(0, 5))
            engine = Engine(self.scheduler, self.faults, self.apart)
            run = driver.run(_config(str(self.root) if self.local else ROOT), engine)
            end = "passing" if run.summary["retryable"] else "done"
        except KeyboardInterrupt:
            end = "interrupted"
        except LandcoverError as error:
            end = f"stopped: {type(error).__name__}"
            if isinstance(error, RunReplaced) and not self.faults.kinds & _HOLDS_UP:
                self.problems.append("another run got in, though this one was alive")
            if not str(error) or "\n" in str(error):
                self.problems.append(f"no sentence: {error!r}")
        except Exception as error:  # noqa: BLE001
            self.problems.append(f"a defect: {_told(error)}")
        finally:
            ends[process.name] = end

    def _bury(self, processes: list[Process]) -> None:
        """End what is left of processes."""
        for process in processes:
            process.dead = True
        gone = set(processes)
        self.scheduler.run(lambda: gone.isdisjoint(self.scheduler.processes))

    def _check_done(self) -> None:
        """A run that says that it is done is whole, and stays so where the power fails."""
        if self.local and "power" in self.faults.kinds:
            self._bury(self.scheduler.processes)
            self.disk.cut_power()
        self.left = self.content()
        alone = not self.apart or self.faults.kinds.isdisjoint(_GO_ON)
        if self.local and alone and any(self.root.rglob(f"{TEMPORARY}*")):
            self.problems.append("something half-written is left")
        if not self.faultless:
            wanted = dict(expected(self.local, self.output))
            if self.undrawn:  # a run whose picture cannot be written is done, and says so
                del wanted[PICTURE]
                wanted["run.json"] = {**wanted["run.json"], "files": ["map.tif"]}
            self.problems += _differences(self.left, wanted)

    def content(self) -> Content:
        """What the directory holds, by name, without what is read by nobody."""
        held = self._files()
        said = json.loads(held.pop("run.json"))
        self.undrawn = PICTURE not in held and f"{PICTURE}: cannot be drawn" in said.get("note", "")
        marks = {
            name.split("/")[1].split(".")[0]: _mark_of(content)
            for name, content in held.items()
            if name.startswith("tiles/")
        }
        kept: Content = {name: content for name, content in held.items() if _belongs(name, marks)}
        return {"run.json": {key: said.get(key) for key in _SAME}, **kept}

    def _files(self) -> dict[str, bytes]:
        if not self.local:
            start = len(ROOT.removeprefix("sim://")) + 1
            return {key[start:]: content for key, content in self.objects.held.items()}
        paths = [path for path in self.root.rglob("*") if path.is_file()]
        return {path.relative_to(self.root).as_posix(): path.read_bytes() for path in paths}


def _belongs(name: str, marks: dict[str, str]) -> bool:
    """Whether a file is part of a run, and not what an attempt that was killed has left."""
    folder, _, last = name.rpartition("/")
    if any(place.startswith(".") for place in name.split("/")):
        return False
    if folder in ("quarantine", "pixels"):
        part = last.split(".")[0]
        index, _, mark = part.rpartition("-")
        return marks.get(index) == mark
    return True


def _mark_of(content: bytes) -> str:
    try:
        metadata = pq.read_metadata(pa.BufferReader(content)).metadata
    except pa.ArrowException:
        return ""
    return str(json.loads(metadata[b"landcover"])["mark"])


@cache
def expected(local: bool, output: Output) -> Content:
    """What a run without any fault leaves."""
    for seed in range(1000):
        world = World(seed, faultless=True)
        if (world.local, world.output) == (local, output):
            world.live()
            assert not world.problems, world.problems
            return world.left
    raise AssertionError("no seed has this kind of world")


def _differences(found: Content, wanted: Content) -> list[str]:
    names = sorted({*found, *wanted})
    return [f"{name} differs" for name in names if found.get(name) != wanted.get(name)]


def _told(error: Exception) -> str:
    return "".join(traceback.format_exception(error)[-4:])


_living_here: list[World] = []


def _here() -> World:
    return _living_here[-1]


@contextmanager
def _living(world: World) -> Iterator[None]:
    _living_here.append(world)
    try:
        yield
    finally:
        _living_here.remove(world)


def _disk() -> Disk | None:
    """The disk of the world whose thread calls; None outside of any."""
    if not _living_here or threading.current_thread() is threading.main_thread():
        return None
    return _here().disk if _here().local else None


@cache
def _scenes() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="landcover-simulated-", dir=_memory()))
    return folder


def _memory() -> str | None:
    """Where files cost no disk."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


@contextmanager
def _folder() -> Iterator[Path]:
    path = _scenes() / "run"
    shutil.rmtree(path, ignore_errors=True)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@cache
def _config(root: str) -> Config:
    return load_config(
        {
            "source": {"rasters": str(_scenes() / "scene.tif"), "task": TASK},
            "model": {"path": "simulated.onnx", "batch": 3},
            "output": root,
            "failures": {"at_most": 1.0, "patience": 0},
        }
    )


@cache
def _source(output: Output) -> Any:
    source = source_of(_scenes(), output)
    source.count()
    return source


@contextmanager
def simulated() -> Iterator[None]:
    """Let the package run in worlds: what it calls beyond itself goes through them."""
    time = Time(lambda: _here().scheduler, lambda: _here().faults.wall)
    models = Models(lambda: _here().faults.happens("tile"))
    places: dict[str, Any] = {
        "landcover.runs.lock.threading": time,
        "landcover.stores.asking.time": time,
        "landcover.scoring.worker.time": time,
        "landcover.runs.parts.ThreadPoolExecutor": AtOnce,
        "landcover.scoring.driver.open_models": lambda: models,
        "landcover.scoring.worker.open_models": lambda: models,
        "landcover.scoring.poison.open_models": lambda: models,
        "landcover.scoring.driver.recipe_of": lambda *_, **__: recipe_of(_here().output),
        "landcover.scoring.driver.make_source": lambda *_: _source(_here().output),
        "landcover.report.figures.map_figure": lambda *a, **_: _draw(a),
        # What follows costs time and changes nothing here: looks at the environment and at what is
        # installed, and files that are the same for the same arguments.
        "landcover.scoring.driver.works_here": lambda *_: False,
        "landcover.scoring.driver._versions": dict,
        "landcover.runs.directory.redacted_values": _as_it_is,
        "landcover.runs.fingerprint.redacted_values": _as_it_is,
        "landcover.config.settings.redacted_values": _as_it_is,
        "landcover.runs.tables.redacted": _as_it_is,
        "landcover.errors.redacted": _as_it_is,
        "landcover.runs.parts.encode_pixels": _once(encode_pixels),
        "landcover.runs.pixels._part": _once(_part),
        "landcover.runs.maps.pieces.header": _once(header),
        "landcover.runs.maps.pieces.auxiliary": _once(auxiliary),
    }
    logging.disable(logging.WARNING)
    with ExitStack() as stack:
        for place, value in places.items():
            stack.enter_context(mock.patch(place, value))
        for name, call in calls_of(_disk).items():
            stack.enter_context(mock.patch.object(os, name, call))
        for local in (True, False):
            for output in OUTPUTS:
                expected(local, output)
        try:
            yield
        finally:
            logging.disable(logging.NOTSET)


def _as_it_is(value: Any) -> Any:
    return value


def _once(make: Callable[..., Any]) -> Callable[..., Any]:
    """What makes or reads a file, once for the same arguments."""
    made: dict[bytes, Any] = {}

    def remembered(*arguments: Any) -> Any:
        key = pickle.dumps(arguments)
        if key not in made:
            made[key] = make(*arguments)
        return made[key]

    return remembered


def _draw(arguments: Any) -> None:
    """A picture costs more than all the rest of a world."""
    next(one for one in arguments if isinstance(one, Path)).write_bytes(b"a picture")


def live(seed: int) -> World:
    """The world of a seed, at its end; to be called within :func:`simulated`."""
    world = World(seed)
    world.live()
    return world


def lived(seeds: Iterable[int]) -> list[tuple[int, list[str], set[str], list[str]]]:
    """Of each seed its problems, the faults that happened in its world, and all that was done there."""
    with simulated():
        worlds = [live(seed) for seed in seeds]
    return [(w.seed, w.problems, w.faults.happened, w.scheduler.trace) for w in worlds]
