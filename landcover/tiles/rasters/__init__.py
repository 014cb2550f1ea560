"""Tiles from georeferenced rasters."""

from landcover.tiles.rasters.source import RasterSource as RasterSource
from landcover.tiles.rasters.source import RasterTask as RasterTask
