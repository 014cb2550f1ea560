"""How QGIS shows polygons of classes: in the colours of the scheme, under their names.

A style is QGIS's own XML: https://docs.qgis.org/latest/en/docs/user_manual/appendices/qgis_file_formats.html.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from landcover.classes import Scheme

# The table that QGIS keeps styles in, as it makes it by itself in GeoPackages.
_TABLE = """
CREATE TABLE layer_styles (
  id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, f_table_catalog TEXT(256), f_table_schema TEXT(256),
  f_table_name TEXT(256), f_geometry_column TEXT(256), styleName TEXT(30), styleQML TEXT, styleSLD TEXT,
  useAsDefault BOOLEAN, description TEXT, owner TEXT(30), ui TEXT(30),
  update_time DATETIME DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')))
"""


def polygon_style(scheme: Scheme, field: str = "class") -> bytes:
    """A style for polygons of classes: what belongs into ``NAME.qml`` beside a file.

    Args:
        scheme: the classes.
        field: the column that holds their names.
    """
    whole = Element("qgis", version="3.28", styleCategories="Symbology")
    how = {"type": "categorizedSymbol", "attr": field, "forceraster": "0", "symbollevels": "0"}
    renderer = SubElement(whole, "renderer-v2", how)
    categories, symbols = SubElement(renderer, "categories"), SubElement(renderer, "symbols")
    for number, item in enumerate(scheme):
        shown = {"symbol": str(number), "value": item.name, "label": item.name}
        SubElement(categories, "category", {**shown, "render": "true", "type": "string"})
        symbol = SubElement(symbols, "symbol", {"type": "fill", "name": str(number), "alpha": "1"})
        fill = {"class": "SimpleFill", "enabled": "1", "locked": "0", "pass": "0"}
        options = SubElement(SubElement(symbol, "layer", fill), "Option", type="Map")
        red, green, blue = item.rgb
        for name, value in (
            ("color", f"{red},{green},{blue},255"),
            ("style", "solid"),
            ("outline_style", "no"),  # else millions of small polygons are all outline
        ):
            SubElement(options, "Option", type="QString", name=name, value=value)
    head = b"<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"
    return head + ElementTree.tostring(whole)


def style_geopackage(path: Path, layer: str, style: bytes) -> None:
    """Make a style the one that QGIS shows a layer of a GeoPackage in."""
    with closing(sqlite3.connect(path)) as file, file:
        file.execute(_TABLE)
        file.execute(
            "INSERT INTO gpkg_contents (table_name, data_type, identifier) VALUES (?, ?, ?)",
            ("layer_styles", "attributes", "layer_styles"),
        )
        column = file.execute(
            "SELECT column_name FROM gpkg_geometry_columns WHERE table_name = ?", (layer,)
        ).fetchone()[0]
        file.execute(
            "INSERT INTO layer_styles (f_table_catalog, f_table_schema, f_table_name, "
            "f_geometry_column, styleName, styleQML, styleSLD, useAsDefault, description, owner) "
            "VALUES ('', '', ?, ?, 'classes', ?, '', 1, 'classes of landcover', '')",
            (layer, column, style.decode()),
        )
