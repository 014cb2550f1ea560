"""A finished graph under rewriting: who makes a tensor, and how often it is used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from landcover.models.cntk.conversion.onnx_builder import Array, Node, OnnxBuilder


class GraphRewriter:
    """The nodes of a finished graph in order, which are rewritten one after the other, in place.

    Args:
        builder: the nodes and constants.
        outputs: the tensors that must stay.
    """

    def __init__(self, builder: OnnxBuilder, outputs: Sequence[str]) -> None:
        self._builder = builder
        self._outputs = list(outputs)
        self._nodes = _needed(builder.nodes, outputs)
        self._makers = {tensor: node for node in self._nodes for tensor in node.outputs}
        self._uses = Counter(tensor for node in self._nodes for tensor in node.inputs)
        self._uses.update(outputs)

    @property
    def constants(self) -> Mapping[str, Array]:
        """The constants by tensor."""
        return self._builder.constants

    def sweep(self, rules: Sequence[Callable[[GraphRewriter, Node], bool]]) -> None:
        """Apply rules to every node in order; a rule says whether it rewrote the node.

        A rewritten node is looked at again: the makers of its inputs are as simple as they get.
        """
        for node in self._nodes:
            while any(rule(self, node) for rule in rules):
                pass

    def maker(self, tensor: str, *ops: str) -> Node | None:
        """Return the node that makes ``tensor``, if it is one of ``ops``."""
        node = self._makers.get(tensor)
        return node if node is not None and (not ops or node.op in ops) else None

    def only(self, tensor: str, *ops: str) -> Node | None:
        """Return the maker like :meth:`maker`, if nothing else uses the tensor."""
        return self.maker(tensor, *ops) if self._uses[tensor] == 1 else None

    def split(self, node: Node) -> tuple[str, Array] | None:
        """Return the variable input of a node of two, and the value of the constant one."""
        for one, other in ((0, 1), (1, 0)):
            if len(node.inputs) == 2 and node.inputs[other] in self.constants:
                return node.inputs[one], self.constants[node.inputs[other]]
        return None

    def scalar(self, tensor: str) -> float | None:
        """Return the number that a constant of one element holds."""
        array = self.constants.get(tensor)
        return float(array.reshape(-1)[0]) if array is not None and array.size == 1 else None

    def add_constant(self, array: Array, like: str, suffix: str = "") -> str:
        """Return a new constant, named like another tensor, or like it up to the last "/"."""
        name = self._builder.wanted[like]
        return self._builder.constant(
            array, f"{name.rpartition('/')[0] or name}/{suffix}" if suffix else name
        )

    def rewrite(
        self, node: Node, op: str, inputs: Sequence[str], attributes: Mapping[str, Any]
    ) -> bool:
        """Make ``node`` compute something else; its output keeps its name. Returns True."""
        old = node.inputs
        self._uses.update(inputs)
        node.op, node.inputs, node.attributes = op, list(inputs), dict(attributes)
        self._release(old)
        return True

    def finish(self) -> list[Node]:
        """Return the nodes that the outputs need, in order."""
        return self._without_identities(_needed(self._nodes, self._outputs))

    def _release(self, tensors: Sequence[str]) -> None:
        stack = list(tensors)
        while stack:
            tensor = stack.pop()
            self._uses[tensor] -= 1
            maker = self._makers.get(tensor)
            if maker is not None and not any(self._uses[output] for output in maker.outputs):
                del self._makers[tensor]
                stack += maker.inputs
                maker.op, maker.inputs = "", []  # no rule is about nothing

    def _without_identities(self, nodes: Sequence[Node]) -> list[Node]:
        """Let the maker of an output bear its name, where nothing hinders."""
        makers = {tensor: node for node in nodes for tensor in node.outputs}
        renamed: dict[str, str] = {}
        kept = []
        for node in nodes:
            source = node.inputs[0] if node.op == "Identity" else ""
            if source in makers and source not in renamed and source not in self._outputs:
                renamed[source] = node.output
            else:
                kept.append(node)
        for node in kept:
            node.inputs = [renamed.get(tensor, tensor) for tensor in node.inputs]
            node.outputs = [renamed.get(tensor, tensor) for tensor in node.outputs]
        return kept


def _needed(nodes: Sequence[Node], outputs: Sequence[str]) -> list[Node]:
    needed, kept = set(outputs), []
    for node in reversed(nodes):
        if needed.intersection(node.outputs):
            needed.update(node.inputs)
            kept.append(node)
    return kept[::-1]
