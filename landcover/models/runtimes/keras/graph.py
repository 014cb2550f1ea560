"""A network that Keras has loaded, with what lies around it, on whatever library computes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from landcover.errors import ModelError
from landcover.models.graph_analysis.facts import Facts
from landcover.models.preprocessing.keras import KerasOperations
from landcover.models.preprocessing.rendering import after, before
from landcover.models.preprocessing.specification import Signature, Steps
from landcover.models.runtimes.keras.errors import reason_of
from landcover.models.runtimes.keras.files import KerasNetwork


@dataclass(frozen=True)
class KerasGraph:
    """What the graphs of JAX and PyTorch have in common.

    Args:
        network: what Keras has loaded.
        device: where it computes, as the library names it.
    """

    network: KerasNetwork
    device: Any

    @property
    def signature(self) -> Signature:
        """What it reads."""
        return self.network.signature

    def facts(self) -> Facts:
        """What its layers say of it."""
        return self.network.facts()

    def probabilities(self, pixels: Any, dtype: np.dtype[Any], steps: Steps) -> Any:
        """From pixels to probabilities, as tensors of the library.

        Args:
            pixels: dims (n, band, y, x), on the device.
            dtype: of the pixels.
            steps: what lies around the network.
        """
        operations = KerasOperations(self.network.keras.ops)
        images = before(operations, pixels, dtype, steps, self.signature.dtype)
        return after(operations, self.network.call(images), steps)

    def refused(self, library: str, error: Exception) -> ModelError:
        """That a library does not run it, and why."""
        return ModelError(self.network.shown, f"{library} does not run it: {reason_of(error)}")
