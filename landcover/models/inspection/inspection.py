"""What is in a model file: inputs, outputs, layers, receptive field, and what a sidecar needs."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from landcover.models.fetch import local_path, shown
from landcover.models.formats.detection import ModelFile, detect
from landcover.models.formats.onnx_file import read_onnx, valid_onnx
from landcover.models.inspection.description import NetworkDescription
from landcover.models.inspection.onnx import describe_onnx
from landcover.models.inspection.producer import written_by
from landcover.models.proposal import Proposal, propose


@dataclass(frozen=True)
class Inspection:
    """All that is found out about a model file.

    Args:
        path: as it was asked for.
        format: see :data:`landcover.models.formats.detection.Format`.
        written_by: the format in words, with the version of what wrote it.
        size: bytes of all its files.
        digest: SHA-256 of its content.
        network: its network.
        proposal: for its sidecar; None where the network cannot be run.
    """

    path: str
    format: str
    written_by: str
    size: int
    digest: str
    network: NetworkDescription
    proposal: Proposal | None

    @property
    def parameters(self) -> int:
        """How many numbers the network holds."""
        return sum(layer.parameters for layer in self.network.layers)

    @property
    def multiply_adds(self) -> int | None:
        """For one image; None where one layer's are not known."""
        counts = [layer.multiply_adds for layer in self.network.layers]
        return None if None in counts else sum(count for count in counts if count is not None)

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain JSON values."""
        totals = {"parameters": self.parameters, "multiply_adds": self.multiply_adds}
        return {**dataclasses.asdict(self), **totals}


def inspect_model(path: str, head: str | int | None = None, window: int = 256) -> Inspection:
    """Look into a model file.

    A network that cannot be run is still described, as far as it can be read, with the reason.

    Args:
        path: the model, local or an fsspec URL.
        head: the output that counts; default: the one that would be run.
        window: rows and columns to compute shapes for, where the network reads any.

    Raises:
        ModelError: there is no such file, it is damaged, or no model.
        ConfigError: mistakes in its sidecar.
        MissingExtra: a library that reads it is not installed.
    """
    file = detect(local_path(path), shown(path))
    network = _network(file, head, window)
    proposal = None
    if network.refusal is None:
        heads = [output.name for output in network.outputs]
        proposal = propose(file, path, head, window, heads)
    return Inspection(
        path=shown(path),
        format=file.format,
        written_by=written_by(file),
        size=sum(each.stat().st_size for each in file.files),
        digest=file.digest,
        network=network,
        proposal=proposal,
    )


def _network(file: ModelFile, head: str | int | None, window: int) -> NetworkDescription:
    if file.format in ("cntk", "cntk-v1"):
        from landcover.models.inspection.cntk import describe_cntk

        return describe_cntk(file, head, window)
    if file.format == "onnx":
        name = str(file.path)
        with valid_onnx(name):
            return describe_onnx(read_onnx(file.path, name), window)
    from landcover.models.inspection.tensorflow import describe_tensorflow

    return describe_tensorflow(file, head, window)
