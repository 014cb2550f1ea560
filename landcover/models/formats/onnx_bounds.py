"""What the structure of an ONNX file says it would take, bounded before any library sees it.

Tensors, chains of operations that libraries walk by recursion, graphs within graphs, functions that call
functions, and loops. How large the results are is worked out in :mod:`.onnx_sizes`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias

import onnx
from onnx import TensorProto, numpy_helper

from landcover.errors import ModelError
from landcover.models.formats.onnx_arguments import check_arguments
from landcover.models.formats.onnx_parts import (
    Called,
    called_by,
    extents_held,
    functions_in,
    graphs_in,
    graphs_of,
    sparse_in,
    tensors_of,
)
from landcover.models.formats.sizes import (
    MOST_NUMBERS,
    MOST_READ,
    check_count,
    check_size,
    check_way,
    numbers_in,
)

# Graphs within nodes of graphs; a condition in a loop is two.
_DEEPEST: Final = 16
# Turns of loops within loops, all together.
_MOST_TURNS: Final = 100_000
# Nodes and weights of a file, for each of which libraries take a millisecond; networks for images have some 1,000.
_MOST_PARTS: Final = 20_000
# Versions of a set of operators; libraries look through all that came before. ONNX is at 26.
_LATEST: Final = 1_000
_LOOPS: Final = ("Loop", "Scan", "SequenceMap")
# What a network returns beside labels: masks, boxes, features of some layers.
_MOST_OUTPUTS: Final = 1_000
# Numbers that are nought, and that libraries write out all the same, all weights together.
_MOST_SPARSE: Final = 2**26
# Of texts and of files of images: libraries take any time for them, and a network has neither.
_NOT_OF_NUMBERS: Final = frozenset(
    [
        "ImageDecoder",
        "RegexFullMatch",
        "StringConcat",
        "StringNormalizer",
        "StringSplit",
        "TfIdfVectorizer",
    ]
)

_Body: TypeAlias = "onnx.GraphProto | onnx.FunctionProto"
_Functions: TypeAlias = Mapping[Called, onnx.FunctionProto]


def check_structure(model: onnx.ModelProto, shown: str) -> None:
    """Refuse a file whose structure would exhaust those who read it.

    Args:
        model: with or without the weights of other files.
        shown: the model's name in messages.

    Raises:
        ModelError: naming what there is too much of.
    """
    for opset in (*model.opset_import, *(o for f in model.functions for o in f.opset_import)):
        if not 0 <= opset.version <= _LATEST:
            reason = f"is of operators of version {opset.version:,}, which there are not"
            raise ModelError(shown, reason)
    if len(model.graph.output) > _MOST_OUTPUTS:
        reason = f"has {len(model.graph.output):,} outputs; the most is {_MOST_OUTPUTS:,}"
        raise ModelError(shown, reason)
    held = extents_held(model.graph)
    for value in model.graph.input:
        dims = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        most = MOST_NUMBERS if value.name in held else MOST_READ
        check_size(numbers_in(d for d in dims if d > 0), f"input {value.name!r}", shown, most)
    for tensor in tensors_of(model):
        check_size(numbers_in(tensor.dims), f"weight {tensor.name!r}", shown)
    written_out = sum(numbers_in(sparse.dims) for sparse in sparse_in(model))
    check_size(written_out, "what its sparse weights stand for", shown, _MOST_SPARSE)
    bodies: list[_Body] = [model.graph, *model.functions]
    bodies += [g for info in model.training_info for g in (info.initialization, info.algorithm)]
    parts = sum(len(g.node) + len(getattr(g, "initializer", ())) for g in graphs_of(model))
    if parts > _MOST_PARTS:
        reason = f"has {parts:,} operations and weights; the most is {_MOST_PARTS:,}"
        raise ModelError(shown, f"{reason}: no network for images has more")
    versions = {opset.domain: opset.version for opset in model.opset_import}
    for body in bodies:
        _check_depth(body, shown)
        own = {opset.domain: opset.version for opset in getattr(body, "opset_import", ())}
        for node in _all_nodes(body):
            check_arguments(node, own or versions, shown)
            if node.op_type in _NOT_OF_NUMBERS:
                reason = f"holds {node.op_type}, which is for texts or files: leave it out of the network"
                raise ModelError(shown, f"{reason}, and give it pixels")
    functions = functions_in(model)
    _check_functions(model.graph, functions, shown)
    known: dict[Called, int] = {}
    for body in bodies:
        _way(body, functions, known, shown)
        _check_loops(body, functions, shown)


def _constants(graph: Any) -> Mapping[str, onnx.TensorProto]:
    """The tensors of a graph that its file holds, by name."""
    held = {tensor.name: tensor for tensor in getattr(graph, "initializer", ())}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute and node.attribute[0].HasField("t"):
            held.update(dict.fromkeys(node.output, node.attribute[0].t))
    return held


def _check_depth(body: _Body, shown: str) -> None:
    waiting = [(body, 0)]
    while waiting:
        graph, depth = waiting.pop()
        if depth > _DEEPEST:
            reason = f"holds graphs within graphs, more than {_DEEPEST} deep: no network does"
            raise ModelError(shown, reason)
        waiting += [(inner, depth + 1) for node in graph.node for inner in graphs_in(node)]


def _check_functions(graph: onnx.GraphProto, functions: _Functions, shown: str) -> None:
    """Refuse functions that call themselves, or that grow without end where they are called."""
    sizes: dict[Called, int] = {}
    # A function is measured once all that it calls is.
    waiting: list[tuple[Called, bool]] = [(key, False) for key in functions]
    open_: set[Called] = set()
    while waiting:
        key, ready = waiting.pop()
        called = {called_by(node) for node in _all_nodes(functions[key])} & functions.keys()
        if ready:
            open_.discard(key)
            sizes[key] = _operations(functions[key], sizes)
        elif key not in sizes:
            if called & open_ or key in called:
                raise ModelError(shown, f"holds a function {key[1]!r} that calls itself")
            open_.add(key)
            waiting += [(key, True), *((one, False) for one in called if one not in sizes)]
    check_count(_operations(graph, sizes), shown)


def _operations(body: _Body, sizes: Mapping[Called, int]) -> int:
    return sum(sizes.get(called_by(node), 1) for node in _all_nodes(body))


def _all_nodes(body: _Body) -> Iterator[onnx.NodeProto]:
    """The nodes of a graph, with those of the graphs in them."""
    waiting: list[Any] = [body]
    while waiting:
        graph = waiting.pop()
        for node in graph.node:
            yield node
            waiting += graphs_in(node)


def _way(body: _Body, functions: _Functions, known: dict[Called, int], shown: str) -> int:
    """The operations on the longest way through a graph, in whatever order its nodes stand.

    Raises:
        ModelError: there are more than libraries can walk, or nodes wait for one another.
    """
    lengths = [_length(node, functions, known, shown) for node in body.node]
    makers = {name: at for at, node in enumerate(body.node) for name in node.output if name}
    needs = [{makers[name] for name in names_read(node) if name in makers} for node in body.node]
    users: list[list[int]] = [[] for _ in needs]
    for at, before in enumerate(needs):
        for one in before:
            users[one].append(at)
    missing = [len(before) for before in needs]
    ready, ways, done = [at for at, count in enumerate(missing) if not count], [0] * len(needs), 0
    while ready:
        at = ready.pop()
        done += 1
        ways[at] += lengths[at]
        for user in users[at]:
            ways[user] = max(ways[user], ways[at])
            missing[user] -= 1
            if not missing[user]:
                ready.append(user)
    if done < len(needs):
        raise ModelError(shown, "is not valid ONNX: its operations wait for one another")
    longest = max(ways, default=0)
    check_way(longest, shown)
    return longest


def _length(
    node: onnx.NodeProto, functions: _Functions, known: dict[Called, int], shown: str
) -> int:
    """What a node adds to a way: itself, and the longest way through what it holds or calls."""
    inside = [_way(graph, functions, known, shown) for graph in graphs_in(node)]
    key = called_by(node)
    if key in functions:
        if key not in known:
            known[key] = _way(functions[key], functions, known, shown)
        inside.append(known[key])
    return 1 + max(inside, default=0)


def names_read(node: onnx.NodeProto) -> Iterator[str]:
    """What a node reads, the graphs in it included."""
    yield from node.input
    for graph in graphs_in(node):
        for inner in _all_nodes(graph):
            yield from inner.input
        yield from (value.name for value in graph.output)


def _check_loops(body: _Body, functions: _Functions, shown: str) -> None:
    """Refuse loops that turn without end, or too often, as far as the file tells."""
    waiting: list[tuple[Any, int]] = [(body, 1)]
    while waiting:
        inside, turns = waiting.pop()
        constants = _constants(inside)
        for node in inside.node:
            times = turns
            if node.op_type in _LOOPS:
                told = _numbers(constants.get(node.input[0])) if len(node.input) else []
                endless = node.op_type == "Loop" and not (node.input and node.input[0])
                # Where the number is computed, loops within that loop are not accepted.
                times *= int(told[0]) if node.op_type == "Loop" and told else 1_001
                if endless or times > _MOST_TURNS:
                    raise ModelError(
                        shown,
                        f"holds a loop {node.name!r} that may turn more than {_MOST_TURNS:,} times: "
                        "no network for images needs it",
                    )
            waiting += [(inner, times) for inner in graphs_in(node)]
            called = functions.get(called_by(node))
            if called is not None and times > 1:
                waiting.append((called, times))


def _numbers(tensor: onnx.TensorProto | None) -> list[float]:
    if tensor is None or numbers_in(tensor.dims) > 64:
        return []
    if tensor.data_location == TensorProto.EXTERNAL:
        return []
    return [float(number) for number in numpy_helper.to_array(tensor).reshape(-1)]
