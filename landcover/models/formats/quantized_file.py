"""A quantized network of OpenVINO as one file, so that it is sent, fetched and told by its digest as any model."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from landcover.errors import ModelError

# The network, and its weights; OpenVINO itself calls them so.
_GRAPH, _WEIGHTS = "network.xml", "network.bin"
# A stamp for all: equal networks are equal bytes.
_DATE = (1980, 1, 1, 0, 0, 0)
# More than any network for images has; a file that claims more is none of ours.
_MOST_BYTES = 2**33


def packed(graph: bytes, weights: bytes) -> bytes:
    """A network as the content of one file, the same for the same network.

    Args:
        graph: OpenVINO's XML.
        weights: what it refers to.
    """
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo(_GRAPH, _DATE), graph)
        archive.writestr(zipfile.ZipInfo(_WEIGHTS, _DATE), weights)
    return content.getvalue()


def unpacked(path: Path, shown: str) -> tuple[bytes, bytes]:
    """Graph and weights of a file that :func:`packed` has made.

    Args:
        path: of the file.
        shown: its name in messages.

    Raises:
        ModelError: it is not there, or no such file.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            infos = [archive.getinfo(name) for name in (_GRAPH, _WEIGHTS)]
            if any(one.compress_type or one.file_size > _MOST_BYTES for one in infos):
                raise ModelError(shown, "is not what landcover writes")
            graph, weights = (archive.read(one) for one in infos)
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise ModelError(shown, f"is no quantized network: {error}") from error
    return graph, weights
