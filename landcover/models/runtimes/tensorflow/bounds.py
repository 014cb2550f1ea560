"""What a graph of TensorFlow would take, bounded before it is imported and before it is run.

TensorFlow works out constants while it imports a graph, and a constant of a few bytes may stand for
gigabytes; so those are looked at in the definition. How large all other results are is told by the shapes
that TensorFlow finds, once the window is known.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from landcover.errors import ModelError
from landcover.models.formats.sizes import (
    MOST_NUMBERS,
    check_count,
    check_factors,
    check_size,
    check_way,
    check_work,
    most_numbers,
    numbers_in,
)
from landcover.models.runtimes.tensorflow.computing import called_functions, data_inputs, node_name
from landcover.models.runtimes.tensorflow.constants import grown, small_constants
from landcover.models.runtimes.tensorflow.operations import COMPUTING
from landcover.models.runtimes.tensorflow.pixels import Pixels, images_of
from landcover.models.runtimes.tensorflow.weights import first_line

# Numbers that stand in a file once and fill a tensor, all tensors together.
_MOST_REPEATED: Final = 2**26

# The axes of its second input over which an operation sums up, for each number of its result.
_SUMMED: Final[Mapping[str, slice]] = {
    "Conv2D": slice(0, -1),
    "Conv3D": slice(0, -1),
    "Conv": slice(0, -1),
    "DepthwiseConv2dNative": slice(0, 2),
    "Conv2DBackpropInput": slice(0, 3),
    "MatMul": slice(0, 1),
    "BatchMatMul": slice(-2, -1),
    "BatchMatMulV2": slice(-2, -1),
    "BatchMatMulV3": slice(-2, -1),
}
# What holds numbers of the file, or stands for images.
_HELD: Final = ("Const", "ReadVariableOp", "Placeholder", "VariableV2", "Variable")
_WHILES: Final = ("While", "StatelessWhile")
_LOOPS: Final = ("While", "StatelessWhile", "For", "LoopCond")
_CALLING: Final = (
    *("PartitionedCall", "StatefulPartitionedCall", "If", "StatelessIf", "Case", "StatelessCase"),
    *("While", "StatelessWhile", "For"),
)
_WHOLE: Final = (
    3,
    9,
)  # DT_INT32 and DT_INT64: of what else TensorFlow allows as sizes, none is looked for
_MOST_ENDS: Final = 10_000  # inputs or outputs of a node
# Functions that call functions; a network of networks has a few.
_DEEPEST: Final = 50


def check_definition(definition: Any, shown: str) -> None:
    """Refuse a graph that would exhaust those who import it.

    Args:
        definition: a ``GraphDef``.
        shown: the model's name in messages.

    Raises:
        ModelError: naming what there is too much of.
    """
    functions = {function.signature.name: function for function in definition.library.function}
    bodies = [definition.node, *(function.node_def for function in functions.values())]
    repeated = 0
    for nodes in bodies:
        held = {node.name: node for node in nodes}
        for node in nodes:
            _check_arguments(node, held, shown)
            if node.op == "Const":
                repeated += _repeated(node, shown)
                check_size(repeated, "what single numbers fill", shown, _MOST_REPEATED)
        for node, numbers in grown(nodes, small_constants(nodes)):
            check_size(numbers, f"the result of {node.op} {node.name!r}", shown, most_numbers(0, 0))
    for node in (node for nodes in bodies for node in nodes if node.op in _WHILES):
        if not _may_end(functions.get(node.attr["cond"].func.name)):
            raise ModelError(shown, f"holds a loop {node.name!r} that nothing ends")
    ways, counts = _Ways(functions, shown), _Counts(functions)
    try:
        for nodes in bodies:
            ways.of(nodes)
        check_count(counts.of(definition.node), shown)
    except RecursionError:
        reason = "holds functions that call functions, hundreds deep: no network does"
        raise ModelError(shown, reason) from None


def _check_arguments(node: Any, nodes: Mapping[str, Any], shown: str) -> None:
    """Refuse a node of more inputs or outputs than any has, or at which TensorFlow ends the process.

    Args:
        node: of a graph or of a function.
        nodes: all that stand beside it, by name.
        shown: the model's name in messages.
    """
    from tensorflow.python.framework import op_def_registry

    known = op_def_registry.get(node.op)
    ends = (*known.input_arg, *known.output_arg) if known is not None else ()
    for name in {end.number_attr for end in ends} & {*node.attr}:
        if node.attr[name].i > _MOST_ENDS:
            reason = f"says {name} {node.attr[name].i:,} of {node.op} {node.name!r}"
            raise ModelError(shown, f"{reason}; the most is {_MOST_ENDS:,}")
    if node.op == "SplitV" and len(node.input) > 1:
        sizes = nodes.get(node_name(node.input[1]))  # none: an argument of the function
        if sizes is not None and not _is_list(sizes):
            reason = f"splits by {node.name!r} in sizes that are not told, as a list of numbers"
            raise ModelError(shown, reason)


def _is_list(node: Any) -> bool:
    if node.op != "Const":
        return False
    tensor = node.attr["value"].tensor
    return tensor.dtype in _WHOLE and len(tensor.tensor_shape.dim) == 1


def check_graph(graph: Any, read: int, shown: str, only: Iterable[str] | None = None) -> None:
    """Refuse a network whose results would not fit into memory, or take too long.

    Args:
        graph: a ``tf.Graph``; extents that are open in it count as 1.
        read: numbers that the network reads at once.
        shown: the model's name in messages.
        only: names of the operations that count; default: all.

    Raises:
        ModelError: naming the operation.
    """
    wanted = None if only is None else {*only}
    pixels = Pixels(shown, images_of(graph))
    try:
        found = _operations(graph, pixels, wanted)
        operations = [op for op in found if wanted is None or op.name in wanted]
    except ModelError:
        raise
    except Exception as error:  # TensorFlow raises a dozen kinds for damaged functions
        reason = f"cannot be loaded: {first_line(error)}"
        raise ModelError(shown, reason) from error
    weights = [_numbers(tensor) for op in operations if op.type in _HELD for tensor in op.outputs]
    most, work = most_numbers(read, max(weights, default=0)), 0
    for operation in operations:
        label = f"the result of {operation.type} {operation.name!r}"
        made = [_numbers(tensor) for tensor in operation.outputs]
        if operation.type not in _HELD:
            check_size(max(made, default=0), label, shown, most)
        if operation.type in _SUMMED:
            factors = map(_numbers, operation.inputs)
            check_factors(factors, operation.type, operation.name, shown)
        work += sum(made) * _summed(operation)
        check_work(work, operation.type, operation.name, shown)


def has_loops(graph: Any) -> bool:
    """Whether a graph holds loops, whose turns nothing tells beforehand."""
    return any(operation.type in _LOOPS for operation in _operations(graph))


def _operations(
    graph: Any, pixels: Pixels | None = None, only: Collection[str] | None = None, depth: int = 0
) -> Iterator[Any]:
    """The operations of a graph, with those of the functions that they call.

    Args:
        graph: a ``tf.Graph``.
        pixels: where it is to be looked what they decide.
        only: as of :func:`check_graph`.
        depth: of calls.
    """
    operations = graph.get_operations()
    for operation in operations:
        if pixels and (depth or only is None or operation.name in only):
            pixels.look(operation)
    yield from operations
    calls = [op for op in operations if op.type not in COMPUTING or op.type in _CALLING]
    if not calls or depth > _DEEPEST:
        return
    library = {f.signature.name: f for f in graph.as_graph_def().library.function}
    for operation in calls:
        for name in called_functions(operation.node_def):
            if name in library:
                inside = _written_out(library[name], operation, graph)
                if pixels and operation.type in _WHILES:
                    _check_turn(library[name], operation, graph, pixels.shown)
                within = pixels and pixels.given(operation, inside)
                yield from _operations(inside, within, only, depth + 1)


def _written_out(function: Any, operation: Any, graph: Any) -> Any:
    """The graph of a function, for the shapes that it is called with."""
    # The condition of an If and the number of a Case are no inputs of what they call.
    count = len(function.signature.input_arg)
    shapes = [tensor.shape for tensor in operation.inputs][-count:] if count else []
    return _for_shapes(function, shapes, graph)


def _for_shapes(function: Any, shapes: Sequence[Any], graph: Any) -> Any:
    from tensorflow.python.framework.function_def_to_graph import function_def_to_graph

    with graph.as_default():
        return function_def_to_graph(function, input_shapes=shapes)


def _check_turn(function: Any, loop: Any, graph: Any, shown: str) -> None:
    """Refuse a loop that hands more numbers on than it was given: after some turns there are any number.

    Args:
        function: that the loop calls; of its condition nothing is handed on.
        loop: the operation.
        graph: it is in.
        shown: the model's name in messages.
    """
    given = [tensor.shape for tensor in loop.inputs]
    known = [type(one)(None if one.rank is None else [n or 1 for n in one]) for one in given]
    if len(function.signature.output_arg) != len(known):
        return
    bare = type(function)()
    bare.CopyFrom(function)
    bare.arg_attr.clear()  # the shapes of any turn
    turn = _for_shapes(bare, known, graph)
    for before, after in zip(turn.inputs, turn.outputs, strict=True):
        if before.shape.rank is not None and _numbers(after) > _numbers(before):
            reason = f"holds a loop {loop.name!r} that hands on more in each turn"
            raise ModelError(shown, f"{reason}: no network for images does")


def _numbers(tensor: Any) -> int:
    rank = tensor.shape.rank
    return 1 if rank is None else numbers_in(tensor.shape.as_list())


def _summed(operation: Any) -> int:
    """How many products each number of a result is the sum of."""
    axes = _SUMMED.get(operation.type)
    if axes is None or len(operation.inputs) < 2 or operation.inputs[1].shape.rank is None:
        return 1
    return max(1, numbers_in(operation.inputs[1].shape.as_list()[axes]))


def _may_end(condition: Any) -> bool:
    """Whether what a function returns depends on what it is given.

    TensorFlow cannot be told to end a loop whose condition does not.
    """
    if condition is None:
        return True
    given = {one.name for one in condition.signature.input_arg}
    nodes = {node.name: node for node in condition.node_def}
    waiting, seen = [node_name(name) for name in condition.ret.values()], set[str]()
    while waiting:
        name = waiting.pop()
        if name in given:
            return True
        if name in nodes and name not in seen:
            seen.add(name)
            waiting += [node_name(one) for one in data_inputs(nodes[name])]
    return False


def _repeated(node: Any, shown: str) -> int:
    """The numbers of a constant that its file does not hold one by one."""
    tensor = node.attr["value"].tensor
    numbers = numbers_in(dim.size for dim in tensor.tensor_shape.dim)
    check_size(numbers, f"weight {node.name!r}", shown, MOST_NUMBERS)
    return numbers if numbers > tensor.ByteSize() else 0


class _Ways:
    """The longest way through each list of nodes, the functions that they call included."""

    def __init__(self, functions: Mapping[str, Any], shown: str) -> None:
        self._functions, self._shown = functions, shown
        self._known: dict[str, int] = {}

    def of(self, nodes: Any) -> int:
        """The operations on the longest way; the backward way of a loop does not count."""
        needs = {
            node.name: {node_name(name) for name in node.input}
            for node in nodes
            if node.op not in ("NextIteration", "RefNextIteration")
        }
        users: dict[str, list[Any]] = {}
        missing = {}
        for node in nodes:
            before = {name for name in needs.get(node.name, ()) if name in needs}
            missing[node.name] = len(before)
            for name in before:
                users.setdefault(name, []).append(node)
        ready = [node for node in nodes if not missing[node.name]]
        ways = dict.fromkeys(missing, 0)
        while ready:
            node = ready.pop()
            ways[node.name] += self._length(node)
            check_way(ways[node.name], self._shown)
            for user in users.get(node.name, ()):
                ways[user.name] = max(ways[user.name], ways[node.name])
                missing[user.name] -= 1
                if not missing[user.name]:
                    ready.append(user)
        return max(ways.values(), default=0)

    def _length(self, node: Any) -> int:
        lengths = [0]
        for name in called_functions(node):
            if name in self._functions and name not in self._known:
                self._known[name] = 0  # one that calls itself is found when it is counted
                self._known[name] = self.of(self._functions[name].node_def)
            lengths.append(self._known.get(name, 0))
        return 1 + max(lengths)


class _Counts:
    """The operations of functions, written out where they are called."""

    def __init__(self, functions: Mapping[str, Any]) -> None:
        self._functions = functions
        self._known: dict[str, int] = {}

    def of(self, nodes: Any) -> int:
        """The operations of some nodes; without end for functions that call themselves."""
        total = 0
        for node in nodes:
            total += 1
            for name in called_functions(node):
                if name in self._functions and name not in self._known:
                    self._known[name] = 2**63
                    self._known[name] = self.of(self._functions[name].node_def)
                total += self._known.get(name, 0)
        return total
