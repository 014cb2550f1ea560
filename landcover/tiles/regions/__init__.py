"""The ground that is asked for: polygons of a vector file, in any CRS."""

from landcover.tiles.regions.reading import read_region as read_region
from landcover.tiles.regions.reading import written_region as written_region
from landcover.tiles.regions.region import Region as Region
from landcover.tiles.regions.region import RegionAt as RegionAt
from landcover.tiles.regions.region import known as known
