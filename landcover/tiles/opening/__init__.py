"""How raster files are opened: only as what they may be, and only what the configuration names."""

from landcover.tiles.opening.allowed import USUAL as USUAL
from landcover.tiles.opening.allowed import Allowed as Allowed
from landcover.tiles.opening.allowed import Refused as Refused
from landcover.tiles.opening.allowed import below as below
from landcover.tiles.opening.content import is_tiff as is_tiff
from landcover.tiles.opening.content import text_of as text_of
from landcover.tiles.opening.heeded import heeded as heeded
from landcover.tiles.opening.raster import open_raster as open_raster
from landcover.tiles.opening.raster import opened_raster as opened_raster
from landcover.tiles.opening.raster import reopen_raster as reopen_raster
from landcover.tiles.opening.vectors import check_room as check_room
from landcover.tiles.opening.vectors import vector_file as vector_file
from landcover.tiles.opening.virtual import resolved as resolved
