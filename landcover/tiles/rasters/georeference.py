"""Where the pixels of a scene lie: its files agree, are north-up, and have a resolution."""

from __future__ import annotations

from landcover.errors import SourceError
from landcover.tiles.grid import Transform
from landcover.tiles.rasters.metadata import Metadata

# Pixels that differ by less from square, or from the resolution asked for, are taken as they are:
# tiles are placed by the scene's own transform either way, and resampling would blur every pixel to
# undo a stretch of two pixels in a tile of 224.
_TOLERANCE = 0.01


def check_agreement(files: list[Metadata]) -> None:
    """Check that the files of one scene lie on one grid, and hold a band each if they are several.

    Raises:
        SourceError: naming the file that differs.
    """
    first = files[0]
    for other in files[1:]:
        size, expected = (other.width, other.height), (first.width, first.height)
        if size != expected or other.crs != first.crs or not _same_place(first, other):
            raise SourceError(
                other.file,
                f"lies on another grid than {first.file}: the files of one scene must agree in "
                "size, transform and CRS (align them with gdalwarp)",
            )
    if len(files) > 1:
        for metadata in files:
            if metadata.count != 1:
                raise SourceError(
                    metadata.file,
                    f"holds {metadata.count} bands; a scene given as a list has one band per file",
                )


def _same_place(first: Metadata, other: Metadata) -> bool:
    scale = abs(first.transform[0])
    pairs = zip(first.transform, other.transform, strict=True)
    return all(abs(a - b) <= 1e-3 * scale for a, b in pairs)


def north_up(metadata: Metadata) -> Transform:
    """The transform of a file that has a CRS, and whose rows go east and columns south.

    Raises:
        SourceError: if it is not so; the sentence says how to make it so.
    """
    a, b, _, d, e, _ = metadata.transform
    if not metadata.crs:
        raise SourceError(
            metadata.file, "has no CRS; assign the one it is in: gdal_edit.py -a_srs EPSG:... FILE"
        )
    if b or d or a <= 0 or e >= 0:
        raise SourceError(
            metadata.file,
            f"is rotated, flipped or without a place on earth (transform {metadata.transform}); "
            "make it north-up with gdalwarp",
        )
    return metadata.transform


def target_grid(
    metadata: Metadata, transform: Transform, resolution: float | None
) -> tuple[Transform, int, int, bool]:
    """The grid that pixels are read on: its transform, width and height; whether it is the file's.

    A resampled grid keeps the upper-left corner and holds the pixels whose centres lie inside.
    """
    a, _, c, _, e, f = transform
    if resolution is None:
        if abs(a / -e - 1) > _TOLERANCE:
            raise SourceError(
                metadata.file,
                f"its pixels are not square ({a:g} x {-e:g} {metadata.unit}); set source.resolution "
                "to resample it",
            )
        return transform, metadata.width, metadata.height, True
    if metadata.metres is None:
        raise SourceError(
            metadata.file,
            f"its CRS {metadata.crs.splitlines()[0][:60]} is geographic, so it has no resolution in "
            f"metres ({resolution:g} is asked); reproject it first: gdalwarp -t_srs EPSG:...",
        )
    edge = resolution / metadata.metres
    if abs(a / edge - 1) <= _TOLERANCE and abs(-e / edge - 1) <= _TOLERANCE:
        return transform, metadata.width, metadata.height, True
    width = max(1, int(metadata.width * a / edge + 0.5))
    height = max(1, int(metadata.height * -e / edge + 0.5))
    return (edge, 0.0, c, 0.0, -edge, f), width, height, False
