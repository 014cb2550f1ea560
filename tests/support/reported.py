"""Runs with hostile names, for reports of them, and what such a page consists of."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import numpy as np
from rasterio.transform import from_origin

import landcover
from landcover.classes import LandClass, Scheme, scheme
from landcover.contracts import Failure, Tile
from landcover.runs.directory import RunDirectory
from support.colours import blobs, write_scene
from support.finished import pixel_run, tile_run

UTM = "EPSG:26914"
HOSTILE = "<img src=x onerror=alert(1)>"
BREAKOUT = "</script><script>alert(2)</script>"
STRANGE = Scheme(
    "model",
    (
        LandClass(0, HOSTILE, "#38814e"),
        LandClass(1, BREAKOUT, "#ab6c28"),
        LandClass(2, "Developed", "#eb0000"),
    ),
)


def write_hostile_run(folder: Path) -> RunDirectory:
    """6 x 8 tiles of 100 m whose classes, scene, reasons and directory are called like attacks.

    Scores go from 0.5 to 1, row after row; the first tile is developed, the left half is of the
    first class, the right half of the second.
    """
    codes = np.zeros((6, 8), np.uint8)
    codes[:, 4:] = 1
    codes[0, 0] = 2
    scores = np.linspace(0.5, 1, codes.size, dtype=np.float32).reshape(codes.shape)
    scene = f"{HOSTILE}.tif"
    told = [("timeout", True), ("timeout", False), (HOSTILE, False)]
    failures = [
        Failure(Tile(f"{scene}/9/{n}", scene, 9, n, (0.0, 0.0, 1.0, 1.0)), *reason)
        for n, reason in enumerate(told)
    ]
    placed = tuple(from_origin(5e5, 4.5e6, 10, 10))[:6]
    said = {"versions": {"landcover": HOSTILE}, "note": BREAKOUT}
    tiles = (codes, UTM, placed, 10, scene, scores)
    return tile_run(folder / "<b>2016&", STRANGE, *tiles, failures=failures, **said)


def write_later_run(folder: Path) -> RunDirectory:
    """Pixels of 20 m over much of the same ground, shifted by 25 m; a corner has no class."""
    codes = np.full((30, 40), 40, np.uint8)
    codes[:, 20:] = 80
    codes[5:10, 5:10] = 20
    codes[:3, :3] = 255
    placed = tuple(from_origin(5e5 + 25, 4.5e6 - 25, 20, 20))[:6]
    return pixel_run(folder / "2018", scheme("nlcd6"), [(codes, UTM, placed)])


def write_change(folder: Path) -> tuple[str, str, str]:
    """Two dates of 12 x 16 tiles with imagery, and what changed between them, as directories.

    Two blocks became developed: 3 x 3 tiles of the first class, 2 x 3 of the second.
    """
    codes = np.zeros((12, 16), np.uint8)
    codes[:, 8:] = 1
    later = codes.copy()
    later[2:5, 3:6] = 2
    later[8:10, 10:13] = 2
    placed = tuple(from_origin(5e5, 4.5e6, 1, 1))[:6]
    runs = []
    for name, of_date in (("2010", codes), ("2016", later)):
        scene = write_scene(folder / f"{name}.tif", blobs(int(name), 12 * 20, 16 * 20))
        scores = np.where(of_date == 2, 0.99, 0.98).astype(np.float32)
        scores[8:10] -= np.float32(0.03)
        tiles = (of_date, "EPSG:26918", placed, 20, str(scene), scores)
        runs.append(tile_run(folder / f"run-{name}", STRANGE, *tiles).path)
    made = landcover.change(*runs, output=folder / "change")
    return runs[0], runs[1], made.path


class Elements(HTMLParser):
    """The elements of a page with their attributes, and the text of scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.inside: list[tuple[str, str]] = []
        self.words: list[str] = []
        self._raw = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        self._raw = tag if tag in ("script", "style") else ""

    def handle_endtag(self, tag: str) -> None:
        self._raw = ""

    def handle_data(self, data: str) -> None:
        if self._raw:
            self.inside.append((self._raw, data))
        elif data.strip():
            self.words.append(data.strip())
