"""What a plan knows of a scene: where its pixels lie, what they hold, and whether that can be read.

Only headers are opened here; whatever makes a scene unusable is said before anything is scored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from landcover.errors import SourceError
from landcover.tiles.bands import BandPlan, plan_bands
from landcover.tiles.grid import Grid, Tiling, Transform
from landcover.tiles.headers import Header, read_header

# Pixels that differ by less from square, or from the resolution asked for, are taken as they are:
# tiles are placed by the scene's own transform either way, and resampling would blur every pixel to
# undo a stretch of two pixels in a tile of 224.
TOLERANCE = 0.01


@dataclass(frozen=True, slots=True)
class Scene:
    """One scene of a plan: small, picklable, without an open file.

    Args:
        name: unique in the run; the path below the folder that all inputs share, without suffix.
        files: its file, or a file per band.
        grid: how tiles cover it, at the resolution that is read.
        transform: of the grid's pixels.
        crs: as ``EPSG:26914`` where an authority knows it, else as WKT.
        bands: which bands are read, and how pixels without data are told.
        native: pixels are read as they are; otherwise they are resampled to the grid's resolution.
        block: (rows, columns) of a block of the file, in pixels of the grid.
        bytes: the size of all files; 0 where it is not known.
    """

    name: str
    files: tuple[str, ...]
    grid: Grid
    transform: Transform
    crs: str
    bands: BandPlan
    native: bool
    block: tuple[int, int]
    bytes: int

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
) -> Scene:
    """Read the headers of a scene and decide how it is going to be read.

    Args:
        name: of the scene.
        files: its file, or a file per band.
        tiling: of its grid.
        resolution: metres a pixel; None: the scene's own.
        bands: bands in the order of the network, from 1 or by name; None: the first
            ``band_count``, or all but a mask.
        band_count: how many bands the network reads; None: as many as there are.

    Raises:
        SourceError: if it cannot be scored as asked; the sentence says what to do.
    """
    headers = [read_header(file) for file in files]
    _check_agreement(headers)
    first = headers[0]
    own = _north_up(first)
    transform, width, height, native = _target(first, own, resolution)
    return Scene(
        name=name,
        files=files,
        grid=Grid(width, height, *tiling),
        transform=transform,
        crs=first.crs,
        bands=plan_bands(headers, bands, band_count),
        native=native,
        block=(
            round(first.block[0] * own[4] / transform[4]),
            round(first.block[1] * own[0] / transform[0]),
        ),
        bytes=sum(header.bytes for header in headers),
    )


def _check_agreement(headers: list[Header]) -> None:
    first = headers[0]
    for other in headers[1:]:
        size, expected = (other.width, other.height), (first.width, first.height)
        if size != expected or other.crs != first.crs or not _same_place(first, other):
            raise SourceError(
                other.file,
                f"lies on another grid than {first.file}: the files of one scene must agree in "
                "size, transform and CRS (align them with gdalwarp)",
            )
    if len(headers) > 1:
        for header in headers:
            if header.count != 1:
                raise SourceError(
                    header.file,
                    f"holds {header.count} bands; a scene given as a list has one band per file",
                )


def _same_place(first: Header, other: Header) -> bool:
    scale = abs(first.transform[0])
    pairs = zip(first.transform, other.transform, strict=True)
    return all(abs(a - b) <= 1e-3 * scale for a, b in pairs)


def _north_up(header: Header) -> Transform:
    a, b, _, d, e, _ = header.transform
    if not header.crs:
        raise SourceError(
            header.file, "has no CRS; assign the one it is in: gdal_edit.py -a_srs EPSG:... FILE"
        )
    if b or d or a <= 0 or e >= 0:
        raise SourceError(
            header.file,
            f"is rotated, flipped or without a place on earth (transform {header.transform}); "
            "make it north-up with gdalwarp",
        )
    return header.transform


def _target(
    header: Header, transform: Transform, resolution: float | None
) -> tuple[Transform, int, int, bool]:
    """The grid that pixels are read on: its transform, width and height; whether it is the file's.

    A resampled grid keeps the upper-left corner and holds the pixels whose centres lie inside.
    """
    a, _, c, _, e, f = transform
    if resolution is None:
        if abs(a / -e - 1) > TOLERANCE:
            raise SourceError(
                header.file,
                f"its pixels are not square ({a:g} x {-e:g} {header.unit}); set source.resolution "
                "to resample it",
            )
        return transform, header.width, header.height, True
    if header.metres is None:
        raise SourceError(
            header.file,
            f"its CRS {header.crs.splitlines()[0][:60]} is geographic, so it has no resolution in "
            f"metres ({resolution:g} is asked); reproject it first: gdalwarp -t_srs EPSG:...",
        )
    edge = resolution / header.metres
    if abs(a / edge - 1) <= TOLERANCE and abs(-e / edge - 1) <= TOLERANCE:
        return transform, header.width, header.height, True
    width = max(1, int(header.width * a / edge + 0.5))
    height = max(1, int(header.height * -e / edge + 0.5))
    return (edge, 0.0, c, 0.0, -edge, f), width, height, False
