"""Where the pixels of a scene lie: its files agree, are north-up, and have a resolution."""

from __future__ import annotations

from math import floor, isfinite, sqrt

from landcover.errors import SourceError
from landcover.tiles.grid import Size, Transform
from landcover.tiles.rasters.crs import stretch_at
from landcover.tiles.rasters.metadata import Metadata

# Pixels that differ by less from square, or from the resolution asked for, are taken as they are:
# tiles are placed by the scene's own transform either way, and resampling would blur every pixel to
# undo a stretch of two pixels in a tile of 224.
_TOLERANCE = 0.01
# How far, in pixels, rotation may move the scene's farthest corner before the scene counts as
# rotated: computers that multiply transforms leave 1e-15 where there is none.
_MOST_SKEW = 0.1
# The transform of a file that has none.
_NOWHERE = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
# How much lengths on the ground may change from the scene's centre to its corners, and by how many
# degrees right angles may be off, where a resolution in metres is asked for.
_MOST_CHANGE, _MOST_SHEAR = 0.05, 3.0


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

    A rotation that moves no pixel of the scene by more than a tenth of a pixel is none.

    Raises:
        SourceError: if it is not so; the sentence says how to make it so.
    """
    a, b, c, d, e, f = metadata.transform
    if metadata.placed_by and metadata.transform == _NOWHERE:
        raise SourceError(
            metadata.file,
            f"is placed by {metadata.placed_by}, not by a transform; warp it first: gdalwarp "
            f"{'-rpc ' if 'RPC' in metadata.placed_by else ''}-t_srs EPSG:... FILE WARPED.tif",
        )
    edges = c + a * metadata.width, f + e * metadata.height
    if metadata.transform == _NOWHERE or not all(map(isfinite, (*metadata.transform, *edges))):
        reason = "has no place on earth" + ("" if metadata.crs else ", and no CRS")
        raise SourceError(
            metadata.file,
            f"{reason}; tell where its edges lie: gdal_translate -a_srs EPSG:... -a_ullr LEFT TOP "
            "RIGHT BOTTOM FILE PLACED.tif",
        )
    if not metadata.crs:
        raise SourceError(
            metadata.file, "has no CRS; assign the one it is in: gdal_edit.py -a_srs EPSG:... FILE"
        )
    skew = max(abs(b) * metadata.height / abs(a or 1), abs(d) * metadata.width / abs(e or 1))
    if skew > _MOST_SKEW or a <= 0 or e >= 0:
        raise SourceError(
            metadata.file,
            f"is rotated or flipped (transform {metadata.transform}); make it north-up with gdalwarp",
        )
    return a, 0.0, c, 0.0, e, f


def target_grid(
    metadata: Metadata, transform: Transform, resolution: float | None
) -> tuple[Transform, int, int, bool]:
    """The grid that pixels are read on: its transform, width and height; whether it is the file's.

    A resampled grid keeps the upper-left corner and holds the pixels whose centres lie inside. The
    resolution is one on the ground: in CRSs that stretch it by more than a hundredth, such as Web
    Mercator away from the equator, pixels are as large as it is at the scene's centre.
    """
    a, _, c, _, e, f = transform
    if resolution is None:
        if abs(a / -e - 1) > _TOLERANCE:
            raise SourceError(metadata.file, _not_square(metadata))
        return transform, metadata.width, metadata.height, True
    if metadata.metres is None:
        kind = "geographic" if metadata.unit == "degrees" else "a local one"
        raise SourceError(
            metadata.file,
            f"its CRS {_short(metadata.crs)} is {kind}, so it has no resolution in "
            f"metres ({resolution:g} is asked); reproject it first: gdalwarp -t_srs EPSG:...",
        )
    across, down = _stretch(metadata, metadata.metres)
    x, y = resolution / metadata.metres * across, resolution / metadata.metres * down
    if abs(a / x - 1) <= _TOLERANCE and abs(-e / y - 1) <= _TOLERANCE:
        return transform, metadata.width, metadata.height, True
    width = max(1, int(metadata.width * a / x + 0.5))
    height = max(1, int(metadata.height * -e / y + 0.5))
    return (x, 0.0, c, 0.0, -y, f), width, height, False


def on_lattice(transform: Transform, stride: Size) -> Size:
    """How many pixels before a scene the tiles begin that lie on a lattice on the ground.

    Pixels are counted from the origin of the CRS, to the nearest whole one. Scenes that were cut
    out of one lie alike, also if their corners lie half a pixel off: ties are told apart beside
    one half, where rounding cannot reach.

    Args:
        transform: of the scene's pixels at the resolution of its grid.
        stride: distance between neighbouring tiles.
    """
    a, _, c, _, e, f = transform
    return Size(floor(f / e + 0.501) % stride.rows, floor(c / a + 0.501) % stride.cols)


def _not_square(metadata: Metadata) -> str:
    a, _, _, _, e, _ = metadata.transform
    remedy = "set source.resolution to resample it"
    if metadata.metres is None:
        remedy = "reproject it first: gdalwarp -t_srs EPSG:..."
    return f"its pixels are not square ({a:g} x {-e:g} {metadata.unit}); {remedy}"


def _stretch(metadata: Metadata, metres: float) -> tuple[float, float]:
    """Metres of the CRS for a metre on the ground at the scene's centre, along x and along y.

    Both are 1 where they are within a hundredth of it, as in UTM.

    Raises:
        SourceError: if that changes within the scene, or squares are no squares on the ground.
    """
    a, _, c, _, e, f = metadata.transform
    xs, ys = (c, c + a * metadata.width), (f, f + e * metadata.height)
    centre = stretch_at(metadata.crs, sum(xs) / 2, sum(ys) / 2, metres)
    corners = [stretch_at(metadata.crs, x, y, metres) for x in xs for y in ys]
    if all(abs(one - 1) <= _TOLERANCE for at in (centre, *corners) for one in at[:2]):
        return 1.0, 1.0
    change = max(abs(at[i] / centre[i] - 1) for at in corners for i in (0, 1))
    if change > _MOST_CHANGE or max(at.shear for at in corners) > _MOST_SHEAR:
        raise SourceError(
            metadata.file,
            f"its CRS {_short(metadata.crs)} has no resolution in metres on the ground: lengths "
            f"change by {change:.0%} within the scene, right angles by "
            f"{max(at.shear for at in corners):.0f} degrees; reproject it first, for instance to "
            "UTM (gdalwarp -t_srs EPSG:...), or cut it into smaller scenes",
        )
    if abs(centre.across / centre.down - 1) <= _TOLERANCE:
        return (sqrt(centre.across * centre.down),) * 2
    return centre.across, centre.down


def _short(crs: str) -> str:
    return crs.splitlines()[0][:60]
