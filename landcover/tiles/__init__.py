"""Where tiles come from: grids, rasters and image files."""
