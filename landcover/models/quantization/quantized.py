"""What quantizing a network gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


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


class Quantizer(Protocol):
    """Quantizes one network; what it finds out about its layers it keeps."""

    def until(self, may_differ: float) -> Quantized:
        """The network with so few layers in f32 that no more labels differ.

        Args:
            may_differ: the share of labels, of the tiles that it was calibrated on, that may be others
                than in f32, in [0, 1].

        Raises:
            ModelError: it cannot be quantized.
        """
        ...
