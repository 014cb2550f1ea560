"""Labelled tiles, from imagery with a reference raster, or generated for demonstrations."""
