"""What workers do to make maps: the blocks of one piece, and one map of all its pieces."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from landcover.errors import OutputError
from landcover.runs.directory import RunDirectory
from landcover.runs.map_format.area import BLOCK, Area, Codes
from landcover.runs.map_format.blocks import compressed, cut
from landcover.runs.map_format.cog import auxiliary, header
from landcover.runs.map_format.grid import MapGrid
from landcover.runs.map_format.overviews import reduced
from landcover.runs.maps.layout import Layout
from landcover.runs.maps.origins import Known, Origin
from landcover.runs.maps.piece_files import encode_piece, open_piece


@dataclass(frozen=True)
class Piece:
    """A piece of a map that is to be made; some hundred bytes that pickle.

    Args:
        layout: of its map.
        base: the level that it is cut from.
        row: which piece of that level it is.
        col: likewise.
        origin: where the pixels of that level come from.
    """

    layout: Layout
    base: int
    row: int
    col: int
    origin: Origin


@dataclass(frozen=True)
class MakePiece:
    """Makes the blocks of a piece, of its own level where that is the map itself, and of the next.

    Args:
        run: where the parts are, and where the pieces go.
    """

    run: RunDirectory

    def __call__(self, piece: Piece) -> Counter[int]:
        """Write a piece.

        Returns:
            how many pixels of the map itself have each code; nothing for a piece of an overview.

        Raises:
            OutputError: if what it is made of cannot be read, or it cannot be written.
        """
        sizes = piece.layout.sizes
        blocks = piece.layout.owned(piece.base, piece.row, piece.col)
        areas = piece.layout.needed(piece.base, blocks)
        counts: Counter[int] = Counter()
        levels: dict[int, tuple[Area, list[bytes]]] = {}
        for level, known in self._levels(piece, areas):
            if level in blocks:
                whole = sizes[level].area
                levels[level] = blocks[level], list(_encoded(known, blocks[level], whole))
            if level == 0:
                own = sizes[0].of_blocks(blocks[0]).within(known.area)
                counts = _counted(known.codes[own])
                self._check_classes(counts)
        name = piece.layout.file(piece.base, piece.row, piece.col)
        self.run.storage.put_chunks(name, encode_piece(levels))
        return counts

    def _check_classes(self, counts: Counter[int]) -> None:
        """Raise if a code is no class's: what tasks have written may come from anyone."""
        scheme = self.run.scheme
        if strange := counts.keys() - {*scheme.codes, scheme.nodata}:
            reason = f"labels pixels with {min(strange)}, which is no class of the run"
            raise OutputError(self.run.storage.where("pixels"), reason)

    def _levels(self, piece: Piece, areas: dict[int, Area]) -> Iterator[tuple[int, Known]]:
        sizes, base = piece.layout.sizes, piece.base
        known = piece.origin.read(self.run, sizes[base], areas[base])
        yield base, known
        for level in range(base + 1, max(areas) + 1):
            between = sizes[level - 1], sizes[level]
            nodata = self.run.scheme.nodata
            codes = reduced(known.codes, known.area, areas[level], *between, nodata)
            known = Known(codes, areas[level])
            yield level, known


@dataclass(frozen=True)
class CountPiece:
    """Counts the pixels of a piece of a map that is there.

    Args:
        run: where it is.
    """

    run: RunDirectory

    def __call__(self, piece: Piece) -> Counter[int]:
        """How many pixels have each code.

        Raises:
            OutputError: if they cannot be read.
        """
        size = piece.layout.sizes[piece.base]
        blocks = piece.layout.owned(piece.base, piece.row, piece.col)[piece.base]
        return _counted(piece.origin.read(self.run, size, size.of_blocks(blocks)).codes)


@dataclass(frozen=True)
class Assembly:
    """A map whose pieces are there.

    Args:
        name: of its file, relative to the run directory.
        layout: how it was cut.
        grid: its pixels.
    """

    name: str
    layout: Layout
    grid: MapGrid


@dataclass(frozen=True)
class Assemble:
    """Makes a map of its pieces: their blocks are copied as they are.

    Args:
        run: where the pieces are, and where the map goes.
    """

    run: RunDirectory

    def __call__(self, item: Assembly) -> str:
        """Write a map and, beside it, the names of its categories.

        Returns:
            the name of its file.

        Raises:
            OutputError: if a piece cannot be read, or the map not be written.
        """
        lengths = [self._lengths(item.layout, level) for level in range(len(item.layout.sizes))]
        self.run.storage.put(f"{item.name}.aux.xml", auxiliary(self.run.scheme))
        start = header(item.grid, self.run.scheme, lengths)
        self.run.storage.put_chunks(item.name, self._file(start, item.layout))
        return item.name

    def _lengths(self, layout: Layout, level: int) -> npt.NDArray[np.uint64]:
        lengths = np.zeros(layout.sizes[level].area.blocks().shape, np.uint64)
        whole = layout.sizes[level].area.blocks()
        base = layout.base_of(level)
        for place in layout.pieces(base).cells():
            with open_piece(self.run.storage, layout.file(base, *place)) as (_, levels):
                if level in levels:
                    lengths[levels[level].blocks.within(whole)] = levels[level].lengths
        return lengths

    def _file(self, start: bytes, layout: Layout) -> Iterator[bytes]:
        yield start
        for level in reversed(range(len(layout.sizes))):
            base = layout.base_of(level)
            pieces = layout.pieces(base)
            for row in range(pieces.row0, pieces.row1):
                line = [layout.file(base, row, col) for col in range(pieces.col0, pieces.col1)]
                yield from self._rows(line, level)

    def _rows(self, line: list[str], level: int) -> Iterator[bytes]:
        """The rows of blocks of a level that pieces side by side hold."""
        with ExitStack() as stack:
            found = [stack.enter_context(open_piece(self.run.storage, name)) for name in line]
            held = [(file, levels[level]) for file, levels in found if level in levels]
            for row in range(held[0][1].blocks.row0, held[0][1].blocks.row1) if held else ():
                for file, stored in held:
                    start, length = stored.row(row)
                    file.seek(start)
                    yield file.read(length)


def _encoded(known: Known, blocks: Area, whole: Area) -> Iterator[bytes]:
    """The compressed blocks of a level; those that are not ready are made a row at a time."""
    for row in range(blocks.row0, blocks.row1):
        line = [(row, col) for col in range(blocks.col0, blocks.col1)]
        missing = [place for place in line if place not in known.ready]
        made = compressed([cut(known.codes, known.area, whole, *place) for place in missing])
        fresh = dict(zip(missing, made, strict=True))
        yield from (known.ready.get(place) or fresh[place] for place in line)


def _counted(codes: Codes) -> Counter[int]:
    """How many pixels have each code."""
    counts: Counter[int] = Counter()
    for row in range(0, codes.shape[0], BLOCK):
        for col in range(0, codes.shape[1], BLOCK):
            block = codes[row : row + BLOCK, col : col + BLOCK]
            if (block == (first := block[0, 0])).all():
                counts[int(first)] += block.size
            else:
                many = np.bincount(block.ravel())
                counts.update({int(code): int(many[code]) for code in np.flatnonzero(many)})
    return counts
