"""Which bands of a scene the network reads, and which of them tell where there is no data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

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
    """

    read: tuple[int, ...]
    others: tuple[int, ...]
    dtype: str
    validity: Validity
    alpha: int

    @property
    def pixel_bytes(self) -> int:
        """Bytes of one pixel in all bands that are read."""
        return len(self.read) * np.dtype(self.dtype).itemsize


def plan_bands(
    files: list[Metadata], bands: Sequence[int | str] | None, band_count: int | None
) -> BandPlan:
    """Choose the bands of a scene.

    Args:
        files: what each of its files says.
        bands: from 1 or by name, in the order of the network; None: the first ``band_count``.
        band_count: how many bands the network reads; None: all but a mask.

    Raises:
        SourceError: if bands are missing, differ in dtype, or hold no real numbers.
    """
    chosen = _choose(files, bands, band_count)
    validity, alpha = _validity(files, chosen)
    others = _others(files, chosen) if validity == "value" else ()
    return BandPlan(chosen, others, _common_dtype(files, chosen), validity, alpha)


def _choose(
    files: list[Metadata], bands: Sequence[int | str] | None, band_count: int | None
) -> tuple[int, ...]:
    """The bands that are read, counted over all files."""
    held = sum(metadata.count for metadata in files)
    if bands is not None:
        return tuple(_numbered(band, files, held) for band in bands)
    usable = [i for i in range(1, held + 1) if len(files) > 1 or i != files[0].alpha]
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
    if np.dtype(dtype).kind not in "iuf":
        raise SourceError(files[0].file, f"holds {dtype} pixels; the network reads real numbers")
    return dtype


def _validity(files: list[Metadata], chosen: tuple[int, ...]) -> tuple[Validity, int]:
    """What tells pixels without data: alpha, else a mask, else declared values.

    A band that the network reads is no mask, whatever the file calls it.
    """
    first = files[0]
    if first.alpha and first.alpha not in chosen and len(files) == 1:
        return "alpha", first.alpha
    if first.masked:
        return "mask", 0
    if all(value is not None for metadata in files for value in metadata.nodata):
        return "value", 0
    return "all", 0


def _others(files: list[Metadata], chosen: tuple[int, ...]) -> tuple[int, ...]:
    held = sum(metadata.count for metadata in files)
    return tuple(band for band in range(1, held + 1) if band not in chosen)
