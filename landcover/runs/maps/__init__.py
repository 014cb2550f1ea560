"""From the parts of a run to its maps, made by workers piece by piece."""
