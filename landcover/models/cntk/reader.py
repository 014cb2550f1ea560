"""Model files of CNTK, whatever their format."""

from __future__ import annotations

from typing import Final

import onnx

from landcover.errors import ModelError
from landcover.models.cntk.convert import Lrn, to_onnx
from landcover.models.cntk.graph import Graph
from landcover.models.cntk.outputs import choose
from landcover.models.cntk.version1 import read_version1
from landcover.models.cntk.version2 import read_version2

_LEGACY: Final = "BCN\0".encode("utf-16-le")


def read(data: bytes | memoryview, name: str) -> Graph:
    """Return the network that a CNTK model file describes.

    Args:
        data: the whole file.
        name: its path, for messages.

    Raises:
        ModelError: the file is empty, damaged, no CNTK model, or holds something that cannot be
            read: the sentence names it.
    """
    view = memoryview(data).cast("B")
    if not len(view):
        raise ModelError(name, "the file is empty; copy it again")
    if bytes(view[: len(_LEGACY)]) == _LEGACY:
        return read_version1(view, name)
    return read_version2(view, name)


def convert(
    data: bytes | memoryview, name: str, output: str | int | None = None, lrn: Lrn = "plain"
) -> onnx.ModelProto:
    """Return a CNTK model as an ONNX model with one output.

    The model takes a batch of images in the layout of the network, (batch, channels, height,
    width), and computes in the precision of the file. It uses operators of ONNX's default domain
    only.

    Args:
        data: the whole file.
        name: its path, for messages.
        output: the name or the position of the output wanted, or the name of a layer; by default
            the first one that is no loss and needs no labels.
        lrn: how local response normalization is written: "plain" arithmetic, which ONNX Runtime
            computes faster, or ONNX's "operator", which OpenVINO computes faster.

    Raises:
        ModelError: the file cannot be read, or the network cannot be expressed in ONNX: the
            sentence names the operation.
    """
    graph = read(data, name)
    return to_onnx(graph, [choose(graph, output)], lrn)
