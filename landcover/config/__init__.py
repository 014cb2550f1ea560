"""The configuration of a run: strict, frozen, every mistake named at once.

A configuration is read from YAML; single keys may be overridden by dotted names
(``backend.workers=4``), given as arguments or as environment variables
(``LANDCOVER_BACKEND__WORKERS=4``). Relative paths count from the file that names them.
"""

from landcover.config.mistakes import place_of, told_of
from landcover.config.reading import (
    PATHS_OF_A_MODEL,
    checked,
    load_config,
    load_settings,
    parse_override,
)
from landcover.config.settings import (
    BESIDE,
    FIRST_KEYS,
    PRECISIONS,
    Alpha,
    BackendSettings,
    Config,
    DateSettings,
    Device,
    Inside,
    ModelSettings,
    Palette,
    PerBand,
    PlanSettings,
    Precision,
    PrecisionSettings,
    RegionSettings,
    Resize,
    Section,
    SourceSettings,
    with_first_keys,
)
from landcover.config.subdataset import subdataset

__all__ = [
    "BESIDE",
    "FIRST_KEYS",
    "PATHS_OF_A_MODEL",
    "PRECISIONS",
    "Alpha",
    "BackendSettings",
    "Config",
    "DateSettings",
    "Device",
    "Inside",
    "ModelSettings",
    "Palette",
    "PerBand",
    "PlanSettings",
    "Precision",
    "PrecisionSettings",
    "RegionSettings",
    "Resize",
    "Section",
    "SourceSettings",
    "checked",
    "load_config",
    "load_settings",
    "parse_override",
    "place_of",
    "subdataset",
    "told_of",
    "with_first_keys",
]
