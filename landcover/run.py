"""A run as scripts see it: its tiles, its map, its failures, what it says of itself.

What is made of a run afterwards is imported when it is asked for: scoring begins without it.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyproj
from rasterio.io import DatasetReader

from landcover.analysis.map_blocks import Progress, map_names, no_progress, opened_map
from landcover.analysis.true_labels import FOLDERS
from landcover.contracts import Backend
from landcover.errors import MissingExtra, OutputError
from landcover.local_files import scratch
from landcover.plugins import load_backend
from landcover.runs.directory import RunDirectory
from landcover.runs.geoparquet import crs_of
from landcover.runs.maps.maker import INDEX, MAP, Maps
from landcover.runs.parts import read_parts
from landcover.tiles.gdal import FAILURES, cause
from landcover.tiles.reprojection import in_crs

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd
    import xarray as xr
    from matplotlib.axes import Axes

    from landcover.analysis.reference import Comparison
    from landcover.analysis.stratified import Estimates


@dataclass(frozen=True)
class Run:
    """A run directory, finished or not; what :func:`landcover.score` returns.

    Args:
        directory: where it lies.
        summary: what ``run.json`` says.
    """

    directory: RunDirectory
    summary: dict[str, Any] = field(repr=False)

    @classmethod
    def open(cls, path: str | Path, date: str = "") -> Run:
        """Open a run directory: a local folder or an fsspec URL.

        Args:
            path: where it is.
            date: whose map is meant, of a run over scenes of several dates (``source.date``): a key of
                ``summary["dates"]``, such as "2016-09-15".

        Raises:
            OutputError: if it is none, or has no such date.
        """
        directory = replace(RunDirectory.open(str(path)), date=date)
        opened = cls(directory, directory.manifest())
        if date:
            map_names(directory)
        return opened

    @property
    def path(self) -> str:
        """The run directory."""
        return self.directory.path

    def tiles(self) -> gpd.GeoDataFrame | pd.DataFrame:
        """All scored tiles, one a row, in the order of the plan; in memory as a whole.

        Returns:
            a GeoDataFrame for scenes, in the CRS of the first where they differ (the columns xmin
            to ymax stay in the CRS of each tile's own scene); a DataFrame for image files.

        Raises:
            MissingExtra: if the tiles have outlines and geopandas is not installed.
            OutputError: if a part cannot be read.
        """
        import pandas as pd

        groups = _by_crs(read_parts(self.directory))
        if not groups or groups[0][0] is None:
            return pd.concat([_frame(tables) for _, tables in groups] or [pd.DataFrame()])
        frames = [_geo_frame(tables, crs) for crs, tables in groups]
        return pd.concat([in_crs(frame, frames[0].crs) for frame in frames], ignore_index=True)

    def map(self, name: str | None = None) -> xr.DataArray:
        """A map of the run.

        Args:
            name: one of ``summary["files"]``, such as ``maps/m_3607824_se.tif``; None: the map of
                all scenes, or of those of the date that the run was opened with.

        Returns:
            codes with dims (y, x), coordinates and a CRS; ``attrs`` holds ``class_codes`` and
            ``class_names`` in the order of the model's output, and ``_FillValue``. Read from the
            file when it is needed, from a URL at once.

        Raises:
            OutputError: if there is no such map.
        """
        import rioxarray

        storage = self.directory.storage
        if name is None and (self.directory.date or len(self.summary.get("dates", {})) > 1):
            [name, *_] = map_names(self.directory)
        elif name is None:
            name = next((one for one in (MAP, INDEX) if storage.exists(one)), MAP)
        if not storage.exists(name):
            reason = "there is no such map: image files have none, and neither have unfinished runs"
            raise OutputError(storage.where(name), reason)
        where = storage.where(name)
        codes: Any
        try:
            with opened_map(self.directory, name) as file:
                if storage.local is None:
                    codes = _in_memory(file)
                else:
                    codes = rioxarray.open_rasterio(where, driver=file.driver)
        except FAILURES as error:
            raise OutputError(where, f"cannot be read: {cause(error)}") from error
        found: xr.DataArray = codes.squeeze("band", drop=True).rename("class")
        scheme = self.directory.scheme
        return found.assign_attrs(class_codes=list(scheme.codes), class_names=list(scheme.names))

    def failures(self) -> pd.DataFrame:
        """The tiles that could not be scored, one a row, each with ``reason`` and ``retryable``.

        Raises:
            OutputError: if a part cannot be read.
        """
        return _frame(read_parts(self.directory, "quarantine"))

    def areas(
        self,
        by: str | os.PathLike[str] | None = None,
        field: str | None = None,
        progress: Progress = no_progress,
        backend: Backend | None = None,
    ) -> pd.DataFrame:
        """Hectares and shares of each class, as a whole or by zone, and by date where it has several.

        :func:`landcover.analysis.areas.areas` has the details.

        Args:
            by: zones: a vector file of polygons.
            field: the column that names a zone.
            progress: called with how many rows of blocks of the map are done, and how many there are.
            backend: whose workers do it; None: this process.
        """
        from landcover.analysis.areas import areas

        if backend is None:
            return areas(self.directory, by, field, progress)
        with backend as pool:
            return areas(self.directory, by, field, progress, pool)

    def accuracy(
        self,
        reference: str | os.PathLike[str] = FOLDERS,
        scheme: str | None = None,
        field: str | None = None,
        ignored: Collection[int] = (),
        progress: Progress = no_progress,
    ) -> Comparison:
        """How the labels agree with a raster, with points, or with the folders of the images.

        :func:`landcover.analysis.reference.compare` has the details.
        """
        from landcover.analysis.reference import compare

        return compare(self.directory, reference, scheme, field, ignored, progress)

    def smooth(
        self,
        output: str | os.PathLike[str],
        window: int = 3,
        centre: int | None = None,
        backend: Backend | None = None,
        *,
        rule: str = "plurality",
        minimum_area: float | None = None,
        progress: Progress = no_progress,
    ) -> Run:
        """Another run, whose map is this one's without its single errors.

        :func:`landcover.analysis.smoothing.smooth` has the details.

        Args:
            output: the directory to be made.
            window: pixels along the side of the square around each, odd.
            centre: how many times its middle counts; None: twice where pixels vote, else once.
            backend: whose workers do it; None: threads of this process.
            rule: "plurality": the commonest class of the square. "probability": the most probable in
                the mean of the square's tiles. "area": no area is smaller than ``minimum_area``.
            minimum_area: square metres.
            progress: called with how many steps are done, and how many there are.

        Raises:
            ConfigError: if a rule is none of these, or its numbers are out of their range.
        """
        from landcover.analysis.smoothing import rule_of, smooth

        wanted = rule_of(rule, window, centre, minimum_area)
        with backend or load_backend("local") as pool:
            made = smooth(self.directory, str(output), wanted, pool, _with_picture, progress)
        return Run(made, made.manifest())

    def stac(
        self,
        output: str | os.PathLike[str] | None = None,
        taken: str | None = None,
        progress: Progress = no_progress,
    ) -> list[str]:
        """Describe the run as a STAC collection: :func:`landcover.analysis.stac.stac` has the details."""
        from landcover.analysis.stac import stac

        return stac(self.directory, output, taken, progress)

    def vectorize(
        self,
        output: str | os.PathLike[str],
        minimum: float = 0.0,
        progress: Progress = no_progress,
        backend: Backend | None = None,
    ) -> pd.DataFrame:
        """Write the map as polygons: :func:`landcover.analysis.vectorize.vectorize` has the details.

        Args:
            output: the file.
            minimum: square metres; smaller areas are left out.
            progress: called with how many rows of the map are done, and how many there are.
            backend: whose workers follow outlines; None: this process does it all.
        """
        from landcover.analysis.vectorize import vectorize

        if backend is None:
            return vectorize(self.directory, output, minimum, progress)
        with backend as pool:
            return vectorize(self.directory, output, minimum, progress, pool)

    def sample(self, **wanted: Any) -> gpd.GeoDataFrame:
        """A stratified random sample of the map.

        :func:`landcover.analysis.sampling.draw_sample` has the arguments and the details.
        """
        from landcover.analysis.sampling import draw_sample

        return draw_sample(self.directory, **wanted)

    def estimates(
        self, sample: str | os.PathLike[str], scheme: str | None = None, field: str | None = None
    ) -> Estimates:
        """Accuracy and hectares, with standard errors, from a sample that was drawn and labelled.

        :func:`landcover.analysis.labelled_sample.estimates` has the details.
        """
        from landcover.analysis.labelled_sample import estimates

        return estimates(self.directory, sample, scheme, field)

    def plot(self, ax: Axes | None = None, imagery: bool = False) -> Axes:
        """Draw the map on axes of matplotlib: :func:`landcover.report.plot.plot_map` has the details."""
        from landcover.report.plot import plot_map

        return plot_map(self.directory, ax, imagery)

    def _repr_html_(self) -> str:
        from landcover.report.notebook import run_html

        return run_html(self.directory, self.summary)


open_run = Run.open


def _with_picture(run: RunDirectory, maps: Maps) -> dict[str, Any]:
    """Draw a map, and say what ``run.json`` says of the files."""
    from landcover.report.figures import map_figure

    files = list(maps.files)
    if maps.note:
        return {"files": files, "note": maps.note}
    with scratch() as folder:
        picture = folder / "map.png"
        map_figure(run.storage.where(files[0]), run.scheme, maps.counts, picture, "smoothed")
        run.storage.put(picture.name, picture.read_bytes())
    return {"files": [*files, picture.name]}


def _in_memory(file: DatasetReader) -> xr.DataArray:
    """A raster as rioxarray opens it, which would open a file behind a URL a second time."""
    import xarray as xr
    from rioxarray.rioxarray import affine_to_coords

    coords = affine_to_coords(file.transform, file.width, file.height)
    attrs = {"_FillValue": file.nodata}
    values = xr.DataArray(file.read(), dims=("band", "y", "x"), coords=coords, attrs=attrs)
    placed: xr.DataArray = values.rio.write_crs(file.crs).rio.write_transform(file.transform)
    return placed


def _by_crs(tables: Iterable[pa.Table]) -> list[tuple[pyproj.CRS | None, list[pa.Table]]]:
    """Neighbouring tables of one CRS together."""
    groups: list[tuple[pyproj.CRS | None, list[pa.Table]]] = []
    for table in tables:
        crs = crs_of(table.schema.metadata)
        if not groups or groups[-1][0] != crs:
            groups.append((crs, []))
        groups[-1][1].append(table)
    return groups


def _frame(tables: Iterable[pa.Table]) -> pd.DataFrame:
    import pandas as pd

    plain = [table.replace_schema_metadata(None) for table in tables]
    if not plain:
        return pd.DataFrame()
    frame: pd.DataFrame = pa.concat_tables(plain, promote_options="default").to_pandas()
    return frame


def _geo_frame(tables: list[pa.Table], crs: pyproj.CRS | None) -> gpd.GeoDataFrame:
    try:
        import geopandas
    except ModuleNotFoundError as error:
        raise MissingExtra("Run.tiles of scenes", "report", "geopandas") from error
    frame = _frame(tables)
    outlines = geopandas.GeoSeries.from_wkb(frame.pop("geometry"), crs=crs)
    return geopandas.GeoDataFrame(frame, geometry=outlines)
