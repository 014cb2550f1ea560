"""Tiles from image files."""

from landcover.tiles.images.source import ImageSource as ImageSource
from landcover.tiles.images.source import ImageTask as ImageTask
