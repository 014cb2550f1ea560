"""Which bands of a scene the network reads, and which of them tell where there is no data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np

from landcover.config import Alpha
from landcover.errors import SourceError
from landcover.tiles.rasters.metadata import Metadata

Validity: TypeAlias = Literal["all", "value", "mask", "alpha"]
"""What tells pixels without data: nothing, a declared value, a mask, or an alpha band."""


@dataclass(frozen=True, slots=True)
class BandPlan:
    """Bands are counted from 1, over all files of the scene.

    Args:
        read: the bands that are read, in the order of the network.
        others: the remaining bands that say, together with these, where a pixel holds no data.
        dtype: of the pixels.
        validity: what tells pixels without data.
        alpha: the band that does where ``validity`` is "alpha", else 0.
        declared: the band that is declared alpha, mask or not; 0 where none is.
        colours: indices into a palette are read as the colours that these stand for.
    """

    read: tuple[int, ...]
    others: tuple[int, ...]
    dtype: str
    validity: Validity
    alpha: int
    declared: int = 0
    colours: bool = field(default=False, repr=False)  # what is refused without it has no results

    @property
    def pixel_bytes(self) -> int:
        """Bytes of one pixel in all bands that are read."""
        return len(self.read) * np.dtype(self.dtype).itemsize


def plan_bands(
    files: list[Metadata],
    bands: Sequence[int | str] | None,
    band_count: int | None,
    alpha: Alpha | None = None,
    *,
    colours: bool = False,
) -> BandPlan:
    """Choose the bands of a scene.

    A band that is declared alpha is imagery if the network reads it or the file has a mask beside
    its bands, and a mask if not, unless ``alpha`` says otherwise: the declaration alone does not tell, since writers of GeoTIFFs
    make an alpha band of any fourth one, infrared or not.

    Args:
        files: what each of its files says.
        bands: from 1 or by name, in the order of the network; None: the first ``band_count``.
        band_count: how many bands the network reads; None: all but a mask.
        alpha: what a band that is declared alpha is; None: as its use tells.
        colours: indices into a palette are read as the colours that these stand for.

    Raises:
        SourceError: if bands are missing, differ in dtype, or hold no real numbers, or some of the files
            alone have a mask.
    """
    if any(metadata.palette for metadata in files):
        raise SourceError(
            files[0].file,
            "holds indices into a palette, which are no brightness; where its colours are imagery, set "
            "source.palette: expand",
        )
    masked = [metadata.file for metadata in files if metadata.masked]
    if masked and len(masked) < len(files):
        raise SourceError(
            masked[0],
            "has a mask, and other files of its scene have none, so that it cannot be told what it is "
            "for; give all of them one, or leave it out: gdal_translate -mask none FILE COPY.tif",
        )
    declared = files[0].alpha if len(files) == 1 else 0
    masking = (
        declared if alpha == "mask" or (alpha is None and not _is_imagery(files, band_count)) else 0
    )
    chosen = _choose(files, bands, band_count, masking)
    if masking in chosen and alpha == "mask":
        raise SourceError(
            files[0].file,
            f"the network reads band {masking}, which source.alpha says is a mask; name other "
            "bands (source.bands), or set source.alpha: imagery",
        )
    masking = 0 if masking in chosen else masking
    validity: Validity = "alpha" if masking else _validity(files)
    others = _others(files, chosen) if validity == "value" else ()
    dtype = _common_dtype(files, chosen)
    return BandPlan(chosen, others, dtype, validity, masking, declared, colours)


def _is_imagery(files: list[Metadata], band_count: int | None) -> bool:
    """Whether a band that is declared alpha is none: all are read, or the file has a mask beside."""
    return files[0].masked or band_count == sum(metadata.count for metadata in files)


def alpha_note(bands: BandPlan) -> str:
    """What was decided of a band that is declared alpha; "" where none is."""
    if not bands.declared:
        return ""
    if bands.alpha:
        return (
            f"band {bands.alpha} is declared alpha and masks pixels where it is 0; if it is "
            "imagery, such as infrared, set source.alpha: imagery"
        )
    return f"band {bands.declared} is declared alpha but taken for imagery, not for a mask"


def _choose(
    files: list[Metadata],
    bands: Sequence[int | str] | None,
    band_count: int | None,
    masking: int,
) -> tuple[int, ...]:
    """The bands that are read, counted over all files; one that masks is none by itself."""
    held = sum(metadata.count for metadata in files)
    if bands is not None:
        return tuple(_numbered(band, files, held) for band in bands)
    usable = [i for i in range(1, held + 1) if i != masking]
    wanted = len(usable) if band_count is None else band_count
    if wanted > len(usable):
        mask = " beside its mask" if len(usable) < held else ""
        raise SourceError(
            files[0].file,
            f"has {len(usable)} band(s){mask}, the network reads {wanted}{_one_file(held)}",
        )
    return tuple(usable[:wanted])


def _numbered(band: int | str, files: list[Metadata], held: int) -> int:
    names = [name for metadata in files for name in metadata.band_names]
    if isinstance(band, str) and not band.isdecimal():
        found = [i for i, known in enumerate(names, 1) if band.lower() in known]
        if len(found) == 1:
            return found[0]
        known = ", ".join("/".join(n) or "unnamed" for n in names)
        what = f"{len(found)} bands are" if found else "no band is"
        raise SourceError(
            files[0].file, f"{what} called {band!r} (there are: {known}); give its number"
        )
    if not 1 <= int(band) <= held:
        raise SourceError(
            files[0].file, f"has {held} band(s), band {band} is wanted{_one_file(held)}"
        )
    return int(band)


def _one_file(held: int) -> str:
    return "; single-band files of one scene are given together, as a list" if held == 1 else ""


def _common_dtype(files: list[Metadata], chosen: tuple[int, ...]) -> str:
    every = [dtype for metadata in files for dtype in metadata.dtypes]
    dtypes = {every[band - 1] for band in chosen}
    if len(dtypes) > 1:
        raise SourceError(files[0].file, f"its bands differ in dtype: {', '.join(sorted(dtypes))}")
    dtype = dtypes.pop()
    if dtype.startswith("complex") or np.dtype(dtype).kind not in "iuf":
        raise SourceError(files[0].file, f"holds {dtype} pixels; the network reads real numbers")
    return dtype


def _validity(files: list[Metadata]) -> Validity:
    """What tells pixels without data, where no alpha band does: a mask, else declared values."""
    if files[0].masked:
        return "mask"
    if all(value is not None for metadata in files for value in metadata.nodata):
        return "value"
    return "all"


def _others(files: list[Metadata], chosen: tuple[int, ...]) -> tuple[int, ...]:
    held = sum(metadata.count for metadata in files)
    return tuple(band for band in range(1, held + 1) if band not in chosen)
