"""Outputs that were stored beside a model when it was trained or saved, to be compared with."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from tokenize import TokenError
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from landcover.errors import ModelError
from landcover.models.preprocessing.specification import Layout, Steps
from landcover.small_files import ZIP_FAILURES

Array = npt.NDArray[Any]

# Of all arrays together: 64 images of 3 bands and 591 x 591 pixels, and as many probabilities.
_MOST_BYTES: Final = 2**29


@dataclass(frozen=True, eq=False)
class StoredOutputs:
    """An input of a network with what it returned.

    Args:
        path: of the file.
        input: as the network reads it, the batch first.
        outputs: one for each output of the network, in its order.
        names: of the outputs, where the file tells them.
    """

    path: str
    input: Array
    outputs: tuple[Array, ...]
    names: tuple[str, ...] = ()

    def only(self, head: str | int) -> StoredOutputs | None:
        """What is stored of one output; None if nothing is.

        Args:
            head: its name, or its index from 0.
        """
        if isinstance(head, str) and head not in self.names:
            return None
        index = self.names.index(head) if isinstance(head, str) else head
        if not 0 <= index < len(self.outputs):
            return None
        return replace(self, outputs=(self.outputs[index],), names=self.names[index : index + 1])

    def steps(self) -> Steps:
        """No steps at all: the input is the network's own."""
        bands = 1 if self.input.ndim == 3 else self.input.shape[1]
        layout: Layout = "NHW" if self.input.ndim == 3 else "NCHW"
        rows, columns = self.input.shape[-2:]
        return Steps(layout, (rows, columns), (0.0,) * bands, (1.0,) * bands, tuple(range(bands)))

    def pixels(self) -> Array:
        """The input with dims (n, band, y, x)."""
        return self.input[:, None] if self.input.ndim == 3 else self.input


def _check_arrays(path: Path) -> None:
    """Look how much the arrays of a file of NumPy take, before one is read.

    Raises:
        ValueError: more than stored outputs do.
        OSError: it is no archive.
    """
    with zipfile.ZipFile(path) as archive:
        total = sum(member.file_size for member in archive.infolist())
    if total > _MOST_BYTES:
        raise ValueError(f"it unpacks to {total:,} bytes; the most is {_MOST_BYTES:,}")


def stored_beside(model: Path) -> StoredOutputs | None:
    """The outputs stored beside a model: ``NAME.npz`` for ``NAME.model``.

    The file holds ``input``, and ``output`` or, for several, ``output_0``, ``output_1`` and so on; perhaps their names in ``output_names``.

    Returns:
        None if there is no such file, or it holds something else.

    Raises:
        ModelError: the file is damaged, or its input is no batch of images.
    """
    path = model.with_suffix(".npz")
    if path == model or not path.is_file():
        return None
    try:
        _check_arrays(path)
        with np.load(path, allow_pickle=False) as stored:
            keys = [f"output_{n}" for n in range(len(stored.files))]
            several = [stored[key] for key in keys if key in stored.files]
            if "input" not in stored.files or not (several or "output" in stored.files):
                return None
            outputs = tuple(several or [stored["output"]])
            given = stored["input"]
            names = stored["output_names"] if "output_names" in stored.files else ()
    except (*ZIP_FAILURES, SyntaxError, TokenError, MemoryError) as error:
        reason = f"is no readable file of stored outputs: {error}"
        raise ModelError(str(path), reason) from error
    if any(array.dtype.kind not in "biuf" for array in (given, *outputs)):
        raise ModelError(str(path), "holds arrays of other than numbers")
    if given.ndim not in (3, 4):
        raise ModelError(str(path), f"its input has the shape {given.shape}: no batch of images")
    return StoredOutputs(str(path), given, outputs, tuple(map(str, names)))
