"""Legacy (v1) model files: what BrainScript and ``save_as_legacy_model`` wrote.

After a header come all nodes with their content, then which node works on which, then which nodes
are inputs, labels, losses and outputs. The layout is that of ``ComputationNetwork::SaveToFileImpl``
in the sources of CNTK.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from landcover.errors import ModelError
from landcover.models.cntk.reader.dictionary import Dictionary, Tensor
from landcover.models.cntk.reader.graph import Function, Graph, Leaf, Output, Ref
from landcover.models.cntk.reader.legacy_stream import LegacyStream
from landcover.models.cntk.reader.version1_inputs import inputs_of
from landcover.models.cntk.reader.version1_nodes import NODES
from landcover.models.formats.protobuf import Malformed

_NEWEST: Final = 31  # written by CNTK 2.7
_LOST_NAME: Final = "__v2libname__"
_LOST_UID: Final = "__v2libuid__"
_GROUPS: Final = ("Feature", "Label", "Criterion", "Criteria", "Eval", "Output")
_CODES: Final = {"float32": 1, "float64": 2, "float16": 4}  # v2's
_DTYPES: Final = {"": np.float32, "float": np.float32, "double": np.float64, "half": np.float16}


@dataclass(slots=True, eq=False)
class _Node:
    """A node: either a leaf with its numbers, or a function with its attributes."""

    key: str
    operation: str
    attributes: Dictionary
    leaf: Leaf | None = None
    inputs: Sequence[str] = ()

    @property
    def uid(self) -> str:
        return _split(self.key)[0]


def read_version1(data: memoryview, name: str) -> Graph:
    """Return the network of a legacy file.

    Raises:
        ModelError: the file is damaged, or holds a node that cannot be read: the sentence names it.
    """
    stream = LegacyStream(data)
    try:
        stream.expect("BCN")
        version = 1
        if stream.marked("BVersion"):
            version = stream.int64()
            stream.expect("EVersion")
        if not 1 <= version <= _NEWEST:
            raise Malformed(f"version {version}, where CNTK's last was {_NEWEST}")
        nodes = _nodes(stream, version, name)
        _relations(stream, nodes)
        groups = _groups(stream)
    except Malformed as error:
        raise ModelError(name, f"not a whole legacy CNTK model: {error}") from error
    return _graph(name, version, nodes, groups)


def _nodes(stream: LegacyStream, version: int, file: str) -> dict[str, _Node]:
    count = stream.count(6)
    stream.expect("BNodeList")
    found = {}
    for _ in range(count):
        precision = stream.text() if version >= 7 else ""
        operation, key = stream.text(), stream.text()
        try:
            found[key] = _node(stream, version, precision, operation, key)
        except Malformed as error:
            uid, named = _split(key)
            called = f"{named!r} ({uid})" if named else repr(uid)
            raise ModelError(
                file, f"node {called}, operation {operation}, cannot be read: {error}"
            ) from error
    stream.expect("ENodeList")
    return found


def _node(stream: LegacyStream, version: int, precision: str, operation: str, key: str) -> _Node:
    target = precision.partition(",")[0]  # of a cast; behind the comma is what it is cast from
    if target not in _DTYPES:
        raise Malformed(f"numbers of the type {precision!r}")
    dtype = np.dtype(_DTYPES[target])
    if operation == "Cast":
        return _Node(key, operation, {"newDataType": _CODES[dtype.name]})
    if operation in ("InputValue", "SparseInputValue"):
        return _Node(key, operation, {}, _input(stream, version, key, dtype))
    if operation == "LearnableParameter":
        return _Node(key, operation, {}, _parameter(stream, version, key))
    if operation in ("Mean", "InvStdDev"):
        if not stream.boolean():
            raise Malformed("statistics of the training data that were never computed")
        return _Node(key, operation, {}, _statistics(stream, key))
    if operation == "DynamicAxis":
        return _Node(key, operation, {})
    if operation not in NODES:
        raise Malformed("this operation is unknown here, or works on sequences")
    name, content = NODES[operation]
    return _Node(key, name, content(stream, version))


def _input(stream: LegacyStream, version: int, key: str, dtype: np.dtype[np.generic]) -> Leaf:
    stream.take(16)  # rows and columns of before version 3
    shape = stream.shape()
    if version >= 8:
        axes = stream.int32()
        if axes not in (0, 1):
            raise Malformed(f"an input with {axes} dynamic axes")
        if axes:
            stream.text()
    if version >= 10:
        stream.float32()
    uid, name = _split(key)
    return Leaf(uid, name, tuple(shape), dtype, batched=True)


def _parameter(stream: LegacyStream, version: int, key: str) -> Leaf:
    if version < 3:
        raise Malformed("parameters of before version 3")
    stream.float32()  # how fast it learns
    shape = tuple(stream.shape())
    return _constant(key, stream.matrix(shape))


def _statistics(stream: LegacyStream, key: str) -> Leaf:
    start = stream.at
    stream.take(1)
    stream.expect("BMAT")
    stream.int64()
    stream.text()
    stream.int32()
    rows, columns = stream.int64(), stream.int64()
    stream.at = start
    return _constant(key, stream.matrix((rows,) if columns == 1 else (columns, rows)))


def _constant(key: str, tensor: Tensor) -> Leaf:
    uid, name = _split(key)
    return Leaf(uid, name, tensor.shape, tensor.dtype, tensor=tensor)


def _relations(stream: LegacyStream, nodes: dict[str, _Node]) -> None:
    stream.expect("BRelation")
    for _ in range(len(nodes)):
        key = stream.text()
        if key not in nodes:
            raise Malformed(f"inputs of {key!r}, which is not there")
        nodes[key].inputs = stream.texts()
    stream.expect("ERelation")


def _groups(stream: LegacyStream) -> dict[str, list[str]]:
    """Return the names of the nodes of each kind of root."""
    stream.expect("BRootNodes")
    found: dict[str, list[str]] = {}
    for group in _GROUPS:
        if stream.marked(f"B{group}Nodes"):
            found[group] = stream.texts()
            if not stream.marked(f"E{group}Nodes") and group != "Criteria":
                stream.expect("ECriteriaNodes")
        if group == "Criteria" and stream.marked("BNodesReqMultiSeqHandling"):
            stream.texts()
            stream.expect("ENodesReqMultiSeqHandling")
    return found


def _graph(file: str, version: int, nodes: dict[str, _Node], groups: dict[str, list[str]]) -> Graph:
    leaves = {node.uid: node.leaf for node in nodes.values() if node.leaf is not None}
    functions: dict[str, Function] = {}
    for node in nodes.values():
        if node.leaf is None and node.operation != "DynamicAxis":
            refs = [_ref(file, nodes, key, node) for key in node.inputs]
            inputs = inputs_of(file, node.uid, node.operation, node.attributes, refs, leaves)
            uid, name = _split(node.key)
            functions[uid] = Function(
                uid, name or uid, node.operation, tuple(inputs), node.attributes
            )
    keys = [
        key
        for group in ("Output", "Eval", "Criterion", "Criteria")
        for key in groups.get(group, [])
    ]
    if not keys:
        used = {key for node in nodes.values() for key in node.inputs}
        keys = [key for key in nodes if key not in used and nodes[key].uid in functions]
    outputs = [_output(file, nodes, key) for key in dict.fromkeys(keys)]
    return Graph(file, "CNTK v1 (legacy)", version, leaves, functions, outputs)


def _ref(file: str, nodes: dict[str, _Node], key: str, user: _Node) -> Ref:
    if key not in nodes:
        raise ModelError(file, f"node {user.uid!r} works on {key!r}, which is not there")
    return Ref(nodes[key].uid)


def _output(file: str, nodes: dict[str, _Node], key: str) -> Output:
    if key not in nodes:
        raise ModelError(file, f"the output {key!r} is not there")
    uid, name = _split(key)
    return Output(name or (f"{uid}_Output_0" if _LOST_UID in key else uid), Ref(uid))


def _split(key: str) -> tuple[str, str]:
    """Return uid and name; those of v2 functions are packed into one."""
    if key.startswith(_LOST_UID):
        uid, _, name = key.removeprefix(_LOST_UID).partition(_LOST_NAME)
        return uid, name
    return key, key
