"""What a case is, and the good run that all cases begin as."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import yaml
from PIL import Image
from support.colours import SIDECAR, blobs, network, write_scene

SCORE = ("score", "config.yaml", "--quiet")
SCRIPT = "<canary>\x1b[2J\u202e\n=1+1"
"""A name that would be an element of a page, a line and a formula of its own, and clear the screen."""


@dataclass(frozen=True)
class Ground:
    """Where a case takes place.

    Args:
        folder: its own, a copy of a good run's.
        outside: a folder that nothing may read, write or change.
        url: of a server that nobody may ask.
    """

    folder: Path
    outside: Path
    url: str

    @property
    def done(self) -> Path:
        """The run directory of a good run."""
        return self.folder.parent / "good0config.yaml/run"

    @property
    def canary(self) -> Path:
        """A file that must never be there."""
        return self.outside / "canary"


@dataclass(frozen=True)
class Case:
    """Something hostile.

    Args:
        kind: "models", "imagery", "configs", "sidecars", "runs", "caches", "regions", "references",
            "samples", "preparing" or "training".
        name: unique within its kind.
        make: puts it into the folder.
        command: arguments of ``landcover``, run in the folder.
        names: texts of which an error names at least one.
        crashes: whether a process of its own runs it, as the decoder is suspected to crash.
    """

    kind: str
    name: str
    make: Callable[[Ground], None]
    command: tuple[str, ...] = SCORE
    names: tuple[str, ...] = ()
    crashes: bool = False


def good_folder(folder: Path) -> None:
    """A scene of 4 tiles, 3 images, a network with its sidecar, and two configurations."""
    folder.mkdir(parents=True)
    write_scene(folder / "scene.tif", blobs(1, 64, 64))
    onnx.save(network(pixel=False, halo=0, size=32), folder / "colours.onnx")
    (folder / "colours.yaml").write_text(SIDECAR)
    (folder / "images").mkdir()
    for at, suffix in enumerate(("png", "jpg", "tif")):
        pixels = np.moveaxis(blobs(at, 32, 32), 0, 2)
        Image.fromarray(pixels).save(folder / f"images/{at}.{suffix}")
    write_config(folder / "config.yaml")
    write_config(folder / "images.yaml", source={"images": ["images"]})


def write_config(path: Path, **sections: object) -> None:
    """The configuration of a good run with some sections changed."""
    usual = {"source": {"rasters": ["scene.tif"]}, "model": "colours.onnx", "output": "run"}
    # One image of three may be what is hostile.
    usual["failures"] = {"policy": "quarantine", "at_most": 1.0}
    path.write_text(yaml.safe_dump({**usual, **sections}))


def begin(template: Path, folder: Path) -> None:
    """A copy of the good folder."""
    shutil.copytree(template, folder, symlinks=True)
