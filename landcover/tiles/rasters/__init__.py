"""Tiles from georeferenced rasters."""

from landcover.tiles.rasters.source import RasterSource as RasterSource
from landcover.tiles.rasters.task import RasterTask as RasterTask
