"""What the layers of a Keras network say of it, read alike from Keras 3 and Keras 2."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from landcover.models.graph_analysis.arithmetic import Operation
from landcover.models.graph_analysis.ending import called
from landcover.models.graph_analysis.facts import Facts, facts_of
from landcover.models.preprocessing.specification import Layout


def keras_facts(model: Any) -> Facts:
    """What the layers of a network say.

    Args:
        model: of one input and one output.
    """
    operations = list(_operations(model, set()))
    facts = facts_of(operations, _name(model.outputs[0]), _name(model.inputs[0]))
    layers = {
        _name(result): name for name, results in layer_outputs(model).items() for result in results
    }
    names = (layers.get(key, "") for key in (facts.ending.source, facts.ending.probabilities))
    return replace(facts, ending=called(facts.ending, *names))


def layer_outputs(model: Any) -> dict[str, list[Any]]:
    """What the layers of a network return in it, by their names; those of networks in it are left out.

    Args:
        model: of one input.
    """
    found: dict[str, list[Any]] = {}
    waiting, seen = list(model.outputs), set[str]()
    while waiting:
        tensor = waiting.pop()
        if _name(tensor) not in seen:
            seen.add(_name(tensor))
            layer, node_index, *_ = tensor._keras_history
            found.setdefault(layer.name, []).append(tensor)
            waiting += _flat(layer._inbound_nodes[node_index].input_tensors)
    return found


def keras_order(model: Any) -> Layout | None:
    """The order of the dimensions that its layers read images in; None where none of them says."""
    for layer in _layers(model):
        said = getattr(layer, "data_format", None)
        if said in ("channels_first", "channels_last"):
            return "NCHW" if said == "channels_first" else "NHWC"
    return None


def _layers(model: Any) -> Iterator[Any]:
    for layer in model.layers:
        yield from _layers(layer) if hasattr(layer, "layers") else [layer]


def _operations(model: Any, done: set[str]) -> Iterator[Operation]:
    """What makes the outputs of a network, and everything before; networks in it are unfolded."""
    waiting = list(model.outputs)
    while waiting:
        tensor = waiting.pop()
        layer, node_index, *_ = tensor._keras_history
        if _name(tensor) in done:
            continue
        done.add(_name(tensor))
        node = layer._inbound_nodes[node_index]
        sources = _flat(node.input_tensors)
        waiting += sources
        if any(source is not tensor for source in sources):  # as an input of Keras 2 is its own
            yield from _made(layer, sources, tensor, _flat(node.output_tensors), done)


def _made(
    layer: Any, sources: list[Any], tensor: Any, results: list[Any], done: set[str]
) -> Iterator[Operation]:
    names = tuple(map(_name, sources))
    inner = getattr(layer, "outputs", None) if hasattr(layer, "layers") else None
    if inner:
        for outside, inside in zip(sources, layer.inputs, strict=False):
            yield Operation("Identity", (_name(outside),), (_name(inside),))
        at = [_name(result) for result in results].index(_name(tensor))
        yield Operation("Identity", (_name(inner[at]),), (_name(tensor),))
        yield from _operations(layer, done)
        return
    word = getattr(getattr(layer, "activation", None), "__name__", None)
    if word is None:
        yield Operation(_kind(layer), names, tuple(map(_name, results)))
    else:
        before = f"{_name(tensor)} before {word}"
        yield Operation(_kind(layer), names, (before,))
        yield Operation(word, (before,), (_name(tensor),))


def _kind(layer: Any) -> str:
    """What a layer does; one that Keras 2 makes of ``image / 255`` calls "math.truediv"."""
    called = getattr(layer, "symbol", None)
    return called.rpartition(".")[2].capitalize() if called else type(layer).__name__


def _flat(tensors: Any) -> list[Any]:
    if isinstance(tensors, dict):
        tensors = list(tensors.values())
    return (
        [t for each in tensors for t in _flat(each)]
        if isinstance(tensors, (list, tuple))
        else [tensors]
    )


def _name(tensor: Any) -> str:
    return str(id(tensor))
