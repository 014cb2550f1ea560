"""Inputs of functions in legacy files, which v2 has in another order, shape or meaning."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from landcover.errors import ModelError
from landcover.models.cntk.reader.dictionary import Dictionary, Shape, Tensor
from landcover.models.cntk.reader.graph import Leaf, Ref


def inputs_of(
    file: str,
    uid: str,
    operation: str,
    attributes: Dictionary,
    refs: list[Ref],
    leaves: dict[str, Leaf],
) -> list[Ref]:
    """Return the inputs of a function as v2 has them.

    Args:
        file: the path that messages name.
        uid: of the function.
        operation: what it does, in v2's word.
        attributes: what the file says of it.
        refs: its inputs in the order of the file.
        leaves: all leaves; those that had to be changed are added under a new uid.

    Raises:
        ModelError: the stored kernels do not fit their windows.
    """
    if operation == "Clip" and len(refs) == 3:
        return [refs[2], *refs[:2]]  # v2 has what is clipped first
    if operation == "Convolution" and refs:
        return [_kernels(file, uid, attributes["kernelShape"], refs[0], leaves), *refs[1:]]
    if operation == "BatchNormalization" and attributes["inverted"] and len(refs) > 4:
        return [*refs[:4], _variance(attributes["epsilon"], refs[4], leaves), *refs[5:]]
    return refs


def _kernels(file: str, uid: str, window: Shape, ref: Ref, leaves: dict[str, Leaf]) -> Ref:
    """Give kernels that are stored as a matrix (maps, everything else) their shape."""
    leaf = leaves.get(ref.uid)
    if leaf is None or leaf.tensor is None or len(leaf.shape) != 2 or len(window) != 3:
        return ref
    maps, size = leaf.shape[1], leaf.tensor.flat.size
    area = max(maps, 1) * max(window[1], 1) * max(window[2], 1)
    if size % area:
        raise ModelError(file, f"node {uid!r}: {size} weights for windows of {window[1:]}")
    return _replaced(
        leaf, "as kernels", (maps, size // area, *window[1:]), leaf.tensor.flat, leaves
    )


def _variance(epsilon: float, ref: Ref, leaves: dict[str, Leaf]) -> Ref:
    """Turn the inverse deviations of files before version 13 into variances.

    CNTK 2.7 adds epsilon here, where arithmetic would have it subtracted; so do we, to score alike.
    """
    leaf = leaves.get(ref.uid)
    if leaf is None or leaf.tensor is None:
        return ref
    with np.errstate(all="ignore"):
        variance = 1 / leaf.tensor.flat.astype(np.float64) ** 2 + epsilon
    return _replaced(leaf, "as variance", leaf.shape, variance.astype(leaf.dtype), leaves)


def _replaced(
    leaf: Leaf, how: str, shape: tuple[int, ...], flat: NDArray[Any], leaves: dict[str, Leaf]
) -> Ref:
    uid = f"{leaf.uid} {how}"
    leaves[uid] = Leaf(uid, leaf.label, shape, leaf.dtype, tensor=Tensor(flat, shape, leaf.dtype))
    return Ref(uid)
