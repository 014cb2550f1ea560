"""The ONNX graph while it is being written: nodes, constants and values.

A :class:`Value` is one of CNTK's results together with the ONNX tensor that holds it. CNTK keeps
the batch out of its shapes, so a value knows its static shape and, apart from that, whether its
tensor has a batch axis in front.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

BATCH: Final = "batch"
"""The extent of a batch axis that is visible among the static ones (``UnpackBatch``)."""

TO_END: Final = 2**63 - 1
"""The end of an ONNX slice that goes to the end of an axis."""

Dim: TypeAlias = int | str
Array: TypeAlias = NDArray[Any]

_LARGEST_GROWN: Final = 1 << 10  # elements that arithmetic on smaller constants may make
_MOST_NODES: Final = 100_000
_FREE_BYTES: Final = 1 << 24
_COPIES: Final = 8  # of the numbers in the file


class GraphTooLarge(ValueError):
    """The network asks for more nodes or numbers than any real one does."""


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """One result of the network.

    Args:
        tensor: the name of the ONNX tensor; its shape is ``shape``, after a batch axis if batched.
        shape: extents in C order without the batch; an unknown extent is a name.
        dtype: float32, float64 or float16.
        batched: whether the tensor has a batch axis in front of ``shape``.
        constant: the numbers, where they are known.
        condition: the boolean tensor that this 0/1 tensor was made of, if there is one.
    """

    tensor: str
    shape: tuple[Dim, ...]
    dtype: np.dtype[Any]
    batched: bool = False
    constant: Array | None = None
    condition: str | None = None

    @property
    def rank(self) -> int:
        """The number of static axes."""
        return len(self.shape)


@dataclass(slots=True, eq=False)
class Node:
    """One ONNX node; attributes are plain Python values."""

    op: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any] = field(default_factory=dict)

    @property
    def output(self) -> str:
        """The name of the first output."""
        return self.outputs[0]


class OnnxBuilder:
    """Collects nodes and constants; every tensor gets a name of its own.

    Args:
        stored: how many bytes of numbers the file holds. What is computed from them may be some
            times as much; a file that asks for more raises :class:`GraphTooLarge`.
    """

    def __init__(self, stored: int = 0) -> None:
        self._left = _COPIES * stored + _FREE_BYTES
        self.nodes: list[Node] = []
        self.constants: dict[str, Array] = {}
        self.sources: dict[str, Value] = {}  # of tensors that are others in another shape
        self.wanted: dict[str, str] = {}
        self._shared: dict[tuple[str, tuple[int, ...], bytes], str] = {}

    def name(self, wanted: str) -> str:
        """Return a tensor name that is not taken; what was wanted is kept in :attr:`wanted`."""
        wanted = self.wanted.get(wanted, wanted) or "unnamed"  # of a tensor: what that is called
        name = f"{len(self.wanted)} {wanted}"
        self.wanted[name] = wanted
        return name

    def constant(self, array: Array, wanted: str = "") -> str:
        """Return the tensor that holds ``array``; small unnamed ones are shared."""
        if wanted:
            name = self.name(wanted)
        else:
            key = (array.dtype.str, array.shape, array.tobytes() if array.size < 64 else b"")
            if array.size < 64 and key in self._shared:
                return self._shared[key]
            name = self._shared[key] = self.name("constant")
        self._left -= array.nbytes if array.base is None else 0
        if self._left < 0:
            raise GraphTooLarge("it computes many more constants than it holds")
        self.constants[name] = array
        return name

    def add(self, op: str, inputs: Sequence[str | Array], wanted: str, **attributes: Any) -> str:
        """Add a node with one output and return that; arrays among the inputs become constants.

        Arithmetic on constants is done at once.
        """
        folded = self._folded(op, inputs, attributes)
        if folded is not None:
            source = next((i for i in inputs if isinstance(i, str)), wanted)
            return self.constant(folded, source)
        return self.add_all(op, inputs, wanted, 1, **attributes)[0]

    def add_all(
        self, op: str, inputs: Sequence[str | Array], wanted: str, outputs: int, **attributes: Any
    ) -> list[str]:
        """Add a node and return all its outputs."""
        names = [i if isinstance(i, str) else self.constant(i) for i in inputs]
        if len(self.nodes) >= _MOST_NODES:
            raise GraphTooLarge(f"it takes more than {_MOST_NODES} operations")
        made = [self.name(wanted) for _ in range(outputs)]
        self.nodes.append(Node(op, names, made, attributes))
        return made

    def _folded(
        self, op: str, inputs: Sequence[str | Array], attributes: Mapping[str, Any]
    ) -> Array | None:
        fold = _FOLDS.get(op)
        known = [self.constants.get(i) if isinstance(i, str) else i for i in inputs]
        arrays = [array for array in known if array is not None]
        if fold is None or attributes or not arrays or len(arrays) < len(known):
            return None
        largest = max(array.size for array in arrays)
        try:
            if op in _BROADCASTING:
                shape = np.broadcast_shapes(*(array.shape for array in arrays))
                if np.prod(shape, dtype=float) > max(largest, _LARGEST_GROWN):
                    return None
            with np.errstate(all="ignore"):
                return np.asarray(fold(*arrays)).astype(arrays[0].dtype, copy=False)
        except ValueError:
            return None  # the shapes do not fit: let the checker of the whole graph say so


_BROADCASTING: Final = frozenset({"Add", "Sub", "Mul", "Div", "Pow"})

_FOLDS: Final[dict[str, Callable[..., Array]]] = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Div": np.divide,
    "Pow": np.power,
    "Neg": np.negative,
    "Exp": np.exp,
    "Log": np.log,
    "Sqrt": np.sqrt,
    "Abs": np.abs,
    "Floor": np.floor,
    "Reciprocal": np.reciprocal,
    "Reshape": np.reshape,
    "Unsqueeze": lambda array, axes: np.expand_dims(array, tuple(axes.tolist())),
    "Squeeze": lambda array, axes: np.squeeze(array, tuple(axes.tolist())),
}
