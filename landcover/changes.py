"""What changed between runs of different dates, as scripts see it."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow.parquet as pq

from landcover.analysis.change.candidates import FILES
from landcover.analysis.change.compare import SAID, Wanted, Watch, compare
from landcover.analysis.change.decision import Rule
from landcover.analysis.map_blocks import Progress, no_progress
from landcover.contracts import Backend
from landcover.errors import MissingExtra, OutputError
from landcover.local_files import scratch
from landcover.plain_parquet import check_sizes, told
from landcover.plugins import load_backend
from landcover.report.figures import map_figure
from landcover.report.notebook import change_html
from landcover.report.plot import plot_map
from landcover.run import Run
from landcover.runs.directory import RunDirectory
from landcover.runs.geoparquet import check_shallow
from landcover.runs.manifest import MOST_MANIFEST
from landcover.runs.maps.maker import CHANGE, Maps
from landcover.small_files import load_json

if TYPE_CHECKING:
    import geopandas as gpd
    from matplotlib.axes import Axes

RunPath = str | os.PathLike[str] | Run


@dataclass(frozen=True)
class Change:
    """A directory that says what changed; what :func:`landcover.change` returns.

    Args:
        directory: where it lies: a run directory whose classes are transitions, so that ``areas``
            and ``sample`` take it too.
        summary: what ``change.json`` says.
    """

    directory: RunDirectory
    summary: dict[str, Any] = field(repr=False)

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Change:
        """Open a directory that ``landcover change`` has written.

        Raises:
            OutputError: if it is none, or not done.
        """
        directory = RunDirectory.open(os.fspath(path))
        try:
            values = load_json(directory.storage.read(SAID, MOST_MANIFEST))
        except FileNotFoundError:
            reason = f"holds no {SAID}: it is no comparison of runs, or one that is not done"
            raise OutputError(directory.path, reason) from None
        except (OSError, ValueError) as error:
            raise OutputError(directory.storage.where(SAID), f"cannot be read: {error}") from error
        if not isinstance(values, dict):
            raise OutputError(directory.storage.where(SAID), "is not what landcover writes")
        return cls(directory, values)

    @property
    def path(self) -> str:
        """The directory."""
        return self.directory.path

    @property
    def transitions(self) -> pd.DataFrame:
        """How much ground went from one class to another between the first date and the last.

        Returns:
            a row a pair of classes that occurs, indexed by ``from`` and ``to``; ``pixels`` and
            ``hectares`` by the labels, ``decided_pixels`` and ``decided_hectares`` of what changed
            by probability.
        """
        return pd.DataFrame(self.summary["transitions"]).set_index(["from", "to"])

    @property
    def areas(self) -> pd.DataFrame:
        """Pixels and hectares of each class at each date, where all dates have a class.

        Returns:
            a row a date and class, indexed by ``run`` and ``class``.
        """
        return pd.DataFrame(self.summary["areas"]).set_index(["run", "class"])

    def plot(self, ax: Axes | None = None, imagery: bool = False) -> Axes:
        """Draw the map of changes: :func:`landcover.report.plot.plot_map` has the details."""
        return plot_map(self.directory, ax, imagery)

    def _repr_html_(self) -> str:
        return change_html(self.directory, self.summary, self.transitions)

    def candidates(self) -> gpd.GeoDataFrame:
        """The places that changed, by score times hectares, the largest first.

        Raises:
            MissingExtra: if geopandas is not installed.
            OutputError: if they cannot be read.
        """
        try:
            import geopandas
        except ModuleNotFoundError as error:
            raise MissingExtra("Change.candidates", "report", "geopandas") from error
        name = FILES[1]
        with scratch() as folder:
            path = folder / name
            try:
                path.write_bytes(self.directory.storage.read(name))
                check_sizes(pq.ParquetFile(path))
                for shape in pq.read_table(path, columns=["geometry"])["geometry"].to_pylist():
                    check_shallow(shape)
                return geopandas.read_parquet(path)
            except Exception as error:  # of several libraries, whose errors have no root in common
                where = self.directory.storage.where(name)
                raise OutputError(where, f"cannot be read: {told(error)}") from error


def change(
    before: RunPath,
    *after: RunPath,
    output: str | os.PathLike[str],
    dates: Sequence[str] = (),
    before_classes: Collection[str] = (),
    after_classes: Collection[str] = (),
    threshold: float = Rule.threshold,
    changing: float = Rule.changing,
    accuracy: float = Rule.accuracy,
    confusions: Sequence[str | os.PathLike[str]] = (),
    chips: int = Wanted.chips,
    backend: Backend | None = None,
    watch: Watch | None = None,
) -> Change:
    """Say what changed between runs of different dates.

    Differences of labels are mostly errors. A change counts where it is likelier than these, given
    what the labels of every date are worth, and what changed around it
    (:mod:`landcover.analysis.change.decision` has the formula). With three dates or more it also has
    to hold at all dates after it; what comes back (A-B-A) is reported apart, as flicker.

    Args:
        before: the run of the first date, or its directory; all are seen on the grid of its map. A run
            over scenes of several dates that was opened for none stands for one a date.
        after: of later ones, in their order.
        output: the directory to be made.
        dates: one for each run, such as "2016-09-15": which map is meant of a run over several dates,
            and when the imagery was taken of one that does not say so.
        before_classes: candidates are changes from these classes; none: from any.
        after_classes: likewise to these.
        threshold: how probable a change has to be to count, in [0, 1].
        changing: which share of the ground is thought to have changed, in (0, 1).
        accuracy: how often labels are right of which nothing else is known (maps of pixels), in (0, 1).
        confusions: files that ``landcover accuracy --json`` printed, in place of probabilities: one
            for all runs, or one each.
        chips: how many candidates get pictures, in their order.
        backend: whose workers do it; None: threads of this process.
        watch: shows how far it has come.

    Returns:
        what was found, which stands in ``output``.

    Raises:
        ConfigError: if numbers, classes or dates cannot be, the runs have different classes, or a later
            date comes before an earlier one.
        SourceError: if the runs have no ground in common.
        OutputError: if a run is not done, has no map, or cannot be read; or ``output`` not be written.
        MissingExtra: if geopandas is not installed.
    """
    runs = [
        one.directory if isinstance(one, Run) else RunDirectory.open(os.fspath(one))
        for one in (before, *after)
    ]
    rule = Rule(threshold=threshold, changing=changing, accuracy=accuracy)
    wanted = Wanted(before_classes, after_classes, chips)
    with backend or load_backend("local") as pool:
        made = compare(
            *(runs, dates, os.fspath(output), rule, wanted, confusions, pool),
            *(watch or _quietly, _picture),
        )
    return Change.open(made.path)


open_change = Change.open


def _picture(made: RunDirectory, maps: Maps) -> str:
    """Draw the map of changes."""
    with scratch() as folder:
        picture = folder / "change.png"
        map_figure(made.storage.where(CHANGE), made.scheme, maps.counts, picture, "change")
        made.storage.put(picture.name, picture.read_bytes())
    return picture.name


@contextmanager
def _quietly(what: str, unit: str) -> Iterator[Progress]:
    yield no_progress
