"""A network as its file describes it: leaves, functions, and what refers to what.

Both formats of CNTK are read into this form, with blocks flattened and every reference resolved.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from landcover.errors import ModelError
from landcover.models.cntk.reader.dictionary import Tensor, Value


class Ref(NamedTuple):
    """One result: that of a leaf, or the ``place``-th result of a function."""

    uid: str
    place: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Leaf:
    """An input, a parameter or a constant.

    Args:
        uid: its key in the file.
        name: what the author called it; may be empty.
        shape: extents in C order without the batch; -3 is a free one.
        dtype: float32, float64 or float16.
        batched: whether it has a batch axis (inputs of images have).
        tensor: the numbers; None for an input.
    """

    uid: str
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    batched: bool = False
    tensor: Tensor | None = None

    @property
    def label(self) -> str:
        """The name, or where there is none the uid."""
        return self.name or self.uid


@dataclass(frozen=True, slots=True, eq=False)
class Function:
    """One operation.

    Args:
        uid: its key in the file.
        name: its readable name, with the named blocks around it (``block/function``).
        operation: what it does, in CNTK's word ("Convolution").
        inputs: what it works on, in the order of CNTK.
        attributes: as the file has them: shapes in C order, lists in CNTK's order.
        block: the operation of the innermost block around it, or "".
    """

    uid: str
    name: str
    operation: str
    inputs: tuple[Ref, ...]
    attributes: Mapping[str, Value] = field(default_factory=dict)
    block: str = ""


@dataclass(frozen=True, slots=True)
class Output:
    """One output of the network: ``name`` is what a caller may ask for."""

    name: str
    ref: Ref


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """A whole network.

    Args:
        file: the path that messages name.
        format: "CNTK v2" or "CNTK v1 (legacy)".
        version: the version of the functions in the file (v2: 24 for CNTK 2.7) or of the file (v1).
        leaves, functions: by uid.
        outputs: in the order of the file.
    """

    file: str
    format: str
    version: int
    leaves: Mapping[str, Leaf]
    functions: Mapping[str, Function]
    outputs: Sequence[Output]

    @property
    def inputs(self) -> list[Leaf]:
        """The leaves that have to be fed, those of labels and losses included."""
        return [leaf for leaf in self.leaves.values() if leaf.tensor is None]

    def describe(self, uid: str) -> str:
        """Return how messages call a function: operation, name and uid."""
        function = self.functions[uid]
        named = f" {function.name!r}" if function.name != uid else ""
        return f"operation {function.operation}{named} ({uid})"

    def order(self, refs: Iterable[Ref]) -> list[Function]:
        """Return the functions that ``refs`` need, each after those it needs itself.

        Raises:
            ModelError: the graph is cyclic (a recurrent network), or refers to nothing.
        """
        done: dict[str, bool] = {}  # False while the function's inputs are being visited
        ordered: list[Function] = []
        stack = [ref.uid for ref in refs][::-1]
        while stack:
            uid = stack[-1]
            if uid in self.leaves or done.get(uid):
                stack.pop()
            elif uid not in self.functions:
                raise ModelError(self.file, f"something refers to {uid!r}, which is not there")
            elif uid in done:
                stack.pop()
                done[uid] = True
                ordered.append(self.functions[uid])
            else:
                done[uid] = False
                stack += self._unvisited(uid, done)
        return ordered

    def _unvisited(self, uid: str, done: Mapping[str, bool]) -> list[str]:
        needed = [ref.uid for ref in self.functions[uid].inputs]
        for other in needed:
            if done.get(other) is False:
                raise ModelError(
                    self.file,
                    f"{self.describe(uid)} depends on itself: this is a recurrent network, and "
                    "landcover runs feed-forward ones only",
                )
        return [other for other in reversed(needed) if other not in done]
