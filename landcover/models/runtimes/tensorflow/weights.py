"""Weights of a TensorFlow graph, read from its checkpoint as plain arrays.

No operation of the file is run for it: which tensor of the checkpoint belongs to which variable is
read from the graph's restore operations as it would be read from a table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from landcover.errors import ModelError
from landcover.models.formats.sizes import check_size, numbers_in
from landcover.models.runtimes.tensorflow.checkpoint_index import check_index
from landcover.models.runtimes.tensorflow.computing import VARIABLES, data_inputs, node_name

_ASSIGNS = ("Assign", "AssignVariableOp")
_CALLS = ("PartitionedCall", "StatefulPartitionedCall")
# How often the numbers of a checkpoint may be those of a variable, on average: a few share some.
_MOST_SHARED = 4
_OBJECTS = "_CHECKPOINTABLE_OBJECT_GRAPH"


class Key(NamedTuple):
    """Where the weights of a variable lie: a tensor of the checkpoint, or a slice of it.

    ``part`` is TensorFlow's text for a slice, such as "10 20 0,5:-"; "" for all of it.
    """

    tensor: str
    part: str = ""


def read_weights(
    tf: Any, prefix: Path, wanted: Mapping[str, Key], shown: str
) -> dict[str, npt.NDArray[Any]]:
    """The arrays of variables, by the names of their nodes.

    Args:
        tf: TensorFlow.
        prefix: of the checkpoint.
        wanted: where they lie.
        shown: the model's name in messages.

    Raises:
        ModelError: the checkpoint is damaged, or lacks one.
    """
    if not wanted:
        return {}
    reader = _reader(tf, prefix, shown)
    there, kinds = _listed(reader, shown), reader.get_variable_to_dtype_map()
    for name, key in wanted.items():
        if key.tensor not in there:
            raise ModelError(
                shown, f"has no weights for its variable {name!r}: {key.tensor!r} is not among them"
            )
        # Looked at before it is read: room for all of a tensor is made by what the file says of it.
        kind = tf.as_dtype(kinds[key.tensor])
        if not (kind.is_floating or kind.is_integer or kind.is_complex or kind.is_bool):
            raise ModelError(shown, f"its variable {name!r} holds no numbers")
        check_size(numbers_in(there[key.tensor]), f"weight {key.tensor!r}", shown)
    found, held = {}, dict[str, npt.NDArray[Any]]()
    total, most = 0, _MOST_SHARED * sum(map(numbers_in, there.values()))
    for name, key in wanted.items():
        if key.tensor not in held:
            held[key.tensor] = np.asarray(_read(reader, key.tensor, shown))
        try:
            found[name] = _part(held[key.tensor], key)
        except (ValueError, IndexError):
            reason = f"reads {key.part[:80]!r} of {key.tensor!r}, which has no such part"
            raise ModelError(shown, reason) from None
        total += found[name].size
        check_size(total, "its variables together", shown, most)
    return found


def message_of(kind: Any, content: bytes, what: str, shown: str) -> Any:
    """A protobuf message of TensorFlow.

    Args:
        kind: its class.
        content: that stands for it.
        what: it is of the model, for messages.
        shown: the model's name in messages.

    Raises:
        ModelError: it is damaged.
    """
    from google.protobuf.message import DecodeError

    try:
        return kind.FromString(content)
    except DecodeError as error:
        raise ModelError(shown, f"its {what} is damaged: {error}") from None


def first_line(error: Exception) -> str:
    """What a library says, without its stack."""
    return next(iter(str(error).splitlines()), type(error).__name__)


def keys_by_name(definition: Any, variables: Mapping[str, Any]) -> dict[str, Key]:
    """Where the variables of a graph of TensorFlow 1 lie.

    A saver may store a variable under another name (moving averages), or in slices. Its restore
    operation lists both; what it does not list lies under the variable's own name.

    Args:
        definition: the whole graph.
        variables: the nodes of the wanted ones, by name.
    """
    nodes = {node.name: node for node in definition.node}
    found: dict[str, Key] = {}
    for node in definition.node:
        if node.op in _ASSIGNS and len(node.input) > 1:
            key = _restored(nodes, node.input[1])
            name = node_name(node.input[0])
            if key is not None and name in variables:
                found.setdefault(name, key)
    own = {n: Key(_text(node.attr["shared_name"].s) or n) for n, node in variables.items()}
    return {**own, **found}


def keys_by_object(
    tf: Any, meta: Any, prefix: Path, variables: Mapping[str, Any], shown: str
) -> dict[str, Key]:
    """Where the variables of a SavedModel of TensorFlow 2 lie.

    A signature's function is called with variables after its inputs, and the objects of the file
    say which they are; objects of file and checkpoint are the same tree.

    Args:
        tf: TensorFlow.
        meta: the ``MetaGraphDef``.
        prefix: of the checkpoint.
        variables: the nodes of the wanted ones, by name.
        shown: the model's name in messages.
    """
    stored = _stored_keys(tf, meta.object_graph_def.nodes, prefix, shown)
    functions = meta.object_graph_def.concrete_functions
    found = {}
    for node in meta.graph_def.node:
        called = node.attr["f"].func.name if node.op in _CALLS else node.op
        bound = functions[called].bound_inputs if called in functions else ()
        last = list(data_inputs(node))[-len(bound) :] if bound else []
        for name, at in zip(map(node_name, last), bound, strict=False):
            if name in variables and at in stored:
                found[name] = Key(stored[at])
    for name in variables:
        if name not in found:
            raise ModelError(shown, f"does not say which weights its variable {name!r} has")
    return found


def variables_of(definition: Any) -> dict[str, Any]:
    """The nodes of a graph that stand for weights, by name."""
    return {node.name: node for node in definition.node if node.op in VARIABLES}


def _reader(tf: Any, prefix: Path, shown: str) -> Any:
    check_index(tf, prefix, shown)
    try:
        # Not load_checkpoint: of a folder of this name it would open what a text in there names, anywhere.
        return tf.compat.v1.train.NewCheckpointReader(str(prefix))
    except Exception as error:  # TensorFlow raises a dozen kinds for damaged files
        raise ModelError(shown, f"its weights cannot be loaded: {first_line(error)}") from error


def _listed(reader: Any, shown: str) -> Mapping[str, list[int]]:
    """The extents of the tensors of a checkpoint, by their names."""
    try:
        found: dict[str, list[int]] = reader.get_variable_to_shape_map()
    except UnicodeDecodeError:
        raise ModelError(
            shown, "its weights cannot be read: a name is no text in UTF-8; copy them again"
        ) from None
    return found


def _read(reader: Any, tensor: str, shown: str) -> Any:
    try:
        return reader.get_tensor(tensor)
    except Exception as error:  # TensorFlow raises a dozen kinds for damaged files
        raise ModelError(shown, f"its weights cannot be read: {first_line(error)}") from error


def _restored(nodes: Mapping[str, Any], name: str) -> Key | None:
    """What of a checkpoint a tensor is, where a restore operation returns it."""
    for _ in nodes:
        source = nodes.get(node_name(name))
        if source is None or source.op not in ("Identity", "RestoreV2"):
            return None
        if source.op == "RestoreV2":
            at = _place(name)
            names, parts = (_texts(nodes.get(node_name(n))) for n in source.input[1:3])
            return Key(names[at], parts[at]) if 0 <= at < min(len(names), len(parts)) else None
        name = source.input[0]
    return None


def _place(name: str) -> int:
    """Which result of its node a tensor is; -1: the name says none."""
    place = name.partition(":")[2]
    return int(place or 0) if len(place) < 10 and (place.isdecimal() or not place) else -1


def _texts(node: Any) -> list[str]:
    if node is None or node.op != "Const":
        return []
    return [_text(value) for value in node.attr["value"].tensor.string_val]


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def _part(array: npt.NDArray[Any], key: Key) -> npt.NDArray[Any]:
    """A slice of an array, as TensorFlow writes it: the whole shape, then start,length an axis."""
    if not key.part:
        return array
    slices = []
    for one in key.part.split(" ")[-1].split(":"):
        start, _, length = one.partition(",")
        slices.append(slice(None) if one == "-" else slice(int(start), int(start) + int(length)))
    return np.asarray(array[tuple(slices)])


def _stored_keys(tf: Any, objects: Any, prefix: Path, shown: str) -> dict[int, str]:
    """The tensor of the checkpoint for each object of a SavedModel that is a variable."""
    from tensorflow.core.protobuf import trackable_object_graph_pb2

    reader = _reader(tf, prefix, shown)
    # One text, and no list of them: room for all of those is made by what the file says of it.
    extents = _listed(reader, shown).get(_OBJECTS)
    held = _read(reader, _OBJECTS, shown) if extents == [] else None
    if not isinstance(held, bytes):
        raise ModelError(shown, "its weights do not say what they belong to: save it again")
    kind = trackable_object_graph_pb2.TrackableObjectGraph
    tree = message_of(kind, held, "list of weights", shown)
    return dict(_matched(objects, tree.nodes))


def _matched(objects: Any, stored: Any) -> Iterator[tuple[int, str]]:
    """Walk both trees by the names of children."""
    seen, waiting = {0}, [(0, 0)] if len(objects) and len(stored) else []
    while waiting:
        at, there = waiting.pop()
        for attribute in stored[there].attributes:
            if attribute.name == "VARIABLE_VALUE":
                yield at, attribute.checkpoint_key
        children = {child.local_name: child.node_id for child in stored[there].children}
        for child in objects[at].children:
            to = children.get(child.local_name)
            inside = 0 <= child.node_id < len(objects) and to is not None and 0 <= to < len(stored)
            if inside and child.node_id not in seen:
                seen.add(child.node_id)
                waiting.append((child.node_id, int(to or 0)))
