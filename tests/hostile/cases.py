"""What a case is, and the good run that all cases begin as."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import rasterio
import yaml
from PIL import Image
from rasterio.crs import CRS
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


def put_in_the_way(name: str, target: str | None, ground: Ground) -> None:
    """Where something is to be written there is a link already, or a pipe: ``target`` is None."""
    path = ground.folder / name
    path.parent.mkdir(exist_ok=True)
    if target is None:
        os.mkfifo(path)
    else:
        path.symlink_to(target.replace("{outside}", str(ground.outside)))


_DEGREE = 'UNIT["degree",0.0174532925199433]'
_WGS84 = f'GEOGCS["x",DATUM["x",SPHEROID["x",6378137,298.257]],PRIMEM["x",0],{_DEGREE}]'
STRANGE_CRS = {
    "a building": 'LOCAL_CS["x",UNIT["metre",1]]',
    "Mars": f'GEOGCS["x",DATUM["x",SPHEROID["x",3396190,169.9]],PRIMEM["x",0],{_DEGREE}]',
    "no projection": f'PROJCS["x",{_WGS84},PROJECTION["Nothing"],UNIT["metre",1]]',
    "three axes": 'GEOCCS["x",DATUM["x",SPHEROID["x",6378137,298.257]],PRIMEM["x",0],UNIT["metre",1]]',
    "heights": 'VERT_CS["x",VERT_DATUM["x",2005],UNIT["metre",1]]',
    "a missing grid": f'PROJCS["x",{_WGS84},PROJECTION["Mercator_1SP"],UNIT["metre",1],EXTENSION["PROJ4",'
    '"+proj=merc +nadgrids=nothing +units=m +no_defs"]]',
}
"""CRSs that lead from a few to all others nowhere, by what they are of."""


def move(path: Path, crs: str) -> None:
    """Write a raster anew, with another CRS."""
    with rasterio.open(path) as file:
        profile, pixels = file.profile, file.read()
    with rasterio.open(path, "w", **{**profile, "crs": CRS.from_wkt(crs)}) as file:
        file.write(pixels)


def begin(template: Path, folder: Path) -> None:
    """A copy of the good folder."""
    shutil.copytree(template, folder, symlinks=True)
