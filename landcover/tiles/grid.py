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


class Tiling(NamedTuple):
    """What is the same for the grids of all scenes of a run; in pixels, as :class:`Grid` says."""

    tile: int
    halo: int
    stride: int


@dataclass(frozen=True, slots=True)
class Grid:
    """A regular grid of tiles that starts at the scene's upper-left corner and covers all of it.

    Tile (row, col) writes a square of ``core`` pixels whose upper-left corner is the pixel
    ``(row * stride, col * stride)``, and reads a square of ``tile`` pixels around it. Both may
    reach beyond the scene: what is read there comes from the scene beside it or is padding, what is
    written there is not data.

    Args:
        width: columns of the scene, in pixels of the grid's resolution.
        height: rows of the scene, likewise.
        tile: edge of what is read, in pixels.
        halo: pixels read on each side of what is written.
        stride: distance between neighbouring tiles in pixels, at most ``tile - 2 * halo``.

    Raises:
        ConfigError: if nothing is left to write, or pixels would be left out.
    """

    width: int
    height: int
    tile: int
    halo: int
    stride: int

    def __post_init__(self) -> None:
        mistakes = _mistakes(self.tile, self.halo, self.stride)
        if self.width < 1 or self.height < 1:
            mistakes.append(f"a scene of {self.width} x {self.height} pixels has no tile")
        if mistakes:
            raise ConfigError(mistakes, "the grid")

    @property
    def core(self) -> int:
        """Edge of what a tile writes, in pixels."""
        return self.tile - 2 * self.halo

    @property
    def rows(self) -> int:
        """Rows of tiles."""
        return _steps(self.height, self.core, self.stride)

    @property
    def cols(self) -> int:
        """Columns of tiles."""
        return _steps(self.width, self.core, self.stride)

    @property
    def tiles(self) -> int:
        """How many tiles cover the scene."""
        return self.rows * self.cols

    def span(self, first: int, stop: int) -> tuple[int, int]:
        """The pixels that tiles ``first`` to ``stop - 1`` of a row (or column) read together.

        Returns:
            (start, stop) in pixels; start may be negative, stop beyond the scene.
        """
        return first * self.stride - self.halo, (stop - 1) * self.stride - self.halo + self.tile

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
        x, y, core = col * self.stride, row * self.stride, self.core
        return c + a * x, f + e * (y + core), c + a * (x + core), f + e * y

    def written(self, block: Block) -> tuple[int, int, int, int]:
        """What the tiles of a block write inside the scene: (row, col, height, width) in pixels."""
        row, col = block.row0 * self.stride, block.col0 * self.stride
        bottom = min(self.height, (block.row1 - 1) * self.stride + self.core)
        right = min(self.width, (block.col1 - 1) * self.stride + self.core)
        return row, col, bottom - row, right - col

    def blocks(self, rows: int, cols: int) -> Iterator[Block]:
        """Cut the grid into blocks of at most ``rows`` x ``cols`` tiles, in row-major order."""
        for row in range(0, self.rows, rows):
            for col in range(0, self.cols, cols):
                yield Block(row, min(row + rows, self.rows), col, min(col + cols, self.cols))


def spacing(tile: int, *, stride: int | None, halo: int | None, exact: bool) -> Tiling:
    """Work out the halo and the stride of tiles from what is asked.

    Args:
        tile: edge of what is read, in pixels.
        stride: distance between neighbouring tiles; None: what a tile writes.
        halo: pixels read around what a tile writes; None: none, or, where ``exact``, what the
            stride leaves of the tile on each side.
        exact: every pixel must be written exactly once (networks that label pixels).

    Raises:
        ConfigError: if they do not fit together.
    """
    if exact and halo is None and stride is not None and (tile - stride) % 2 == 0:
        halo = max(0, (tile - stride) // 2)
    halo = halo or 0
    stride = tile - 2 * halo if stride is None else stride
    mistakes = _mistakes(tile, halo, stride)
    if exact and not mistakes and stride != tile - 2 * halo:
        mistakes.append(
            f"a network that labels pixels must write each pixel once: with a tile of {tile} and "
            f"a halo of {halo} source.stride is {tile - 2 * halo}, not {stride}"
        )
    if mistakes:
        raise ConfigError(mistakes, "source")
    return Tiling(tile, halo, stride)


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


def _steps(length: int, core: int, stride: int) -> int:
    return max(1, -(-(length - core) // stride) + 1)


def _mistakes(tile: int, halo: int, stride: int) -> list[str]:
    core = tile - 2 * halo
    if tile < 1 or halo < 0 or core < 1:
        return [f"a halo of {halo} leaves nothing to write of a tile of {tile} pixels"]
    if not 1 <= stride <= core:
        covers = f"a tile writes {core} pixels, so the stride is 1 to {core}"
        return [f"a stride of {stride} does not cover the scene: {covers}"]
    return []
