"""Hostile configurations and sidecars: damaged, absurd, and such as would make a careless reader run or write something."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from typing import Any

import yaml

from hostile.cases import Case, Ground, write_config
from hostile.mutating import mutated

_SCORE, _PLAN = ("score", "config.yaml", "--quiet"), ("plan", "config.yaml")

# What each key of a section gets, in place of what makes sense.
_VALUES: tuple[Any, ...] = (
    *(None, True, 0, -1, 10**30, 1e-300, 1e300, float("inf"), float("nan"), "", "x" * 100_000),
    *([], [[]], {}, {"a": 1}, "../../../etc/passwd", "\x1b[2J\u202e", "$(touch canary)"),
    *("<script>", "{canary}", "{url}", "/dev/zero", [1] * 1000, "0x7fffffffffffffff", "~root/x"),
)
_KEYS = {
    "source": (
        "tile",
        "stride",
        "halo",
        "resolution",
        "bands",
        "grid",
        "region",
        "inside",
        "alpha",
        "task",
        "formats",
        "rasters",
    ),
    "model": (
        *(
            "path",
            "runtime",
            "precision",
            "device",
            "batch",
            "head",
            "classes",
            "bands",
            "mean",
            "mean_image",
        ),
        *(
            "scale",
            "input_size",
            "resolution",
            "output",
            "activation",
            "threshold",
            "output_stride",
            "halo",
        ),
    ),
    "output": ("path", "probabilities", "mosaic"),
    "failures": ("policy", "at_most"),
}
_TEXTS = {
    "tag": "!!python/object/apply:os.system ['touch {canary}']\n",
    "new": "source: !!python/object/new:os.system ['touch {canary}']\n",
    "name": "a: !!python/name:os.system\n",
    "anchors": "a: &a [1]\nb: *a\n",
    "laughs": "a: &a [x,x]\n"
    + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [*{chr(97 + n)},*{chr(97 + n)}]\n" for n in range(20)
    ),
    "deep": "[" * 50_000,
    "deep mappings": "".join(f"{' ' * n}a:\n" for n in range(3000)),
    "twice": "classes: [a, b]\nclasses: [b, a]\n",
    "merge": "a: {{b: 1}}\n<<: {{c: 2}}\n",
    "binary": "classes: !!binary aGVsbG8=\n",
    "documents": "--- a\n--- b\n",
    "date": "a: 2016-13-45\n",
    "empty": "",
    "list": "[1, 2]",
    "number": "1" * 100_000,
    "float": "mean: 1e999999999\nclasses: [a, b, c, d]\n",
    "octal": "batch: 0o777777777777777777777777\n",
    "tab": "\tclasses: [a]\n",
    "null": "classes: [~, ~, ~, ~]\n",
    "control": 'classes: ["\\e[2J", b, c, d]\n',
    "long": "classes: [" + "a, " * 200_000 + "b]\n",
    "large": "# " + "x" * 5_000_000,
    "surrogate": 'classes: ["\\ud800", b, c, d]\n',
    "colon": "a: b: c\n",
}


def cases() -> Iterator[Case]:
    """Some 500 of them."""
    yield from _keys()
    for kind, file in (("configs", "config.yaml"), ("sidecars", "colours.yaml")):
        for what, text in _TEXTS.items():
            yield Case(kind, f"text {what}", partial(_text, file, text), _SCORE, (file, "colours"))
        for seed in range(25):
            yield Case(
                kind,
                f"damaged {seed}",
                partial(_damaged, file, seed),
                _SCORE,
                (file, "scene", "colours", "source", "model"),
            )
        yield Case(kind, "pipe", partial(_pipe, file), _SCORE, (file,))
        for target in ("/dev/zero", "/dev/urandom", "/proc/self/mem", "/etc/shadow", file):
            yield Case(kind, f"-> {target}", partial(_link, file, target), _SCORE, (file,))


def _keys() -> Iterator[Case]:
    for section, keys in _KEYS.items():
        for at, key in enumerate(keys):
            for number, value in enumerate(_VALUES):
                if (at + number) % 2:
                    yield Case(
                        "configs",
                        f"{section}.{key} {number}",
                        partial(_key, section, key, value),
                        _PLAN,
                    )
                elif section == "model" and key not in ("path", "runtime", "precision", "device"):
                    yield Case("sidecars", f"{key} {number}", partial(_sidecar, key, value), _PLAN)


def _filled(value: Any, ground: Ground) -> Any:
    if isinstance(value, str):
        return value.replace("{canary}", str(ground.canary)).replace("{url}", ground.url)
    return value


def _key(section: str, key: str, value: Any, ground: Ground) -> None:
    usual: dict[str, dict[str, Any]] = {
        "source": {"rasters": ["scene.tif"]},
        "model": {"path": "colours.onnx"},
        "output": {"path": "run"},
        "failures": {"policy": "quarantine", "at_most": 1.0},
    }
    # A folder beside the case is no place to write to, and neither is a server; what a configuration names as
    # its imagery or its model may be asked for, so that nobody listens there.
    where = _filled(value, ground)
    if value == "{url}" and key in ("rasters", "path", "region", "mean_image"):
        where = "http://127.0.0.1:9/a"
    if (
        (section, key) == ("output", "path")
        and isinstance(where, str)
        and (".." in where or "canary" in where or "/" in where)
    ):
        where = "run\x1b[2J"
    usual[section][key] = where
    write_config(ground.folder / "config.yaml", **usual)


def _sidecar(key: str, value: Any, ground: Ground) -> None:
    told = {"classes": ["water", "trees", "field", "town"], "mean": 100, "scale": 0.02}
    told[key] = _filled(value, ground)
    (ground.folder / "colours.yaml").write_text(yaml.safe_dump(told))


def _text(file: str, text: str, ground: Ground) -> None:
    (ground.folder / file).write_text(
        text.replace("{canary}", str(ground.canary)).replace("{{", "{").replace("}}", "}")
    )


def _damaged(file: str, seed: int, ground: Ground) -> None:
    path = ground.folder / file
    path.write_bytes(mutated(path.read_bytes(), seed))


def _pipe(file: str, ground: Ground) -> None:
    (ground.folder / file).unlink()
    os.mkfifo(ground.folder / file)


def _link(file: str, target: str, ground: Ground) -> None:
    (ground.folder / file).unlink()
    (ground.folder / file).symlink_to(target)
