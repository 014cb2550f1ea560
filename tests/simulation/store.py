"""An object store of a simulated world, as a file system of fsspec: ``sim://``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import fsspec
from fsspec.spec import AbstractFileSystem

from simulation.faults import Faults
from simulation.scheduling import Scheduler

ROOT = "sim://store/run"
LOCK = ".lock"
_LONGEST_STALL = 60.0


class Unavailable(Exception):
    """What a store says that is overloaded."""

    status = 503


class Objects:
    """What the store holds, and what becomes of requests.

    Args:
        scheduler: of the world.
        faults: what may go wrong.
    """

    def __init__(self, scheduler: Scheduler, faults: Faults) -> None:
        self.scheduler, self.faults = scheduler, faults
        self.held: dict[str, bytes] = {}
        self.down_until = -1.0

    def ask(self, what: str, key: str, effect: Callable[[], Any]) -> Any:
        """A request of the running process."""
        scheduler, faults = self.scheduler, self.faults
        scheduler.step(f"{what} {key}")
        faults.strike(scheduler)
        # The token is looked at before each write, not by the store with it: what a host that is
        # suspended just between the two may do is known (CONTRIBUTING.md), and not asked here.
        if what == "get" and key.endswith(LOCK) and faults.happens("stall"):
            scheduler.stall(scheduler.process, scheduler.random.uniform(0, _LONGEST_STALL))
        if scheduler.now >= self.down_until and faults.happens("down"):
            self.down_until = scheduler.now + scheduler.random.expovariate(1 / 10.0)
        if scheduler.now < self.down_until or faults.happens("refused"):
            raise Unavailable(f"{what} {key}")
        result = effect()
        if faults.happens("twice"):
            result = effect()
        if faults.happens("lost"):
            raise ConnectionResetError(f"the answer to {what} {key} is lost")
        return result


_world: list[Objects] = []


@contextmanager
def holding(objects: Objects) -> Iterator[None]:
    """Let ``sim://`` be the store of a world."""
    _world.append(objects)
    try:
        yield
    finally:
        _world.remove(objects)


class SimulatedStore(AbstractFileSystem):
    """The store of the world that runs."""

    protocol: ClassVar[str] = "sim"

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **_: Any) -> None:
        def put() -> None:
            if mode == "create" and path in _objects().held:
                raise FileExistsError(path)
            _objects().held[path] = bytes(value)

        _objects().ask(f"put {mode}", path, put)

    def put_file(self, lpath: str, rpath: str, **_: Any) -> None:
        with open(lpath, "rb") as file:  # noqa: PTH123
            self.pipe_file(rpath, file.read())

    def cat_file(self, path: str, start: Any = None, end: Any = None, **_: Any) -> bytes:
        return bytes(_objects().ask("get", path, lambda: self._found(path)[start:end]))

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        return dict(_objects().ask("head", path, lambda: self._info(path)))

    def size(self, path: str) -> int:
        return int(_objects().ask("head", path, lambda: len(self._found(path))))

    def ls(self, path: str, detail: bool = False, **_: Any) -> list[Any]:
        def listed() -> list[Any]:
            inside = path.rstrip("/") + "/"
            held = [key for key in _objects().held if key.startswith(inside)]
            names = sorted({key[len(inside) :].split("/")[0] for key in held})
            if not names:
                raise FileNotFoundError(path)
            return [self._info(inside + name) if detail else inside + name for name in names]

        return list(_objects().ask("list", path, listed))

    def rm_file(self, path: str) -> None:
        def remove() -> None:
            self._found(path)
            del _objects().held[path]

        _objects().ask("delete", path, remove)

    def rm(self, path: Any, **_: Any) -> None:
        for one in [path] if isinstance(path, str) else path:
            _objects().ask("delete", one, lambda one=one: _objects().held.pop(one, None))

    def _found(self, path: str) -> bytes:
        try:
            return _objects().held[path]
        except KeyError:
            raise FileNotFoundError(path) from None

    def _info(self, path: str) -> dict[str, Any]:
        if path in (held := _objects().held):
            return {"name": path, "size": len(held[path]), "type": "file"}
        if any(key.startswith(path.rstrip("/") + "/") for key in held):
            return {"name": path, "size": 0, "type": "directory"}
        raise FileNotFoundError(path)


def _objects() -> Objects:
    return _world[-1]


fsspec.register_implementation("sim", SimulatedStore, clobber=True)
