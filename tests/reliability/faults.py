"""The kinds of fault: how each is brought about, and how a command may end that meets it."""

from __future__ import annotations

import errno
import shutil
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from support.web import FolderServer

# right: the command ends as if nothing had been; stops: it says what was wrong, and the same command
# goes on; ends: the process ends at once.
End = Literal["right", "stops", "ends"]


@dataclass(frozen=True)
class Command:
    """A command that is under way.

    Args:
        run: its run directory.
        server: where it has its imagery from.
        send: sends it a signal.
    """

    run: Path
    server: FolderServer
    send: Callable[[signal.Signals], None]


@dataclass(frozen=True)
class Fault:
    """A kind of fault.

    Args:
        name: what it is, for people.
        end: how the command ends.
        seen: what it does meanwhile is waited for (a glob in the run directory, how many).
        then: what happens then.
        harm: the rule of the hook (hook/sitecustomize.py): path, what, times.
        settings: keys of the configuration.
        here: how the command ends on the backend ``local``, if that differs.
    """

    name: str
    end: End
    seen: tuple[str, int] = ("", 0)
    then: Callable[[Command], None] | None = None
    harm: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    here: End | None = None

    def end_on(self, backend: str) -> End:
        """How the command ends on a backend."""
        return self.here if self.here and backend == "local" else self.end


_ANYTHING = (".", 1)
_SOME_PARTS = ("tiles/part-*", 2)
MAPS = (".writing-maps", 1)  # what there is while maps are made


def _signal(number: signal.Signals) -> Callable[[Command], None]:
    return lambda command: command.send(number)


def _store(path: str = "scene.tif", **rule: Any) -> Callable[[Command], None]:
    return lambda command: command.server.fails(path, **rule)


def _damaged(command: Command) -> None:
    command.send(signal.SIGTERM)
    part = min(command.run.glob("tiles/part-*"))
    part.write_bytes(part.read_bytes()[:-20])


def _removed(command: Command) -> None:
    while command.run.exists():  # a worker may put a file where a folder was emptied just now
        shutil.rmtree(command.run, ignore_errors=True)


def _harm(path: str, what: str | int, times: int = 1) -> dict[str, Any]:
    return {"path": path, "what": what, "times": times}


FAULTS = (
    Fault("the driver is killed in its first moments", "ends", _ANYTHING, _signal(signal.SIGKILL)),
    Fault("the driver is killed between tasks", "ends", _SOME_PARTS, _signal(signal.SIGKILL)),
    Fault("the driver is killed while maps are made", "ends", MAPS, _signal(signal.SIGKILL)),
    Fault("Ctrl-C", "stops", _SOME_PARTS, _signal(signal.SIGINT)),
    Fault("SIGTERM", "stops", _SOME_PARTS, _signal(signal.SIGTERM)),
    Fault("a worker is killed under a task", "right", harm=_harm("/tiles/", "kill")),
    Fault("a worker is killed while it makes maps", "right", harm=_harm("writing-maps", "kill")),
    Fault("a worker crashes under a task", "right", harm=_harm("/tiles/", "crash")),
    Fault("memory does not suffice for a task", "right", harm=_harm("/tiles/", "memory")),
    Fault("disk full, at a part", "right", harm=_harm("/tiles/", errno.ENOSPC), here="stops"),
    Fault("disk full, at run.json", "stops", harm=_harm("/run/.writing-", errno.ENOSPC)),
    Fault("disk full, at a piece of a map", "stops", harm=_harm("writing-maps", errno.ENOSPC)),
    Fault("error of the disk, at a part", "right", harm=_harm("/tiles/", errno.EIO), here="stops"),
    Fault("quota used up, at a part", "right", harm=_harm("/tiles/", errno.EDQUOT), here="stops"),
    Fault("one request in five: 503", "right", _ANYTHING, _store(status=503, share=0.2)),
    Fault("one request in five: 429", "right", _ANYTHING, _store(status=429, share=0.2)),
    Fault("one connection in five breaks", "right", _ANYTHING, _store(kind="reset", share=0.2)),
    Fault(
        *("the store is down for good", "stops", _ANYTHING, _store("/", status=503)),
        settings={"failures.patience": 2},
    ),
    Fault(
        *("the store does not answer any more", "stops", _ANYTHING, _store(kind="stall")),
        settings={"failures.timeout": 2},
    ),
    Fault("credentials run out", "stops", _ANYTHING, _store(status=403)),
    Fault("the run directory is removed", "stops", _SOME_PARTS, _removed),
    Fault("a part is damaged afterwards", "stops", _SOME_PARTS, _damaged),
)
