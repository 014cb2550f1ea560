"""A run directory on disk and one behind a URL, and the parts of a small scene."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest

from landcover.classes import scheme
from landcover.contracts import Failure, Tile
from landcover.runs.claiming import claim
from landcover.runs.directory import RunDirectory
from landcover.runs.parts import Part

CRS = "EPSG:26914"
MakePart = Callable[..., Part]


@pytest.fixture(params=["local", "url"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where a run may be: a folder, or behind a URL."""
    if request.param == "local":
        yield str(tmp_path / "run")
        return
    name = uuid.uuid4().hex
    yield f"memory://{name}/run"
    filesystem = fsspec.filesystem("memory")
    if filesystem.exists(name):
        filesystem.rm(name, recursive=True)


@pytest.fixture
def run(place: str) -> Iterator[RunDirectory]:
    with claim(place, {"model": "m1"}, scheme("nlcd6"), {}, beat=0.02) as run:
        yield run


@pytest.fixture
def make_tile() -> Callable[..., Tile]:
    return _tile


def _tile(row: int, col: int, source: str = "a.tif", size: float = 224.0) -> Tile:
    xmin, ymax = 400_000 + col * size, 5_200_000 - row * size
    bounds = (xmin, ymax - size, xmin + size, ymax)
    return Tile(f"{source}/{row}/{col}", source, row, col, bounds)


@pytest.fixture
def make_part() -> MakePart:
    def make(index: int = 0, tiles: list[Tile] | None = None, **changes: Any) -> Part:
        tiles = [_tile(index, col) for col in range(4)] if tiles is None else tiles
        failures: list[Failure] = changes.get("failures", [])
        values: dict[str, Any] = {
            "index": index,
            "planned": len(tiles) + len(failures) + changes.get("skipped", 0),
            "tiles": tiles,
            "labels": np.arange(len(tiles)) % 6,
            "scores": np.linspace(0.5, 1, len(tiles), dtype=np.float32),
            "crs": CRS,
            "digest": f"d{index}",
        }
        return Part(**{**values, **changes})

    return make
