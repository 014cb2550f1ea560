"""Whether an HDF5 file is whole, told from its superblock without an HDF5 library.

Layout: https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html (section II.A).
"""

from __future__ import annotations

import mmap

from landcover.errors import ModelError

MAGIC = b"\x89HDF\r\n\x1a\n"

# Bytes behind the end that a file states: some programs fill its last block up.
_MOST_BEHIND = 2**20


def check_whole(data: mmap.mmap, shown: str) -> None:
    """Compare the length that the superblock states with that of the file.

    Raises:
        ModelError: the file is shorter, or goes on behind its end.
    """
    stated = _stated_length(data)
    if stated is None or stated > len(data):
        needed = f"of {stated} bytes " if stated else ""
        raise ModelError(
            shown, f"is cut short: the file {needed}holds only {len(data)}: copy it again"
        )
    if len(data) > stated + _MOST_BEHIND:
        raise ModelError(
            shown, f"has {len(data):,} bytes, and says that it ends after {stated:,}: copy it again"
        )


def _stated_length(data: mmap.mmap) -> int | None:
    if len(data) < 48:
        return None
    version = data[8]
    width = data[13] if version < 2 else data[9]
    # End-of-file address: after the base and the free-space (or extension) address.
    start = (24 if version == 0 else 28 if version == 1 else 12) + 2 * width
    return int.from_bytes(data[start : start + width], "little")
