"""What quantizing a network gives."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Quantized:
    """A network in 8-bit integers.

    Args:
        content: of the file that a runtime opens.
        layers: how many layers with weights the network has.
        kept: how many of these stayed in f32, as labels need them.
    """

    content: bytes
    layers: int
    kept: int
