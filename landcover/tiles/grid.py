"""How tiles cover a scene: geometry only, in pixels of the grid and in the scene's CRS."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from landcover.errors import ConfigError

Transform: TypeAlias = tuple[float, float, float, float, float, float]
"""(a, b, c, d, e, f) of x = a * col + b * row + c and y = d * col + e * row + f."""


class Block(NamedTuple):
    """Tiles with ``row0 <= row < row1`` and ``col0 <= col < col1``."""

    row0: int
    row1: int
    col0: int
    col1: int

    @property
    def tiles(self) -> int:
        """How many tiles the block holds."""
        return (self.row1 - self.row0) * (self.col1 - self.col0)

    def singles(self) -> Iterator[Block]:
        """Each of its tiles as a block of its own, row after row."""
        for row in range(self.row0, self.row1):
            for col in range(self.col0, self.col1):
                yield Block(row, row + 1, col, col + 1)


class Size(NamedTuple):
    """An extent in pixels: of a tile, of what it writes, of the distance between tiles."""

    rows: int
    cols: int

    @classmethod
    def of(cls, given: int | tuple[int, int]) -> Size:
        """An extent from the edge of a square, or from rows and columns."""
        return cls(given, given) if isinstance(given, int) else cls(*given)

    def less(self, margin: int) -> Size:
        """What is left inside a margin on each side."""
        return Size(self.rows - 2 * margin, self.cols - 2 * margin)

    def __str__(self) -> str:
        return f"{self.rows} x {self.cols}"


_NOWHERE = Size(0, 0)


class Rectangle(NamedTuple):
    """Pixels of a scene's grid, ``row0 <= row < row1`` and ``col0 <= col < col1``."""

    row0: int
    row1: int
    col0: int
    col1: int

    def common(self, other: Rectangle) -> Rectangle | None:
        """What two rectangles share; None where that is nothing."""
        shared = Rectangle(
            *(max(self.row0, other.row0), min(self.row1, other.row1)),
            *(max(self.col0, other.col0), min(self.col1, other.col1)),
        )
        return shared if shared.row0 < shared.row1 and shared.col0 < shared.col1 else None

    def outside(self, other: Rectangle) -> Iterator[Rectangle]:
        """The parts of this that lie outside another: above, below, left and right of it."""
        top, bottom = max(self.row0, other.row0), min(self.row1, other.row1)
        around = (
            Rectangle(self.row0, other.row0, self.col0, self.col1),
            Rectangle(other.row1, self.row1, self.col0, self.col1),
            Rectangle(top, bottom, self.col0, other.col0),
            Rectangle(top, bottom, other.col1, self.col1),
        )
        return (each for each in (one.common(self) for one in around) if each is not None)


class Tiling(NamedTuple):
    """What is the same for the grids of all scenes of a run; in pixels, as :class:`Grid` says."""

    tile: Size
    halo: int
    stride: Size


@dataclass(frozen=True, slots=True)
class Grid:
    """A regular grid of tiles that covers all of a scene.

    Tile (row, col) writes a rectangle of ``core`` pixels whose upper-left corner is the pixel
    ``(row * stride.rows - before.rows, col * stride.cols - before.cols)`` of the scene, and reads
    ``tile`` pixels around it. Both may reach beyond the scene: what is read there comes from the
    scene beside it or is padding, what is written there is not data.

    Args:
        width: columns of the scene, in pixels of the grid's resolution.
        height: rows of the scene, likewise.
        tile: what is read, in pixels.
        halo: pixels read on each side of what is written.
        stride: distance between neighbouring tiles in pixels, at most ``tile`` less the halos.
        before: how many pixels the first tile writes before the scene begins, less than a stride.

    Raises:
        ConfigError: if nothing is left to write, or pixels would be left out.
    """

    width: int
    height: int
    tile: Size
    halo: int
    stride: Size
    before: Size = _NOWHERE

    def __post_init__(self) -> None:
        mistakes = _mistakes(self.tile, self.halo, self.stride)
        if self.width < 1 or self.height < 1:
            mistakes.append(f"a scene of {self.width} x {self.height} pixels has no tile")
        if not (
            0 <= self.before.rows < self.stride.rows and 0 <= self.before.cols < self.stride.cols
        ):
            mistakes.append(f"{self.before} pixels before the scene are not less than a stride")
        if mistakes:
            raise ConfigError(mistakes, "the grid")

    @property
    def core(self) -> Size:
        """What a tile writes, in pixels."""
        return self.tile.less(self.halo)

    @property
    def rows(self) -> int:
        """Rows of tiles."""
        return _steps(self.height + self.before.rows, self.core.rows, self.stride.rows)

    @property
    def cols(self) -> int:
        """Columns of tiles."""
        return _steps(self.width + self.before.cols, self.core.cols, self.stride.cols)

    @property
    def tiles(self) -> int:
        """How many tiles cover the scene."""
        return self.rows * self.cols

    @property
    def scene(self) -> Rectangle:
        """All pixels of the scene."""
        return Rectangle(0, self.height, 0, self.width)

    def corner(self, row: int, col: int) -> tuple[int, int]:
        """The first pixel that tile (row, col) writes: (row, column), negative before the scene."""
        return row * self.stride.rows - self.before.rows, col * self.stride.cols - self.before.cols

    def read(self, block: Block) -> Rectangle:
        """The pixels that the tiles of a block read together; may reach beyond the scene."""
        top, left = self.corner(block.row0, block.col0)
        bottom, right = self.corner(block.row1 - 1, block.col1 - 1)
        halo, tile = self.halo, self.tile
        return Rectangle(
            top - halo, bottom - halo + tile.rows, left - halo, right - halo + tile.cols
        )

    def written(self, block: Block) -> Rectangle:
        """The pixels inside the scene that the tiles of a block write together."""
        halo, (row0, row1, col0, col1) = self.halo, self.read(block)
        return Rectangle(
            *(max(0, row0 + halo), min(self.height, row1 - halo)),
            *(max(0, col0 + halo), min(self.width, col1 - halo)),
        )

    def bounds(self, row: int, col: int, transform: Transform) -> tuple[float, float, float, float]:
        """What tile (row, col) writes, in the scene's CRS.

        Args:
            row: row of the tile.
            col: column of the tile.
            transform: of the grid's pixels; not rotated, rows going south.

        Returns:
            (xmin, ymin, xmax, ymax)
        """
        a, _, c, _, e, f = transform
        (y, x), core = self.corner(row, col), self.core
        return c + a * x, f + e * (y + core.rows), c + a * (x + core.cols), f + e * y

    def blocks(self, rows: int, cols: int) -> Iterator[Block]:
        """Cut the grid into blocks of at most ``rows`` x ``cols`` tiles, in row-major order."""
        for row in range(0, self.rows, rows):
            for col in range(0, self.cols, cols):
                yield Block(row, min(row + rows, self.rows), col, min(col + cols, self.cols))


