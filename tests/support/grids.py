"""Grids of square tiles, for tests that are not about their shape."""

from __future__ import annotations

from landcover.tiles.grid import Grid, Size


def square_grid(width: int, height: int, tile: int, halo: int, stride: int) -> Grid:
    """A grid whose tiles and strides are as high as wide."""
    return Grid(width, height, Size.of(tile), halo, Size.of(stride))
