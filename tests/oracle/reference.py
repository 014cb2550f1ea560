"""What a run is to write, worked out scene by scene and window by window."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from oracle.cases import Case
from oracle.networks import Size
from oracle.reading import Read, read
from oracle.regions import TILES_ARE_SMALLER, Frame
from oracle.rounding import UNIT, Rounded
from oracle.surroundings import surrounded

Floats: TypeAlias = npt.NDArray[np.float64]
Whole: TypeAlias = npt.NDArray[np.int64]

# "The same scores to 1e-5", beside what single precision leaves open.
_SCORE = 1e-5
NO_CLASS = -1


@dataclass(frozen=True)
class Tile:
    """A row of the table.

    Args:
        row: in the grid.
        col: likewise.
        bounds: xmin, ymin, xmax, ymax.
        labels: indices of the classes that may be told: several where two are as probable.
        scores: of each of them.
        slacks: how far off each of these may be.
        probabilities: of all classes.
        apart: how far off each of these may be.
    """

    row: int
    col: int
    bounds: tuple[float, float, float, float]
    labels: tuple[int, ...]
    scores: tuple[float, ...]
    slacks: tuple[float, ...]
    probabilities: Floats
    apart: Floats


@dataclass(frozen=True, eq=False)
class Map:
    """A map of one scene.

    Args:
        classes: dims (y, x), indices of classes, ``NO_CLASS`` for none.
        open: dims (y, x), where two classes are as probable.
        scores: dims (y, x).
        slack: dims (y, x): how far off these may be.
        transform: (width of a pixel, left, height of a pixel, top).
        crs: of the scene.
    """

    classes: Whole
    open: npt.NDArray[np.bool_]
    scores: Floats
    slack: Floats
    transform: tuple[float, float, float, float]
    crs: Any


@dataclass(frozen=True, eq=False)
class Expected:
    """What is to come out for one scene.

    Args:
        tiles: those that are scored.
        planned: how many there are.
        map: of the scene.
    """

    tiles: list[Tile]
    planned: int
    map: Map


def expected(case: Case, paths: list[list[Path]], *, chosen_tell: bool = False) -> list[Expected]:
    """What is to come out for each scene.

    Args:
        case: what is asked.
        paths: the files of each of its scenes.
        chosen_tell: see ``read``.
    """
    reads = [read(path, case.bands, case.resolution, chosen_tell=chosen_tell) for path in paths]
    return [_scene(case, reads, place) for place in range(len(reads))]


def _scene(case: Case, reads: list[Read], place: int) -> Expected:
    scene = reads[place]
    height, width = scene.size
    core, stride = case.core, case.stride
    rows, cols = map(_count, scene.size, core, stride)
    around = surrounded(case, reads, place, rows, cols)
    whole = (rows - 1) * stride.rows + core.rows, (cols - 1) * stride.cols + core.cols
    held = np.zeros(whole, bool)
    held[:height, :width] = scene.valid[: held.shape[0], : held.shape[1]]
    asked = np.ones((rows, cols), bool)
    if case.region is not None:
        frame = Frame(scene.left, scene.top, scene.wide, scene.high, height, width)
        asked = frame.tiles(case, case.region, TILES_ARE_SMALLER)
        if case.network.pixel:
            inside = frame.pixels(case.region)
            held[:height, :width] &= inside[: held.shape[0], : held.shape[1]]
    cells = [
        (row, col)
        for row, col in np.argwhere(asked).tolist()
        if held[_window(row, col, stride, core)].any()
    ]
    answers = _answers(case, around, cells)
    if case.network.pixel:
        tiles, found = _pixel_tiles(case, scene, cells, answers, held)
    else:
        tiles, found = _tiles(case, scene, cells, answers, (rows, cols))
    return Expected(tiles, int(asked.sum()), found)


def _count(size: int, core: int, stride: int) -> int:
    """As many tiles as it takes until the last one reaches the end."""
    count = 1
    while (count - 1) * stride + core < size:
        count += 1
    return count


def _window(row: int, col: int, stride: Size, size: Size) -> tuple[Any, ...]:
    y, x = row * stride.rows, col * stride.cols
    return ..., slice(y, y + size.rows), slice(x, x + size.cols)


def _answers(case: Case, around: Floats, cells: list[tuple[int, int]]) -> Rounded:
    """Probabilities of the tiles at these places of the grid."""
    window = case.network.window
    images = [around[_window(row, col, case.stride, window)] for row, col in cells]
    if not images:
        return Rounded(*(np.zeros((0, len(case.codes))) for _ in range(2)))
    mean, scale = (np.array(v)[:, None, None] for v in (case.mean, case.scale))
    pixels = np.stack(images)
    given = (pixels - mean) * scale
    error = UNIT * (np.abs(pixels) + np.abs(mean)) * np.abs(scale)
    if case.reverse:
        for one in (given, error):
            one[:, :3] = one[:, 2::-1]
    return case.network.probabilities(Rounded(given, error))


def _bounds(case: Case, scene: Read, row: int, col: int) -> tuple[float, float, float, float]:
    x, y = col * case.stride.cols, row * case.stride.rows
    left, top = scene.left + x * scene.wide, scene.top - y * scene.high
    return left, top - case.core.rows * scene.high, left + case.core.cols * scene.wide, top


def _tiles(
    case: Case,
    scene: Read,
    cells: list[tuple[int, int]],
    answers: Rounded,
    shape: tuple[int, int],
) -> tuple[list[Tile], Map]:
    """The table of a network that labels tiles, and a map with one pixel a tile."""
    classes = np.full(shape, NO_CLASS, np.int64)
    ties, scores = np.zeros(shape, bool), np.full(shape, np.nan)
    slacks, tiles = np.full(shape, np.nan), []
    for place, (row, col) in enumerate(cells):
        shares, apart = answers.value[place], _SCORE + answers.error[place]
        best = int(shares.argmax())
        near = shares[best] - shares < apart[best] + apart
        labels = tuple(int(i) for i in np.argsort(-shares) if near[i])
        found, off = (tuple(float(one[i]) for i in labels) for one in (shares, apart))
        bounds = _bounds(case, scene, row, col)
        tiles.append(Tile(row, col, bounds, labels, found, off, shares, apart))
        classes[row, col], scores[row, col], slacks[row, col] = labels[0], found[0], off[0]
        ties[row, col] = len(labels) > 1
    core, stride = case.core, case.stride
    down, aside = (core.rows - stride.rows) / 2, (core.cols - stride.cols) / 2
    wide, high = scene.wide * stride.cols, scene.high * stride.rows
    corner = scene.left + aside * scene.wide, scene.top - down * scene.high
    transform = (wide, corner[0], high, corner[1])
    return tiles, Map(classes, ties, scores, slacks, transform, scene.crs)


def _pixel_tiles(
    case: Case,
    scene: Read,
    cells: list[tuple[int, int]],
    answers: Rounded,
    held: npt.NDArray[np.bool_],
) -> tuple[list[Tile], Map]:
    """The table of a network that labels pixels, and a map with one pixel a pixel."""
    classes, scores = np.full(held.shape, NO_CLASS, np.int64), np.full(held.shape, np.nan)
    slacks, ties, tiles = np.full(held.shape, np.nan), np.zeros(held.shape, bool), []
    core, cut = case.core, case.halo - case.network.halo
    inner = (..., slice(cut, cut + core.rows), slice(cut, cut + core.cols))
    for place, (row, col) in enumerate(cells):
        square = _window(row, col, case.stride, core)
        found = Labelled.of(answers[place][inner], held[square])
        classes[square] = np.where(found.data, found.best, NO_CLASS)
        scores[square] = np.where(found.data, found.top, np.nan)
        slacks[square], ties[square] = found.slack, found.near
        tiles.append(_most_frequent(row, col, _bounds(case, scene, row, col), found))
    height, width = scene.size
    transform = (scene.wide, scene.left, scene.high, scene.top)
    inside = (slice(height), slice(width))
    planes = (one[inside] for one in (classes, ties, scores, slacks))
    return tiles, Map(*planes, transform, scene.crs)


@dataclass(frozen=True, eq=False)
class Labelled:
    """The pixels that a tile writes, all but the first two with dims (y, x).

    Args:
        shares: of all classes, dims (class, y, x).
        apart: how far off each may be.
        best: the most probable class.
        top: how probable it is.
        slack: how far off that may be.
        near: another class may be as probable.
        data: there is any.
    """

    shares: Floats
    apart: Floats
    best: Whole
    top: Floats
    slack: Floats
    near: npt.NDArray[np.bool_]
    data: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, answers: Rounded, data: npt.NDArray[np.bool_]) -> Labelled:
        """Label pixels of which the network says this, dims (class, y, x)."""
        shares, apart = answers.value, _SCORE + answers.error
        best, top = shares.argmax(axis=0), shares.max(axis=0)
        slack = np.take_along_axis(apart, best[None], axis=0)[0]
        near = data & ((top - shares < slack + apart).sum(axis=0) > 1)
        return cls(shares, apart, best, top, slack, near, data)

    def counts(self) -> tuple[list[int], list[int]]:
        """How many pixels are of each class at least, and at most."""
        sure = self.data & ~self.near
        open_to = self.data & (self.top - self.shares < self.slack + self.apart)
        at_least = [int((sure & (self.best == i)).sum()) for i in range(len(self.shares))]
        return at_least, [int(one.sum()) for one in open_to]


def _most_frequent(
    row: int, col: int, bounds: tuple[float, float, float, float], found: Labelled
) -> Tile:
    """The tile's label is the most frequent of its pixels with data, its score their mean."""
    at_least, at_most = found.counts()
    # Of classes that are as probable any may be told, for one pixel or for all of them.
    labels = tuple(i for i, most in enumerate(at_most) if most and most >= max(at_least))
    if found.near.any():  # a pixel of another class more or less: the mean is open
        scores = slacks = (np.nan,) * len(labels)
    else:
        scores, slacks = (
            tuple(float(one[found.data & (found.best == i)].mean()) for i in labels)
            for one in (found.top, found.slack)
        )
    mean, apart = (one[:, found.data].mean(axis=1) for one in (found.shares, found.apart))
    return Tile(row, col, bounds, labels, scores, slacks, mean, apart)
