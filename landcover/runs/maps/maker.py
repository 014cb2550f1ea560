"""From the parts of a run to its maps: workers make them, piece by piece."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import groupby
from typing import Literal, TypeVar

from landcover.contracts import Backend, Lost
from landcover.errors import OutputError, SourceError
from landcover.runs.directory import RunDirectory
from landcover.runs.map_format.area import Area, Size
from landcover.runs.map_format.grid import MapGrid, Output, SceneGrid, file_names
from landcover.runs.maps.layout import FOLDER, Layout
from landcover.runs.maps.mosaic import Index
from landcover.runs.maps.mosaic_grid import placed
from landcover.runs.maps.nearest import nearest
from landcover.runs.maps.origins import Mosaic, Origin, PartPlace, Pieces, PixelParts, TileParts
from landcover.runs.maps.pieces import Assemble, Assembly, CountPiece, MakePiece, Piece

MAP, INDEX = "map.tif", "map.vrt"
CHANGE = "change.tif"
"""The map of a comparison of several runs, whose classes are transitions."""
_FORMS = (".tif", ".vrt")  # of the map of several scenes: a raster of its own, or an index
Form = Literal["index", "cog"]
Overlap = Literal["first", "centre", "newest"]
T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Maps:
    """What was written.

    Args:
        files: names relative to the run directory, that of the whole first where there is one.
        note: why there is no mosaic; None where there is one.
        counts: how many pixels of the whole have each code; where there is no whole, of all maps.
        dates: where scenes have dates, the maps of each; where these are several, there is no whole.
    """

    files: tuple[str, ...]
    note: str | None = None
    counts: Counter[int] = field(default_factory=Counter, compare=False)
    dates: Mapping[str, Maps] = field(default_factory=dict)

    @property
    def shown(self) -> tuple[str, ...]:
        """The names of the maps that together show everything: the whole, or those of scenes."""
        return self.files if self.note else self.files[:1]


@dataclass(frozen=True)
class MapMaker:
    """Makes the maps of a run whose parts are all there.

    Args:
        run: the directory.
        pool: whose workers do it; this process touches no pixels.
        output: whether the model labels tiles or pixels.
        step: called whenever a worker has done something (:func:`steps_of` says how often).
        overlap: which scene ground shows that several have a class for: the "first" of their order, the
            one whose "centre" is nearest, or the "newest", whatever the dates: one map then shows all.
    """

    run: RunDirectory
    pool: Backend
    output: Output
    step: Callable[[], None] = field(default=lambda: None, compare=False)
    overlap: Overlap = "first"

    def write(self, scenes: Sequence[SceneGrid], parts: Iterable[PartPlace], mosaic: Form) -> Maps:
        """Make the maps.

        One scene becomes ``map.tif``. Several become ``maps/NAME.tif`` each, and ``map.vrt``, an
        index of them all: in the CRS and on the grid of the first scene, begun at the upper-left
        corner of the whole, the nearest pixel taken. Where scenes overlap, ``overlap`` says which is
        shown. Scenes too far apart for one map have none. Scenes of several dates become such a map
        for each date, ``maps/DATE.vrt`` or ``maps/DATE.tif``, unless the newest is to be shown.

        Args:
            scenes: all that the run was to score, in the order they were listed.
            parts: those of the run, in the order of the scenes.
            mosaic: "cog" for one ``map.tif`` of all scenes in place of the index.

        Raises:
            OutputError: if a part cannot be read or a map not be written.
        """
        storage = self.run.storage
        storage.prepare(FOLDER, *(["maps"] if len(scenes) > 1 else []))
        own = file_names([scene.name for scene in scenes], {scene.date for scene in scenes})
        names = [f"maps/{name}.tif" for name in own] if len(scenes) > 1 else [MAP]
        grids = [scene.map_grid(self.output) for scene in scenes]
        items = _assemblies(names, grids)
        origins = _areas_of(scenes, parts, TileParts if self.output == "tile" else PixelParts)
        if self.overlap == "centre" and len(scenes) > 1:
            counts = self._make_nearest(items, origins, [scene.date for scene in scenes])
        else:
            counts = self._make(items, origins)
        order = list(range(len(scenes)))
        if self.overlap == "newest":
            order.sort(key=lambda place: scenes[place].date, reverse=True)
        items, scenes = [items[place] for place in order], [scenes[place] for place in order]
        maps = Maps(tuple(item.name for item in items), counts=counts)
        dates = [] if self.overlap == "newest" else list({scene.date: 0 for scene in scenes})
        if len(dates) > 1:
            maps = self._of_dates(maps, items, scenes, mosaic)
        elif len(scenes) > 1:
            maps = self._mosaic(maps, items, [scene.name for scene in scenes], mosaic)
        if len(dates) == 1 and dates != [""]:
            maps = replace(maps, dates={dates[0]: maps})
        storage.remove_folder(FOLDER)
        storage.sweep("", "maps")  # of workers that were killed meanwhile
        self._tidy(maps)
        return maps

    def remake(self, wanted: Sequence[tuple[str, MapGrid, Origin]], note: str | None) -> Maps:
        """Make maps of anything else than the parts of a run, such as the maps of another one.

        Args:
            wanted: of each map its name, its pixels and where these come from.
            note: why there is no map of the whole; None where the first is it.

        Raises:
            OutputError: if what they come from cannot be read or a map not be written.
        """
        folders = {name.rpartition("/")[0] for name, _, _ in wanted} - {""}
        self.run.storage.prepare(FOLDER, *folders)
        items = _assemblies([name for name, _, _ in wanted], [grid for _, grid, _ in wanted])
        counts = self._make(items, iter([partial(_same, origin) for _, _, origin in wanted]))
        self.run.storage.remove_folder(FOLDER)
        return Maps(tuple(item.name for item in items), note, counts)

    def _tidy(self, maps: Maps) -> None:
        """Remove the maps, with their pictures, that an earlier attempt made of other inputs or as another mosaic."""
        storage, kept = self.run.storage, {*maps.files}
        if any(name.endswith(".vrt") for name in kept):  # through which it sees maps of other grids
            kept |= {f"{name[:-4]}.vrt" for name in maps.files}
        there = {*storage.names()} & {MAP, INDEX}
        there |= {f"maps/{name}" for name in storage.names("maps") if name.endswith(_FORMS)}
        for name in sorted(there - kept):
            for one in (name, f"{name}.aux.xml", f"{name[:-4]}.png"):
                storage.remove(one)

    def _of_dates(
        self, maps: Maps, items: Sequence[Assembly], scenes: Sequence[SceneGrid], form: Form
    ) -> Maps:
        """A mosaic for each date: a map of all would show one of them only."""
        dates, files = {}, list(maps.files)
        for date in sorted({scene.date for scene in scenes}):
            places = [place for place, scene in enumerate(scenes) if scene.date == date]
            own = Maps(tuple(maps.files[place] for place in places))
            names = [scenes[place].name for place in places]
            found = self._mosaic(own, [items[place] for place in places], names, form, date)
            dates[date] = found
            files = [*files, *found.shown] if found.note is None else files
        wholes = files[len(maps.files) :]
        return replace(maps, files=(*wholes, *maps.files), dates=dates)

    def _mosaic(
        self,
        maps: Maps,
        items: Sequence[Assembly],
        scenes: Sequence[str],
        form: Form,
        date: str = "",
    ) -> Maps:
        """One map of several scenes, or of those of a date."""
        target, shown = (f"maps/{date}{end}" if date else f"map{end}" for end in _FORMS)
        try:
            places, whole = placed([item.grid for item in items], scenes, target)
        except SourceError as error:
            return Maps(maps.files, str(error), maps.counts)
        index = Index(maps.files, places, whole)
        layout = Layout(f"mosaic{date}", Size(whole.height, whole.width))
        if form == "index":
            index.write(self.run, shown, "maps")
            # Scenes overlap, and their pixels differ in size: only the whole tells what one sees.
            pieces = _pieces(layout, 0, partial(_same, Mosaic(shown)))
            return Maps((shown, *maps.files), None, self._counts(CountPiece(self.run), pieces))
        name = f"{FOLDER}/mosaic{date}.vrt"
        index.write(self.run, name, FOLDER)
        counts = self._make([Assembly(target, layout, whole)], iter([partial(_same, Mosaic(name))]))
        return Maps((target, *maps.files), None, counts)

    def _make_nearest(
        self,
        items: Sequence[Assembly],
        origins: Iterator[Callable[[Area], Origin]],
        dates: Sequence[str],
    ) -> Counter[int]:
        """Make maps of scenes without what is nearer to the centre of another one of their date."""
        grids = [item.grid for item in items]
        wholes = [f"{FOLDER}/whole{number}.tif" for number in range(len(items))]
        self._make(_assemblies(wholes, grids, "whole"), origins)
        return self._make(items, iter(nearest(wholes, grids, dates)))

    def _make(
        self, items: Sequence[Assembly], origins: Iterator[Callable[[Area], Origin]]
    ) -> Counter[int]:
        """Make maps of what their pixels come from.

        Args:
            items: the maps.
            origins: of each map, where the pixels of an area of it come from.
        """
        work = MakePiece(self.run)
        first = (
            piece
            for item, origin in zip(items, origins, strict=True)
            for piece in _pieces(item.layout, 0, origin)
        )
        counts = self._counts(work, first)
        # Overviews of overviews: there are none but of maps with more than 8,192 pixels a side.
        for base in sorted({base for item in items for base in item.layout.bases} - {0}):
            layouts = [item.layout for item in items if base in item.layout.bases]
            later = (
                piece
                for layout in layouts
                for piece in _pieces(layout, base, partial(_same, Pieces(layout, base)))
            )
            self._counts(work, later)
        for _ in self._done(Assemble(self.run), items):
            pass
        return counts

    def _counts(
        self, work: Callable[[Piece], Counter[int]], pieces: Iterable[Piece]
    ) -> Counter[int]:
        counts: Counter[int] = Counter()
        for found in self._done(work, pieces):
            counts.update(found)
        return counts

    def _done(self, work: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        for result in self.pool.map(work, items):
            if isinstance(result, Lost):
                reason = f"its maps cannot be made: {result.reason}; the same command goes on here"
                raise OutputError(self.run.path, reason)
            self.step()
            yield result


def steps_of(grids: Iterable[MapGrid]) -> int:
    """How many steps it takes to make maps of these pixels."""
    layouts = [Layout("", Size(grid.height, grid.width)) for grid in grids]
    pieces = (layout.pieces(base).shape for layout in layouts for base in layout.bases)
    return len(layouts) + sum(rows * cols for rows, cols in pieces)


def _assemblies(names: Sequence[str], grids: Sequence[MapGrid], key: str = "") -> list[Assembly]:
    """Maps to be made of pieces, whose files ``key`` tells from those of other maps."""
    return [
        Assembly(name, Layout(f"{key}{number}", Size(grid.height, grid.width)), grid)
        for number, (name, grid) in enumerate(zip(names, grids, strict=True))
    ]


def _same(origin: Origin, area: Area) -> Origin:
    """What all areas of a map come from."""
    return origin


def _pieces(layout: Layout, base: int, origin: Callable[[Area], Origin]) -> Iterator[Piece]:
    for row, col in layout.pieces(base).cells():
        blocks = layout.owned(base, row, col)
        area = layout.needed(base, blocks)[base]
        yield Piece(layout, base, row, col, origin(area))


def _areas_of(
    scenes: Sequence[SceneGrid],
    parts: Iterable[PartPlace],
    kind: type[TileParts | PixelParts],
) -> Iterator[Callable[[Area], Origin]]:
    """Of each scene, which parts hold the pixels of an area of its map."""
    groups = groupby(parts, lambda part: part.source)
    for _, (_, group) in zip(scenes, groups, strict=True):
        held = tuple(group)

        def origin(area: Area, held: tuple[PartPlace, ...] = held) -> Origin:
            return kind(tuple(one.index for one in held if not one.area.overlap(area).empty))

        yield origin
