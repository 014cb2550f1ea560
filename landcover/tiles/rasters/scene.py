"""What a plan knows of a scene: where its pixels lie, what they hold, and whether that can be read.

Only metadata is read here; whatever makes a scene unusable is said before anything is scored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

from landcover.config import Alpha
from landcover.tiles.grid import Grid, Tiling, Transform
from landcover.tiles.opening import USUAL, Allowed
from landcover.tiles.rasters.bands import BandPlan, plan_bands
from landcover.tiles.rasters.dates import Dates
from landcover.tiles.rasters.georeference import (
    check_agreement,
    north_up,
    on_lattice,
    target_grid,
)
from landcover.tiles.rasters.metadata import read_metadata

# Pixels whose edges differ by this factor are said to be resampled: 4 for one, or one for 4. Less is
# common (0.6 m read at 1 m).
_MUCH = 2.0


@dataclass(frozen=True, slots=True)
class Scene:
    """One scene of a plan: small, picklable, without an open file.

    Args:
        name: unique in the run; the path below the folder that all inputs share, without suffix.
        files: its file, or a file per band.
        drivers: of GDAL, that open them, one a file.
        grid: how tiles cover it, at the resolution that is read.
        transform: of the grid's pixels.
        crs: as ``EPSG:26914`` where that is equal to what the file says, else as WKT.
        bands: which bands are read, and how pixels without data are told.
        native: pixels are read as they are; otherwise they are resampled to the grid's resolution.
        finer: edge of the file's pixels in pixels of the grid: above 1 where there are more of these.
        block: (rows, columns) of a block of the file, in pixels of the grid.
        state: tells the files from others of the same names.
        bare: they are remote, and nothing lies beside them, so that nothing need be looked for.
        date: when it was taken, as far as it is told; "" where nobody has asked.
    """

    name: str
    files: tuple[str, ...]
    drivers: tuple[str, ...]
    grid: Grid
    transform: Transform
    crs: str
    bands: BandPlan
    native: bool
    finer: float
    block: tuple[int, int]
    state: str
    bare: bool
    date: str

    @property
    def identity(self) -> tuple[object, ...]:
        """What decides which tiles there are and what they hold, wherever the files lie."""
        return (
            *(self.name, self.grid, self.transform, self.crs),
            *(self.bands, self.native, self.state),
            *([self.date] if self.date else []),
        )

    def transform_at(self, row: int, col: int) -> Transform:
        """The transform of the grid's pixels counted from another of them."""
        a, b, c, d, e, f = self.transform
        return a, b, c + a * col, d, e, f + e * row


def describe(
    name: str,
    files: tuple[str, ...],
    tiling: Tiling,
    *,
    resolution: float | None = None,
    bands: Sequence[int | str] | None = None,
    band_count: int | None = None,
    alpha: Alpha | None = None,
    lattice: bool = False,
    date: Dates | None = None,
    colours: bool = False,
    allowed: Allowed = USUAL,
) -> Scene:
    """Read the metadata of a scene and decide how it is going to be read.

    Args:
        name: of the scene.
        files: its file, or a file per band.
        tiling: of its grid.
        resolution: metres a pixel; None: the scene's own.
        bands: bands in the order of the network, from 1 or by name; None: the first
            ``band_count``, or all but a mask.
        band_count: how many bands the network reads; None: as many as there are.
        alpha: what a band that is declared alpha is; None: imagery if it is read, else a mask.
        lattice: tiles lie on a lattice that begins at the origin of the CRS.
        date: tells its date; None: it needs none.
        colours: indices into a palette are read as the colours that these stand for.
        allowed: what its files may be, and where those that they name may lie.

    Raises:
        SourceError: if it cannot be scored as asked; the sentence says what to do.
    """
    held = [read_metadata(file, allowed, colours=colours) for file in files]
    check_agreement(held)
    first = held[0]
    own = north_up(first)
    transform, width, height, native = target_grid(first, own, resolution)
    return Scene(
        name=name,
        files=files,
        drivers=tuple(metadata.driver for metadata in held),
        grid=Grid(
            width, height, *tiling, *([on_lattice(transform, tiling.stride)] if lattice else [])
        ),
        transform=transform,
        crs=first.crs,
        bands=plan_bands(held, bands, band_count, alpha, colours=colours),
        native=native,
        finer=1.0 if native else sqrt(own[0] * own[4] / (transform[0] * transform[4])),
        block=(
            round(first.block[0] * own[4] / transform[4]),
            round(first.block[1] * own[0] / transform[0]),
        ),
        state=" ".join(metadata.state for metadata in held),
        bare=all(metadata.bare for metadata in held),
        date="" if date is None else date.of(first),
    )


def resampling_note(scene: Scene, resolution: float | None) -> str:
    """What becomes of pixels of quite another size than is asked for; "" where that is not so.

    Args:
        scene: as it is going to be read.
        resolution: metres a pixel of its grid; None: the scene's own.
    """
    if resolution is None or 1 / _MUCH < scene.finer < _MUCH:
        return ""
    told = f"its pixels of {resolution * scene.finer:.3g} m are resampled to {resolution:.3g} m"
    if scene.finer > 1:
        return f"{told}: {scene.finer**2:,.0f} times as many, showing no more than those do"
    return f"{told}: one for {scene.finer**-2:,.0f}, their average"
