"""Layers of a quantized network that are put back in f32, in groups that read the same numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

from landcover.models.openvino_library import openvino

_WEIGHTED = ("Convolution", "GroupConvolution", "ConvolutionBackpropData", "MatMul")
# What only moves numbers hands quantized ones on.
_MOVING = ("Reshape", "Transpose", "MaxPool", "Squeeze", "Unsqueeze", "Concat", "StridedSlice")
_QUANTIZER = "FakeQuantize"


@dataclass(frozen=True)
class Group:
    """Layers that are in 8 bits or in f32 together, since they read the same quantized numbers.

    Args:
        quantizers: what rounds the numbers that they read, by name.
        layers: with weights, by name; none where only sums read these numbers.
        work: what they compute of an image, in multiply-adds, about.
    """

    quantizers: tuple[str, ...]
    layers: tuple[str, ...]
    work: int


def layers_of(network: openvino.Model) -> list[str]:
    """The names of all layers with weights, or that multiply two tensors."""
    return [_name(node) for node in network.get_ops() if node.get_type_name() in _WEIGHTED]


def groups_of(quantized: openvino.Model) -> list[Group]:
    """The groups of a quantized network, in the order of its graph.

    Args:
        quantized: as NNCF makes it: numbers are rounded before they are read.
    """
    nodes, computed = quantized.get_ordered_ops(), _computed(quantized)
    rounding = {
        _name(node): place
        for place, node in enumerate(nodes)
        if node.get_type_name() == _QUANTIZER and _name(node) in computed
    }
    together = {name: {name} for name in rounding}
    readers = {
        _name(node): set(_sources(node)) & rounding.keys()
        for node in nodes
        if node.get_type_name() in _WEIGHTED
    }
    for read in readers.values():
        joined = set[str]().union(*(together[name] for name in read))
        together |= dict.fromkeys(joined, joined)
    work = {_name(node): _work(node) for node in nodes if _name(node) in {*together, *readers}}
    groups = []
    for names in {tuple(sorted(names)): None for names in together.values()}:
        layers = tuple(layer for layer, read in readers.items() if read & {*names})
        groups.append(Group(names, layers, sum(work[name] for name in layers or names)))
    return sorted(groups, key=lambda group: min(rounding[name] for name in group.quantizers))


def with_f32(
    quantized: openvino.Model, network: openvino.Model, kept: Iterable[Group]
) -> openvino.Model:
    """A copy of a quantized network in which some groups are as they were.

    Args:
        quantized: the network in 8 bits.
        network: the same before, whose operations have the same names.
        kept: the groups.
    """
    changed, groups = quantized.clone(), tuple(kept)
    before, computed = {_name(node): node for node in network.get_ops()}, _computed(network)
    quantizers = {name for group in groups for name in group.quantizers}
    layers = {name for group in groups for name in group.layers}
    for node in changed.get_ordered_ops():
        if _name(node) in quantizers:
            for reader in node.output(0).get_target_inputs():
                reader.replace_source_output(node.input(0).get_source_output())
        elif _name(node) in layers:
            for one in (node, *_biases(node)):
                if _name(one) in before:
                    _restore(one, before[_name(one)], computed)
    return changed


def _restore(node: Any, old: Any, computed: set[str]) -> None:
    """Give an operation the constants that it had: weights, and the bias that made up for rounding."""
    for port in old.inputs():
        source = port.get_source_output()
        if _name(source.get_node()) not in computed:
            node.input(port.get_index()).replace_source_output(source)


def _computed(network: openvino.Model) -> set[str]:
    """The names of all operations whose results depend on the image."""
    found = set[str]()
    for node in network.get_ordered_ops():
        sources = (_name(port.get_source_output().get_node()) for port in node.inputs())
        if node.get_type_name() == "Parameter" or not found.isdisjoint(sources):
            found.add(_name(node))
    return found


def _biases(layer: Any) -> Iterator[Any]:
    for reader in layer.output(0).get_target_inputs():
        if reader.get_node().get_type_name() == "Add":
            yield reader.get_node()


def _sources(layer: Any) -> Iterator[str]:
    """Where the numbers come from that a layer reads: beyond what only moves them."""
    waiting = [port.get_source_output().get_node() for port in layer.inputs()]
    while waiting:
        node = waiting.pop()
        yield _name(node)
        if node.get_type_name() in _MOVING:
            waiting += [port.get_source_output().get_node() for port in node.inputs()]


def _work(node: Any) -> int:
    """Multiply-adds of a layer for one image, about; of anything else, how many numbers it makes."""
    made = _extent(node.output(0))
    if node.get_type_name() not in _WEIGHTED:
        return made
    weights = _extent(node.input(1), batch=True)
    channels = node.output(0).get_partial_shape()[1 if node.get_type_name() != "MatMul" else -1]
    return made * max(1, weights // (1 if channels.is_dynamic else channels.get_length()))


def _extent(port: Any, batch: bool = False) -> int:
    dims = list(port.get_partial_shape())[0 if batch else 1 :]
    return prod(1 if dim.is_dynamic else dim.get_length() for dim in dims)


def _name(node: Any) -> str:
    return str(node.get_friendly_name())
