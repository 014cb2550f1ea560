"""A run directory: manifest, parts, resuming, maps."""
