"""As many weights as a file holds: a layer of Keras makes what its description says, before any are read."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import h5py

from landcover.errors import ModelError
from landcover.hdf5 import datasets
from landcover.models.formats.sizes import numbers_in

# What layers hold and do not store: the states of generators, counters.
_NOT_STORED: Final = 2**20

_building = threading.RLock()


def numbers_held(path: Path) -> int:
    """How many numbers the datasets of an HDF5 file hold."""
    with h5py.File(path, "r") as stream:
        return sum(numbers_in(dataset.shape or ()) for _, dataset in datasets(stream))


@contextmanager
def as_many_weights(keras: Any, numbers: int, shown: str) -> Iterator[None]:
    """Let the layers that are made meanwhile have no more weights than there are numbers for.

    Args:
        keras: Keras 3 or 2.
        numbers: how many the file holds.
        shown: the model's name in messages.

    Raises:
        ModelError: a layer would have more.
    """
    layer = keras.layers.Layer
    plain, here = layer.add_weight, threading.get_ident()
    signature = inspect.signature(plain)
    made, refused = 0, None

    def counted(self: Any, *given: Any, **named: Any) -> Any:
        nonlocal made, refused
        if threading.get_ident() == here:
            shape = signature.bind_partial(self, *given, **named).arguments.get("shape")
            made += numbers_in((shape,) if isinstance(shape, int) else shape or ())
            if made > numbers + _NOT_STORED:
                reason = f"describes {made:,} weights or more, and holds {numbers:,} numbers"
                refused = ModelError(shown, reason)
                raise refused
        return plain(self, *given, **named)

    with _building:
        layer.add_weight = counted
        try:
            yield
        except Exception:
            # Keras may have wrapped it in errors of its own.
            if refused is not None:
                raise refused from None
            raise
        finally:
            layer.add_weight = plain
