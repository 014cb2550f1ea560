"""Whether pixels say how large something in a graph of TensorFlow is: then nothing tells it beforehand."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, Final

from landcover.errors import ModelError
from landcover.models.runtimes.tensorflow.constants import SAID_BY

# What is told by how many numbers there are, and not by which.
_EXTENTS: Final = ("Shape", "ShapeN", "Size", "Rank")
# What keeps as many numbers as pixels say.
_CHOOSING: Final = (
    *("Where", "Unique", "UniqueV2", "UniqueWithCounts", "ListDiff", "DynamicPartition"),
    *("NonMaxSuppressionV3", "NonMaxSuppressionV4", "NonMaxSuppressionV5"),
)
_IMAGES: Final = ("Placeholder", "PlaceholderWithDefault")
# Axes of what is none.
_NO_IMAGE: Final = 2


class Pixels:
    """What the numbers of pixels decide, followed through a graph.

    Args:
        shown: the model's name in messages.
        images: names of tensors that are images.
    """

    def __init__(self, shown: str, images: Iterable[str]) -> None:
        self.shown = shown
        self._seen, self._chosen = {*images}, set[str]()

    def look(self, operation: Any) -> None:
        """Follow an operation, those before which have been followed.

        Raises:
            ModelError: pixels say how large its result is.
        """
        reads = {tensor.name for tensor in operation.inputs}
        made = {tensor.name for tensor in operation.outputs}
        if not reads.isdisjoint(self._chosen if operation.type in _EXTENTS else self._seen):
            self._seen |= made
        if operation.type in _CHOOSING or not reads.isdisjoint(self._chosen):
            self._chosen |= {one.name for one in operation.outputs if not _is_told(one)}
        told_by = {
            operation.inputs[at].name
            for at in SAID_BY.get(operation.type, ())
            if at < len(operation.inputs)
        }
        if not told_by.isdisjoint(self._seen) and not all(map(_is_told, operation.outputs)):
            reason = (
                f"lets pixels say how large the result of {operation.type} {operation.name!r} is"
            )
            raise ModelError(self.shown, f"{reason}: no network for images does")

    def given(self, operation: Any, inside: Any) -> Pixels:
        """The same for the graph of a function that an operation calls.

        Args:
            operation: that calls it.
            inside: the graph, whose placeholders are what it is given, in order.
        """
        names = [one.outputs[0].name for one in inside.get_operations() if one.type in _IMAGES]
        # The condition of an If and the number of a Case are no inputs of what they call.
        inputs = [tensor.name for tensor in operation.inputs][-len(names) :] if names else []
        pairs: Collection[tuple[str, str]] = [*zip(names, inputs, strict=False)]
        found = Pixels(self.shown, (name for name, of in pairs if of in self._seen))
        found._chosen |= {name for name, of in pairs if of in self._chosen}
        return found


def images_of(graph: Any) -> list[str]:
    """The names of the tensors that a graph is given and that may be images: a switch or a size is none."""
    given = [one.outputs[0] for one in graph.get_operations() if one.type in _IMAGES]
    return [one.name for one in given if one.shape.rank is None or one.shape.rank > _NO_IMAGE]


def _is_told(tensor: Any) -> bool:
    return bool(tensor.shape.is_fully_defined())
