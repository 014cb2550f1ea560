"""A local disk that loses what it was not told to keep.

The folder is a real one; the calls of the operating system that give a file its name, take it away, or
flush it, go through here. When the power fails, names are what they were some calls ago, but not before
the last flush of a folder (journals of ext4 and xfs keep this order), and files that were not flushed
are cut off.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

from simulation.faults import Faults
from simulation.scheduling import Scheduler

_CALLS = ("fsync", "replace", "link", "unlink", "rmdir", "scandir")


class Disk:
    """What happens to the files below a folder.

    Args:
        root: the folder.
        scheduler: of the world.
        faults: what may go wrong.
    """

    def __init__(self, root: Path, scheduler: Scheduler, faults: Faults) -> None:
        self.root, self.scheduler, self.faults = root, scheduler, faults
        self._kept: dict[int, bytes] = {}  # by inode: what was flushed
        self._undo: list[Callable[[], None]] = []
        self.full_until = -1.0

    def call(self, name: str, real: Callable[..., Any], *args: Any, **more: Any) -> Any:
        """A call of the operating system, as the world lets it end."""
        place = self._place(args[0], more.get("dir_fd")) if args else None
        if place is None or not place.is_relative_to(self.root):
            return real(*args, **more)
        self.scheduler.step(f"{name} {_shown(place)}")
        self.faults.strike(self.scheduler)
        return getattr(self, f"_{name}")(place, real, *args, **more)

    def cut_power(self) -> None:
        """Lose what was not flushed."""
        random = self.scheduler.random
        keep = random.randint(0, len(self._undo))
        for undo in reversed(self._undo[keep:]):
            undo()
        self._undo.clear()
        for path in sorted(self.root.rglob("*")):
            if path.is_file() and not path.is_symlink():
                content = path.read_bytes()
                if self._kept.get(path.stat().st_ino) != content:
                    path.write_bytes(content[: random.randint(0, len(content))])
                    self._kept[path.stat().st_ino] = path.read_bytes()

    def _place(self, path: Any, folder: int | None) -> Path | None:
        if isinstance(path, int):
            return Path(f"/proc/self/fd/{path}").readlink()
        if folder is not None:
            return Path(f"/proc/self/fd/{folder}").readlink() / os.fsdecode(path)
        return Path(os.fsdecode(path)) if path is not None else None

    def _fsync(self, place: Path, real: Callable[..., Any], handle: int) -> None:
        found = os.fstat(handle)
        if stat.S_ISDIR(found.st_mode):
            self._undo.clear()
            return
        self._refuse_if_full(place)
        self._kept[found.st_ino] = place.read_bytes()
        if found.st_size and self.faults.happens("damage"):
            with place.open("r+b") as file:
                at = self.scheduler.random.randrange(found.st_size)
                file.seek(at)
                old = file.read(1)
                file.seek(at)
                file.write(bytes([old[0] ^ 1]))

    def _replace(self, place: Path, real: Callable[..., Any], source: Any, target: Any) -> None:
        self._refuse_if_full(place)
        to = Path(target)
        before = to.read_bytes() if to.exists() else None
        real(source, target)

        def undo() -> None:
            if before is None:
                to.unlink(missing_ok=True)
            else:
                self._restore(to, before)

        self._undo.append(undo)

    def _link(self, place: Path, real: Callable[..., Any], *args: Any, **more: Any) -> None:
        self._refuse_if_full(place)
        to = Path(args[1])
        real(*args, **more)
        self._undo.append(lambda: to.unlink(missing_ok=True))

    def _unlink(self, place: Path, real: Callable[..., Any], *args: Any, **more: Any) -> None:
        before = place.read_bytes() if place.is_file() and place.name[0] != "." else None
        real(*args, **more)
        if before is not None:
            self._undo.append(lambda: self._restore(place, before))

    def _rmdir(self, place: Path, real: Callable[..., Any], *args: Any, **more: Any) -> None:
        real(*args, **more)

    def _scandir(self, place: Path, real: Callable[..., Any], *args: Any) -> Any:
        return real(*args)

    def _restore(self, path: Path, content: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_bytes(content)
        self._kept[path.stat().st_ino] = content

    def _refuse_if_full(self, place: Path) -> None:
        now = self.scheduler.now
        if now >= self.full_until and self.faults.happens("full"):
            self.full_until = now + self.scheduler.random.expovariate(1 / 2.0)
        if now < self.full_until:
            raise OSError(errno.ENOSPC, "No space left on device", str(place))


def _shown(place: Path) -> str:
    """A path without what is drawn anew in every process."""
    return f"{place.parent.name}/{'*' if place.name.startswith('.') else place.name}"


def calls_of(disk: Callable[[], Disk | None]) -> dict[str, Callable[..., Any]]:
    """What takes the place of functions of the module ``os``, by their names.

    Args:
        disk: that of the world whose thread calls; None: it is no world's.
    """

    def through(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **more: Any) -> Any:
            found = disk()
            return real(*args, **more) if found is None else found.call(name, real, *args, **more)

        return call

    return {name: through(name, getattr(os, name)) for name in _CALLS}
