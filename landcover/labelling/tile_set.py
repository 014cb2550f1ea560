"""Labelled tiles as scripts see them."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from landcover.errors import MissingExtra
from landcover.labelling.folder import Prepared
from landcover.labelling.manifest import read_table

if TYPE_CHECKING:
    import geopandas as gpd


@dataclass(frozen=True)
class TileSet:
    """A folder of labelled tiles; what :func:`landcover.prepare` returns.

    Args:
        folder: where it lies.
        summary: what ``prepare.json`` says.
    """

    folder: Prepared
    summary: dict[str, Any] = field(repr=False)

    @classmethod
    def open(cls, path: str) -> TileSet:
        """Open a folder that ``landcover prepare`` has written: a local one or an fsspec URL.

        Raises:
            OutputError: if it is none.
        """
        folder = Prepared(path)
        return cls(folder, folder.manifest())

    @property
    def path(self) -> str:
        """The folder."""
        return self.folder.path

    @property
    def counts(self) -> pd.DataFrame:
        """How many tiles there are: a row a class, a column a split."""
        return pd.DataFrame(self.summary["counts"]).rename_axis("class")

    def tiles(self) -> gpd.GeoDataFrame:
        """The manifest, a row a tile, with outlines; in memory as a whole.

        Raises:
            MissingExtra: if geopandas is not installed.
        """
        try:
            import geopandas
        except ModuleNotFoundError as error:
            raise MissingExtra("the outlines of tiles", "report", "geopandas") from error
        frame: pd.DataFrame = pa.concat_tables(list(read_table(self.folder))).to_pandas()
        outlines = geopandas.GeoSeries.from_wkb(frame.pop("geometry"), crs=self.summary["crs"])
        return geopandas.GeoDataFrame(frame, geometry=outlines)

    def _repr_html_(self) -> str:
        return f"<p>{escape(self.path)}</p>{self.counts.to_html()}"