def spacing(tile: Size, *, stride: int | Size | None, halo: int | None, exact: bool) -> Tiling:
    """Work out the halo and the stride of tiles from what is asked.

    Args:
        tile: what is read, in pixels.
        stride: distance between neighbouring tiles; None: what a tile writes.
        halo: pixels read around what a tile writes; None: none, or, where ``exact``, what the
            stride leaves of the tile on each side.
        exact: every pixel must be written exactly once (networks that label pixels).

    Raises:
        ConfigError: if they do not fit together.
    """
    if exact and halo is None and isinstance(stride, int):
        halo = _half(tile, stride)
    halo = halo or 0
    core = tile.less(halo)
    steps = core if stride is None else Size.of(stride)
    mistakes = _mistakes(tile, halo, steps)
    if exact and not mistakes and steps != core:
        needed = core.rows if core.rows == core.cols else f"left out ({core})"
        mistakes.append(
            f"a network that labels pixels must write each pixel once: with a tile of {tile} and "
            f"a halo of {halo} source.stride is {needed}, not {stride}"
        )
    if mistakes:
        raise ConfigError(mistakes, "source")
    return Tiling(tile, halo, steps)


def plain(value: int | Size) -> int | list[int]:
    """For JSON: a number as it is, rows and columns as one number where they are equal."""
    if isinstance(value, int):
        return value
    return value.rows if value.rows == value.cols else list(value)


def _half(tile: Size, stride: int) -> int:
    """The halo that a stride leaves of a tile, where that is the same on all sides; else none."""
    left = tile.rows - stride
    return left // 2 if tile.rows == tile.cols and left >= 0 and left % 2 == 0 else 0


def reflected(start: int, stop: int, size: int) -> npt.NDArray[np.intp]:
    """The pixels that stand for ``start`` to ``stop - 1`` of a scene ``size`` pixels long.

    Beyond its edges the scene is mirrored at its outermost pixels, which are not repeated; a scene
    of one pixel is repeated.

    Returns:
        indices in [0, size), dims (pixel,)
    """
    period = max(1, 2 * (size - 1))
    index = np.arange(start, stop) % period
    return np.minimum(index, period - index) if size > 1 else np.zeros_like(index)


def with_mirrored(span: Rectangle, scene: Rectangle) -> Rectangle:
    """A rectangle together with the pixels whose mirror images it holds beyond a scene's edges."""
    rows = reflected(span.row0, span.row1, scene.row1)
    cols = reflected(span.col0, span.col1, scene.col1)
    return Rectangle(
        *(min(span.row0, int(rows.min())), max(span.row1, int(rows.max()) + 1)),
        *(min(span.col0, int(cols.min())), max(span.col1, int(cols.max()) + 1)),
    )


def _steps(length: int, core: int, stride: int) -> int:
    return max(1, -(-(length - core) // stride) + 1)


def _mistakes(tile: Size, halo: int, stride: Size) -> list[str]:
    core = tile.less(halo)
    if halo < 0 or min(core) < 1:
        return [f"a halo of {halo} leaves nothing to write of a tile of {tile} pixels"]
    return [
        f"a stride of {step} does not cover the scene: a tile writes {edge} {along}, so the stride "
        f"is 1 to {edge}"
        for step, edge, along in zip(stride, core, ("rows", "columns"), strict=True)
        if not 1 <= step <= edge
    ]
