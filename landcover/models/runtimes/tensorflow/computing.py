"""Which operations of a TensorFlow graph compute; nothing else of a file is ever imported.

A graph is a program: it may write files (SaveV2, WriteFile, PrintV2, summaries, debug operations), run
Python, or read what it likes. So a graph is not searched for what is known to be bad. What is listed
here is taken from it, together with what depends on such operations alone, and all the rest stays in
the file: the network of a training graph does not need it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from landcover.models.runtimes.tensorflow.operations import COMPUTING

VARIABLES: Final = frozenset(["Variable", "VariableV2", "VarHandleOp"])
"""Operations that stand for weights."""

_COMPUTING: Final = COMPUTING | VARIABLES

# What an importer would hold against a graph although it changes nothing: shapes that other releases
# found, and places on the machine where it was trained.
_NOTES: Final = ("_output_shapes", "_class")


@dataclass(frozen=True)
class Computing:
    """The part of a graph that computes.

    Args:
        definition: a ``GraphDef`` of it.
        left_out: the operation for which a node was left out, by the node's name.
        consumed: names of tensors (``node:0``) that something in the whole graph reads.
    """

    definition: Any
    left_out: Mapping[str, str]
    consumed: frozenset[str]

    def why_not(self, node: str) -> str:
        """Why a node is not there, as the end of a sentence."""
        return f"it needs operation {self.left_out[node]!r}, which does more than compute"

    def others(self) -> str:
        """What was left out, for the end of a sentence; "" if nothing was."""
        kinds = sorted({*self.left_out.values()})
        more = ", ..." if len(kinds) > _MOST_NAMED else ""
        listed = ", ".join(kinds[:_MOST_NAMED]) + more
        return f" (left out, as they do more than compute: {listed})" if kinds else ""


_MOST_NAMED: Final = 6


def computing_part(definition: Any) -> Computing:
    """The part of a graph that consists of operations that compute, down to its functions.

    Args:
        definition: a ``GraphDef``; it is left as it is.
    """
    functions = {function.signature.name: function for function in definition.library.function}
    others = _other_functions(functions)
    reasons = {
        node.name: reason
        for node in definition.node
        if (reason := _reason(node, functions, others)) is not None
    }
    left_out = _with_followers(definition.node, reasons)
    part = type(definition)()
    part.versions.CopyFrom(definition.versions)
    part.library.function.extend(functions[name] for name in functions if name not in others)
    # A variable that was made constant may still be waited for; there is nothing to wait for.
    unawaited = {*left_out, *(node.name for node in definition.node if node.op in VARIABLES)}
    for node in definition.node:
        if node.name not in left_out:
            _add(part, node, unawaited)
    for function in part.library.function:
        for node in function.node_def:
            _plain(node)
    consumed = {tensor_name(name) for node in definition.node for name in data_inputs(node)}
    return Computing(part, left_out, frozenset(consumed))


def data_inputs(node: Any) -> Iterator[str]:
    """The tensors that a node reads, without those nodes that it only waits for."""
    return (name for name in node.input if not name.startswith("^"))


def tensor_name(name: str) -> str:
    """The full name of a tensor, as a graph calls it."""
    return name if ":" in name else f"{name}:0"


def node_name(name: str) -> str:
    """The node that an input of a node comes from."""
    return name.removeprefix("^").split(":")[0]


def called_functions(node: Any) -> Iterator[str]:
    """The functions that a node calls: by its attributes, or as an operation of that name."""
    yield str(node.op)
    yield from _called(node.attr.values())


def _other_functions(functions: Mapping[str, Any]) -> dict[str, str]:
    """The functions that do more than compute, or call one that does, each with the operation."""
    found: dict[str, str] = {}
    while True:
        fresh = {
            name: reason
            for name, function in functions.items()
            if name not in found
            and (reason := _first(_reason(n, functions, found) for n in function.node_def))
        }
        if not fresh:
            return found
        found |= fresh


def _first(reasons: Iterable[str | None]) -> str | None:
    return next((reason for reason in reasons if reason), None)


def _reason(node: Any, functions: Mapping[str, Any], others: Mapping[str, str]) -> str | None:
    """The operation for which a node is not taken; None if it is."""
    # A function of the file wins over an operation of the same name.
    if node.op in functions:
        return others.get(node.op)
    if node.op not in _COMPUTING:
        return str(node.op)
    called = _called(node.attr.values())
    return _first(others.get(name, None if name in functions else name) for name in called)


def _called(attributes: Iterable[Any]) -> Iterator[str]:
    """The functions that attributes name, also inside those names' own attributes."""
    for attribute in attributes:
        listed = [attribute.func] if attribute.HasField("func") else list(attribute.list.func)
        for function in listed:
            yield function.name
            yield from _called(function.attr.values())


def _with_followers(nodes: Iterable[Any], reasons: Mapping[str, str]) -> dict[str, str]:
    """Nodes that are left out, with those that read what they return."""
    readers: dict[str, list[str]] = {}
    for node in nodes:
        for name in data_inputs(node):
            readers.setdefault(node_name(name), []).append(node.name)
    found, waiting = dict(reasons), list(reasons)
    while waiting:
        name = waiting.pop()
        for reader in readers.get(name, ()):
            if reader not in found:
                found[reader] = found[name]
                waiting.append(reader)
    return found


def _add(part: Any, node: Any, unawaited: Collection[str]) -> None:
    """Take a node, without waiting for some others."""
    copy = part.node.add()
    copy.CopyFrom(node)
    kept = [n for n in node.input if not n.startswith("^") or node_name(n) not in unawaited]
    del copy.input[:]
    copy.input.extend(kept)
    _plain(copy)


def _plain(node: Any) -> None:
    node.device = ""
    # What was made constant keeps attributes without a value, which functions cannot have.
    without = [name for name, value in node.attr.items() if value.WhichOneof("value") is None]
    for note in (*_NOTES, *without):
        node.attr.pop(note, None)
