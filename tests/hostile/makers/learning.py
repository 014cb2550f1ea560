"""Hostile settings, labels and tiles of ``prepare`` and ``train``."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image
from support.colours import write_scene

from hostile.cases import Case, Ground, put_in_the_way
from hostile.makers.models import keras_file
from hostile.mutating import mutated

_PREPARE = ("prepare", "prepare.yaml", "--json")
_TRAIN = ("train", "train.yaml", "--quiet")
_NAMES = (
    *("prepare", "train.yaml", "reference", "scene", "tiles", "out", "labels", "split", "draw"),
    *("source", "method", "backend", "data", "hostile"),
)
_VALUES: tuple[Any, ...] = (
    *(None, True, 0, -1, 10**30, 1e300, float("inf"), float("nan"), "", "x" * 100_000, []),
    *([[]], {}, {"a": 1}, "../../outside/canary", "\x1b[2J\u202e", "$(touch canary)", "/dev/zero"),
)


def cases() -> Iterator[Case]:
    """Some 250 of them."""
    yield from _settings()
    yield from _labels()
    yield from _folders()
    yield from _tiles()


def _good(ground: Ground) -> dict[str, Any]:
    """A configuration of ``prepare``, with its reference."""
    codes = np.full((1, 64, 64), 41, np.uint8)
    codes[:, :, 32:] = 11
    write_scene(ground.folder / "reference.tif", codes)
    return {
        "source": {"rasters": ["scene.tif"], "tile": 8},
        "reference": {"path": "reference.tif", "scheme": "nlcd"},
        "labels": {"rule": "centre"},
        "split": {"block": 16.0, "buffer": 0.0},
        "draw": {"balance": "none"},
        "output": {"path": "out"},
    }


def _write(ground: Ground, told: dict[str, Any]) -> None:
    (ground.folder / "prepare.yaml").write_text(yaml.safe_dump(told))


def _settings() -> Iterator[Case]:
    keys = {
        "reference": ("path", "scheme", "field", "ignore"),
        "labels": ("rule", "share", "scheme", "groups", "classes"),
        "split": ("by", "shares", "regions", "block", "buffer"),
        "draw": ("balance", "most", "seed"),
        "output": ("pixels", "tfrecord"),
    }
    for section, names in keys.items():
        for at, key in enumerate(names):
            for number, value in enumerate(_VALUES):
                if (at + number) % 3 == 0:
                    make = partial(_value, section, key, value)
                    yield Case("preparing", f"{section}.{key} {number}", make, _PREPARE, _NAMES)
    for seed in range(20):
        yield Case("preparing", f"damaged {seed}", partial(_damaged, seed), _PREPARE, _NAMES)


def _value(section: str, key: str, value: Any, ground: Ground) -> None:
    told = _good(ground)
    told[section][key] = value
    _write(ground, told)


def _damaged(seed: int, ground: Ground) -> None:
    _write(ground, _good(ground))
    file = ground.folder / "prepare.yaml"
    content = mutated(file.read_bytes(), seed)
    # Where it writes to is the user's own to say.
    file.write_bytes(content.replace(b"../", b"..-"))


def _labels() -> Iterator[Case]:
    """Names of classes become names of folders."""
    names = (
        *(
            "../../outside/x",
            "/etc",
            "..",
            ".",
            "",
            "a/b",
            "\x1b[2J",
            "\u202e",
            "x" * 5_000,
            "~root",
        ),
        *("CON", "a\nb", "a\0b", "-rf", "=1+1", "*", "\ud800", "train", "prepare.json"),
    )
    for at, name in enumerate(names):
        yield Case("preparing", f"class {at}", partial(_class, name), _PREPARE, _NAMES)
        make = partial(_class, name, also={"pixels": True, "tfrecord": True, "cntk": True})
        yield Case("preparing", f"class {at} everywhere", make, _PREPARE, _NAMES)


def _class(name: str, ground: Ground, also: dict[str, bool] | None = None) -> None:
    told = _good(ground)
    told["labels"]["groups"] = {name: [41], "water": [11]}
    told["output"] |= also or {}
    _write(ground, told)


def _folders() -> Iterator[Case]:
    """What lies where the tiles shall go."""
    for name in (
        "out",
        "out/train",
        "out/parts",
        "out/prepare.json",
        "out/manifest.parquet",
        "out/.lock",
        "out/.holder",
    ):
        for target in ("{outside}", "{outside}/scene.tif", "/dev/zero", "/etc/passwd"):
            for more in ((), ("--restart", "--yes")):
                make = partial(_linked, name, target)
                what = f"{name} -> {target} {len(more)}"
                yield Case("preparing", what, make, (*_PREPARE, *more), _NAMES)
        yield Case("preparing", f"pipe {name}", partial(_linked, name, None), _PREPARE, _NAMES)
    for at, text in enumerate(("{", "[]", "[" * 100_000, '{"classes": 1}', "x" * 50_000_000)):
        make = partial(_before, text)
        yield Case("preparing", f"prepare.json {at}", make, _PREPARE, _NAMES)


def _linked(name: str, target: str | None, ground: Ground) -> None:
    _write(ground, _good(ground))
    put_in_the_way(name, target, ground)


def _before(text: str, ground: Ground) -> None:
    _write(ground, _good(ground))
    (ground.folder / "out").mkdir()
    (ground.folder / "out/prepare.json").write_text(text)


def _tiles() -> Iterator[Case]:
    """Folders of labelled tiles for ``train``, of which others have made a part."""
    for what, put in _put().items():
        yield Case("training", what, partial(_training, put, {}), _TRAIN, _NAMES)
    settings: tuple[dict[str, Any], ...] = (
        *({"method": one} for one in ("x" * 100_000, 10**30, [], {"name": "\x1b[2J"})),
        *({"method": {"name": "probe", "filters": one}} for one in (0, 10**9, float("inf"))),
        *({"method": {"name": "network", "width": one}} for one in (-1, 10**9, "1e9")),
        *({"method": {"name": "transfer", "base": one}} for one in _bases()),
        *({"bands": one} for one in ([10**9], [-1], ["\x1b[2J"], list(range(1, 2_000)))),
        *({"classes": one} for one in ([], ["../x", "b"], ["a"] * 1_000, "\x1b[2J", [1e300])),
        *({"resolution": one} for one in (1e-9, 1e300, float("nan"), "x")),
        *({"data": one} for one in ("/dev/zero", "/dev/null", "", ".", "tiles/a", "\x1b[2J")),
        *({"license": one} for one in ("\x1b[2J", "x" * 1_000_000, "<script>", "a\n---\nb")),
        *({"seed": one} for one in (-1, 2**70)),
        *({"validation": one} for one in (0, 1, float("nan"))),
    )
    for at, told in enumerate(settings):
        make = partial(_training, lambda folder, ground: None, told)
        names = (*_NAMES, "/dev/")  # the key, or the file that it names
        yield Case("training", f"settings {at} {next(iter(told))}", make, _TRAIN, names)


def _bases() -> tuple[str, ...]:
    return (
        *(
            "hostile.keras",
            "hostile.h5",
            "pipe.keras",
            "zero.h5",
            "/dev/zero",
            "../outside/x.keras",
        ),
        *("os.system", "__import__", "keras.utils.get_file", "\x1b[2J", "Model", "get_file"),
    )


def _training(put: Callable[[Path, Ground], None], more: dict[str, Any], ground: Ground) -> None:
    rng = np.random.default_rng(1)
    for name, light in (("a", 60), ("b", 180)):
        folder = ground.folder / "tiles" / name
        folder.mkdir(parents=True)
        for number in range(6):
            pixels = rng.integers(light - 40, light + 40, (16, 16, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"{number}.png")
    (ground.folder / "hostile.keras").write_bytes(
        keras_file("Lambda", {"function": ["4wEAAA==", None, None], "name": "l"})
    )
    (ground.folder / "hostile.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + b"\xff" * 2000)
    os.mkfifo(ground.folder / "pipe.keras")
    (ground.folder / "zero.h5").symlink_to("/dev/zero")
    put(ground.folder / "tiles", ground)
    method = {"name": "probe", "filters": 4, "copies": 1}
    told = {"data": "tiles", "output": "out", "method": method, "resolution": 1.0, **more}
    (ground.folder / "train.yaml").write_text(yaml.safe_dump(told))


def _put() -> dict[str, Callable[[Path, Ground], None]]:
    def link(name: str, target: str) -> Callable[[Path, Ground], None]:
        def put(tiles: Path, ground: Ground) -> None:
            path = tiles / name
            path.unlink(missing_ok=True)
            path.symlink_to(target.replace("{outside}", str(ground.outside)))

        return put

    def write(name: str, content: bytes) -> Callable[[Path, Ground], None]:
        def put(tiles: Path, ground: Ground) -> None:
            (tiles / name).parent.mkdir(parents=True, exist_ok=True)
            (tiles / name).write_bytes(content)

        return put

    def pipe(tiles: Path, ground: Ground) -> None:
        (tiles / "a/0.png").unlink()
        os.mkfifo(tiles / "a/0.png")

    def pipe_folder(tiles: Path, ground: Ground) -> None:
        os.mkfifo(tiles / "c")

    def pipe_manifest(tiles: Path, ground: Ground) -> None:
        os.mkfifo(tiles / "prepare.json")

    def output(tiles: Path, ground: Ground) -> None:
        (tiles.parent / "out").symlink_to(ground.outside)

    def output_file(name: str) -> Callable[[Path, Ground], None]:
        def put(tiles: Path, ground: Ground) -> None:
            (tiles.parent / "out").mkdir()
            (tiles.parent / "out" / name).symlink_to(ground.outside / "canary")

        return put

    said = {"status": "done", "resolution": 1.0, "bands": [1, 2, 3], "scheme": None}
    classes = [{"folder": "a", "name": "a"}, {"folder": "b", "name": "b"}]
    manifests: dict[str, Any] = {
        "names": {**said, "classes": [{"folder": "../..", "name": "\x1b[2J"}, classes[1]]},
        "numbers": {**said, "resolution": 1e300, "classes": classes},
        "no numbers": {**said, "resolution": float("nan"), "classes": classes},
        "bands": {**said, "bands": [2**70], "classes": classes},
        "many bands": {**said, "bands": list(range(100_000)), "classes": classes},
        "list": [],
        "scheme": {**said, "scheme": {"a": 1}, "classes": classes},
    }
    return {
        "image -> zero": link("a/0.png", "/dev/zero"),
        "image -> random": link("a/0.png", "/dev/urandom"),
        "image -> outside": link("a/0.png", "{outside}/images/0.png"),
        "image -> password": link("a/0.png", "/etc/passwd"),
        "image -> itself": link("a/0.png", "0.png"),
        "class -> outside": link("c", "{outside}/images"),
        "class -> above": link("c", ".."),
        "class -> all": link("c", "/"),
        "split -> all": link("train", "/"),
        "pipe": pipe,
        "pipe of a class": pipe_folder,
        "pipe manifest": pipe_manifest,
        "manifest -> zero": link("prepare.json", "/dev/zero"),
        "manifest large": write("prepare.json", b'"' + b"x" * 50_000_000),
        "manifest deep": write("prepare.json", b"[" * 100_000),
        **{
            f"manifest {what}": write("prepare.json", json.dumps(values).encode())
            for what, values in manifests.items()
        },
        "program": write("a/evil.png", b"%!PS-Adobe-3.0 EPSF-3.0\n(canary) (w) file closefile"),
        "text": write("a/evil.png", b"<VRTDataset/>"),
        "empty": write("a/evil.png", b""),
        "numpy": write("a/evil.npy", b"\x93NUMPY\x01\0"),
        "class of escapes": write("\x1b[2J/0.png", b""),
        "class of a script": write("<script>/0.png", b""),
        "class of a formula": write("=1+1/0.png", b""),
        "output -> outside": output,
        **{
            f"output/{name} -> canary": output_file(name)
            for name in (
                "model.keras",
                "model.yaml",
                "training.json",
                "CARD.md",
                ".lock",
                ".holder",
            )
        },
    }
