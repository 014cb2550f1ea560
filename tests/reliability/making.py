"""``landcover prepare`` and ``landcover train`` as commands that are killed."""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import psutil
import pyarrow.parquet as pq
import yaml
from PIL import Image
from support.ground import squares, write_codes
from support.rasters import imagery, write

from reliability.killing import Process

Made: TypeAlias = Literal["prepare", "probe", "network"]
_CORNER = (500_000, 4_000_000)
# What tells the time in what a training writes, or the process.
_OF_ITSELF = re.compile(
    rb'"(created|datetime|id|landcover:digest)": "[^"]*"|"shared_object_id": [0-9]+'
)


@dataclass(frozen=True)
class Making:
    """A command that makes a folder.

    Args:
        folder: that all lies in.
        what: is made: tiles, or a network in one of two ways.
        config: of the command.
        output: the folder that it makes, named in the configuration.
    """

    folder: Path
    what: Made
    config: Mapping[str, Any]
    output: Path = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "output", self.folder / "out")
        output = {**self.config.get("output", {}), "path": str(self.output)}
        told = {**self.config, "output": output}
        (self.folder / "config.yaml").write_text(yaml.safe_dump(told))

    def begin_anew(self) -> None:
        """Leave nothing of what was before."""
        shutil.rmtree(self.output, ignore_errors=True)
        self._log.write_bytes(b"")

    def start(self) -> Process:
        """Give the command, in a group of processes of its own."""
        command = "prepare" if self.what == "prepare" else "train"
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "landcover.cli.main", command, self.folder / "config.yaml"],
                stdout=log,
                stderr=log,
                text=True,
                env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
                start_new_session=True,
            )

    def victims(self, process: Process, dice: random.Random) -> list[int]:
        """All of them."""
        started = psutil.Process(process.pid).children(recursive=True)
        return [process.pid, *(one.pid for one in started)]

    def is_late(self) -> bool:
        """Whether tiles are written, or the files of a network that is trained."""
        return (self.output / ("train" if self.what == "prepare" else "model.keras")).exists()

    def stage(self) -> str:
        """How far it has come, for people."""
        if not self.output.exists():
            return "before the folder"
        if self.is_late():
            return "writing"
        begun = [*self.output.glob("parts/labels/part-*"), *self.output.glob("checkpoint-*")]
        return "tasks" if begun else "before the first step"

    def kept(self) -> Mapping[str, object]:
        """Parts, and tiles of whole parts, with when they were written; or how often each epoch was done."""
        if self.what != "prepare":
            return Counter(re.findall(r"^\d+ of \d+ epochs", self._log.read_text(), re.MULTILINE))
        parts = [*self.output.glob("parts/*/part-*")]
        written = [one for one in parts if one.parent.name == "tiles"]
        tiles = [name for one in written for name in pq.read_table(one)["path"].to_pylist()]
        if not parts:
            tiles = [str(one.relative_to(self.output)) for one in self.output.glob("t*/*/*.png")]
        files = [*parts, *(self.output / name for name in tiles)]
        return {str(one): (one.stat().st_ino, one.stat().st_mtime_ns) for one in files}

    def content(self) -> dict[str, bytes]:
        """All files by name: of a training all but what tells the time, or the process."""
        found = {}
        for path in sorted(self.output.rglob("*")):
            name = str(path.relative_to(self.output))
            if path.suffix == ".keras":
                with zipfile.ZipFile(path) as file:
                    weights = file.read("model.weights.h5")
                    found[name] = weights + _OF_ITSELF.sub(b"", file.read("config.json"))
            elif path.is_file():
                plain = path.suffix != ".json" or self.what == "prepare"
                found[name] = path.read_bytes()
                found[name] = found[name] if plain else _OF_ITSELF.sub(b"", found[name])
        return found

    def said(self) -> str:
        """The last line of what it has said."""
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""

    @property
    def _log(self) -> Path:
        return self.folder / "said"


def making(folder: Path, what: Made) -> Making:
    """A command, with imagery and a reference, or with labelled tiles."""
    if what == "prepare":
        return Making(folder, what, _ground(folder))
    _tiles(folder / "tiles")
    method: dict[str, Any] = {"name": "probe", "filters": 64}
    if what == "network":
        method = {"name": what, "epochs": 20, "patience": 20, "width": 4, "batch": 8}
    return Making(folder, what, {"data": str(folder / "tiles"), "method": method})


def _ground(folder: Path) -> dict[str, Any]:
    """1,600 places for tiles in seven tasks, and all that is written of them on request."""
    scene = write(folder / "scene.tif", imagery(3, 640, 640))
    codes = write_codes(folder / "codes.tif", squares(10, 7), "EPSG:26914", _CORNER, 10.0)
    return {
        "source": {"rasters": scene, "tile": 16, "task": 256},
        "reference": codes,
        "labels": {"classes": ["Forest", "Cultivated"]},
        "split": {"block": 150, "buffer": 16, "shares": {"train": 0.6, "test": 0.4}},
        "output": {"cntk": True, "pixels": True, "tfrecord": True},
    }


def _tiles(folder: Path) -> None:
    """Two classes that look alike but for how rough they are."""
    generator = np.random.default_rng(0)
    for split, count in (("train", 40), ("validation", 10), ("test", 10)):
        for name, contrast in (("flat", 30), ("rough", 40)):
            (folder / split / name).mkdir(parents=True)
            for number in range(count):
                pixels = generator.normal(120, contrast, (32, 32, 3)).clip(0, 255)
                path = folder / split / name / f"{number}.png"
                Image.fromarray(pixels.astype(np.uint8)).save(path)
