"""Hostile run directories and caches: what others wrote, with links and numbers that lead elsewhere."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from hostile.cases import Case, Ground
from hostile.makers.imagery import virtual
from hostile.mutating import mutated

_COMMANDS = (
    ("score", "config.yaml", "--quiet"),
    ("areas", "run"),
    ("smooth", "run", "--output", "smoothed"),
    ("accuracy", "run", "--reference", "scene.tif"),
)
_NAMES = ("run", "scene", "colours", "config")
_ELSEWHERE = ("{outside}", "/etc", "..", "/dev/zero", "tiles")


def cases() -> Iterator[Case]:
    """Some 300 of them."""
    yield from _damaged()
    yield from _values()
    yield from _links()
    yield from _caches()


@lru_cache(maxsize=1)
def _good(folder: Path) -> dict[str, bytes]:
    """The files of the run directory of a good run, by their names."""
    found = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def put_run(ground: Ground) -> Path:
    """Put the run directory of the good run into the folder of a case."""
    run = ground.folder / "run"
    for name, content in _good(ground.done).items():
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        (run / name).write_bytes(content)
    return run


def _damaged() -> Iterator[Case]:
    def damage(pattern: str, seed: int, ground: Ground) -> None:
        run = put_run(ground)
        files = sorted(run.glob(pattern))
        if files:
            file = files[seed % len(files)]
            file.write_bytes(mutated(file.read_bytes(), seed))

    for pattern in ("run.json", "tiles/*", "map.tif", "*.json"):
        for seed in range(40):
            command = _COMMANDS[seed % len(_COMMANDS)]
            yield Case(
                "runs", f"damaged {pattern} {seed}", partial(damage, pattern, seed), command, _NAMES
            )


def _values() -> Iterator[Case]:
    values: tuple[Any, ...] = (
        *(
            None,
            -1,
            10**30,
            1e300,
            "x",
            "../..",
            "/etc/passwd",
            [],
            {},
            [[[[]]]],
            "\x1b[2J",
            True,
            "{outside}",
            "{url}",
        ),
    )

    def change(key: str, value: Any, ground: Ground) -> None:
        file = put_run(ground) / "run.json"
        told = json.loads(file.read_text())
        keys = sorted(told)
        name = keys[int(key) % len(keys)]
        if isinstance(value, str):
            value = value.replace("{outside}", str(ground.outside)).replace("{url}", ground.url)
        told[name] = value
        file.write_text(json.dumps(told))

    for key in range(30):
        for at, value in enumerate(values):
            if (key + at) % 4 == 0:
                command = _COMMANDS[(key + at // 4) % len(_COMMANDS)]
                yield Case(
                    "runs",
                    f"key {key} is value {at}",
                    partial(change, str(key), value),
                    command,
                    _NAMES,
                )
    for what, text in {
        "deep": "[" * 100_000,
        "empty": "",
        "not JSON": "{",
        "number": "1" * 10_000,
        "list": "[]",
        "large": '"' + "x" * 50_000_000 + '"',
        "nan": '{"status": NaN}',
    }.items():

        def put(text: str, ground: Ground) -> None:
            (put_run(ground) / "run.json").write_text(text)

        for command in _COMMANDS:
            yield Case("runs", f"run.json {what} {command[0]}", partial(put, text), command, _NAMES)


def _links() -> Iterator[Case]:
    def link(name: str, target: str, ground: Ground) -> None:
        run = put_run(ground)
        path = run / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        path.symlink_to(target.replace("{outside}", str(ground.outside)))

    def pipe(name: str, ground: Ground) -> None:
        path = put_run(ground) / name
        if path.is_dir():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        os.mkfifo(path)

    def index(place: Callable[[Ground], str], ground: Ground) -> None:
        run = put_run(ground)
        (run / "map.tif").unlink(missing_ok=True)
        (run / "map.vrt").write_text(virtual(place(ground), 0))

    names = ("tiles", "quarantine", "pixels", "run.json", "map.tif", "maps", "counts")
    for name in (*names, ".lock", ".holder"):
        for target in _ELSEWHERE:
            command = _COMMANDS[len(target) % len(_COMMANDS)]
            yield Case("runs", f"{name} -> {target}", partial(link, name, target), command, _NAMES)
        yield Case("runs", f"pipe {name}", partial(pipe, name), _COMMANDS[0], _NAMES)
        yield Case("runs", f"pipe {name} areas", partial(pipe, name), _COMMANDS[1], _NAMES)
    for command in _COMMANDS[1:]:
        for what, place in {
            "server": lambda g: f"/vsicurl/{g.url}/a.tif",
            "outside": lambda g: f"{g.outside}/scene.tif",
        }.items():
            yield Case(
                "runs", f"index names {what} {command[0]}", partial(index, place), command, _NAMES
            )


def _caches() -> Iterator[Case]:
    """Caches whose files are damaged or links; each case has its own, a copy of the one that the good run filled."""

    def put(content: bytes | str, ground: Ground) -> None:
        for path in filter(Path.is_file, (shared := ground.folder.parent / "cache").rglob("*")):
            own = ground.folder / "cache" / path.relative_to(shared)
            own.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if isinstance(content, str):
                own.symlink_to(content.replace("{outside}", str(ground.outside)))
                continue
            with suppress(FileNotFoundError):  # a case beside this one may be writing it
                own.write_bytes(mutated(path.read_bytes(), len(content)))

    for number in range(6):
        yield Case("caches", f"damaged {number}", partial(put, b"x" * number), names=_NAMES)
    for target in ("{outside}/canary", "/dev/zero", "/etc/passwd"):
        yield Case("caches", f"-> {target}", partial(put, target), names=(*_NAMES, "cache"))
