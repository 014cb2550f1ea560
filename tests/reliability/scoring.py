"""``landcover score`` as a command that is killed."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

import psutil

from reliability.faults import MAPS
from reliability.killing import Process
from reliability.trying import Place


@dataclass(frozen=True)
class Scoring:
    """A run of pixels on a backend.

    Args:
        place: where.
        backend: by name.
    """

    place: Place
    backend: str

    def begin_anew(self) -> None:
        """Leave nothing of what was before."""
        self.place.begin_anew()

    def start(self) -> Process:
        """Give the command."""
        return self.place.start(self.backend)

    def victims(self, process: Process, dice: random.Random) -> list[int]:
        """The command alone; a third of the times one of those that it has started."""
        if dice.random() < 2 / 3:
            return [process.pid]
        started = psutil.Process(process.pid).children(recursive=True)
        return [dice.choice([one.pid for one in started] or [process.pid])]

    def is_late(self) -> bool:
        """Whether maps are made."""
        return any(self.place.run.glob(MAPS[0]))

    def stage(self) -> str:
        """How far it has come, for people."""
        run = self.place.run
        if not run.exists():
            return "before the directory"
        if not any(run.glob("tiles/part-*")):
            return "before the first part"
        if self.is_late():
            return "maps"
        return "after the maps" if (run / "map.tif").exists() else "tasks"

    def kept(self) -> Mapping[str, object]:
        """Parts, by when they were written; on clusters workers may still write when their driver is gone."""
        if self.backend != "local":
            return {}
        found = ((path, path.stat()) for path in self.place.run.glob("tiles/part-*"))
        return {str(path): (told.st_ino, told.st_mtime_ns) for path, told in found}

    def content(self) -> dict[str, bytes]:
        """All that a run has written, but for what says when and how fast."""
        return self.place.content()

    def said(self) -> str:
        """The last line of what the last command said."""
        return self.place.said()
