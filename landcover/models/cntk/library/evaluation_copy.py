"""A model file as the C interface of CNTK 2.7 can use it in full.

That interface evaluates one *sequence* a call, and tells inputs and outputs apart by ASCII names. So
the copy that it is given differs from the file in two ways, and in nothing that computes:

* inputs that have a batch axis only are declared as sequences: a sequence of n steps through a
  network without recurrence is a batch of n (CNTK lays both out as n columns of one matrix);
* inputs and outputs get names of our own. In the file they may have none, or the same, or names
  that the interface cannot convert.

Everything else, the parameters above all, is passed on byte for byte.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeAlias

from landcover.models.cntk.reader.dictionary import Axis, Dictionary, read_dictionary
from landcover.models.formats.protobuf import BYTES, VARINT, Malformed, fields

Chunks: TypeAlias = list[bytes | memoryview]

BATCH: Final = "defaultBatchAxis"
SEQUENCE: Final = "defaultDynamicAxis"

# Field numbers of CNTK.proto; the type number of a value is its field number less two.
_ENTRY, _KEY, _VALUE = 2, 1, 2
_STRING, _AXIS, _VECTOR, _DICTIONARY = 8, 10, 11, 12
_DYNAMIC: Final = 2**31 - 1  # the index of every dynamic axis
_INPUT, _PLACEHOLDER = 0, 4  # kinds of variables
_COMBINE: Final = 44

# Operations that look at where sequences begin and end, or at the batch axis itself
# (PrimitiveOpType.h of CNTK 2.7): Where, PackedIndex, GatherPacked, ScatterPacked, PastValue,
# FutureValue, OptimizedRNNStack, LambdaRank, NDCG, EditDistanceError, LabelsToGraph,
# ForwardBackward, ToSequence, ToSequenceLike, UnpackSequence, UnpackBatch, ToBatch,
# LatticeSequenceWithSoftmax, ConvolutionSequenceShape.
_ABOUT_SEQUENCES: Final = frozenset(
    (13, 28, 29, 30, 37, 38, 49, 59, 60, 61, 63, 66, 70, 71, 72, 79, 80, 90, 97)
)


@dataclass(frozen=True)
class Described:
    """An input or output as the file describes it.

    Args:
        name: its name in the file; the uid where it has none.
        alias: its name in the copy.
        data_type: 1 float32, 2 float64, 4 float16; 0 for outputs: the file does not say.
        batched: whether it has a batch axis. Models that came through ONNX have none: the first
            extent of their shapes stands for it, and is 1.
    """

    name: str
    alias: str
    data_type: int = 0
    batched: bool = True


@dataclass(frozen=True, eq=False)
class EvaluationCopy:
    """A model for the C interface.

    Args:
        inputs: in the order of the file.
        outputs: those of the root function, in its order; one, where the root is an operation.
        batches: whether a sequence of n steps is a batch of n; else samples go one at a time.
        chunks: the bytes of the copy, in pieces; most of them are views of the file.
    """

    inputs: tuple[Described, ...]
    outputs: tuple[Described, ...]
    batches: bool
    chunks: Chunks = field(repr=False)


def copy_for_evaluation(file: memoryview) -> EvaluationCopy:
    """Describe a version 2 model file, and make the copy for the C interface.

    Raises:
        Malformed: the bytes are not a CNTK v2 model.
    """
    model = read_dictionary(file)
    try:
        _check_references(model)
        inputs, outputs = _inputs(model), _outputs(model)
        axes = {_axes(v) for v in model["inputs"] if v["kind"] == _INPUT}
        columns = not any(map(_sees_batch, model["primitive_functions"]))
        batches = columns and axes <= {(BATCH,), (SEQUENCE, BATCH)}
        alias = {uid: each.alias for uid, each in inputs.items()}
        named = {_producer(uid): each.alias for uid, each in outputs.items()}
        edits = {
            "inputs": partial(_copied_variable, names=alias, sequences=batches),
            "primitive_functions": partial(_copied_function, names=named),
        }
        chunks = _with(file, {key: _edited(_get(file, key), edit) for key, edit in edits.items()})
    except (KeyError, TypeError, AttributeError) as error:
        raise Malformed(f"a dictionary, but not of a CNTK model: {error!r}") from error
    return EvaluationCopy(tuple(inputs.values()), tuple(outputs.values()), batches, chunks)


def _check_references(model: Dictionary) -> None:
    """Refuse names of nothing: the library does not look, and takes the whole process with it."""
    functions = {function["uid"] for function in model["primitive_functions"]}
    variables = {variable["uid"] for variable in model["inputs"]}
    roots, used = [model["root"]], []
    for function in model["primitive_functions"]:
        used += function["inputs"]
        if "block_function_composite" in function:
            roots.append(function["block_function_composite"]["root"])
            for side in ("keys", "values"):
                used += function[f"block_function_composite_arguments_map_{side}"]
    unknown = [uid for uid in roots if uid not in functions]
    unknown += [u for u in used if u not in variables and _producer(u) not in functions]
    if unknown:
        raise Malformed(f"something refers to {unknown[0]!r}, which is not there")


def _producer(uid: str) -> str:
    """The uid of the function whose output this is; its own, where it is no output."""
    return uid.rpartition("_Output_")[0] or uid


def _inputs(model: Dictionary) -> dict[str, Described]:
    found = [variable for variable in model["inputs"] if variable["kind"] == _INPUT]
    return {
        v["uid"]: Described(
            v.get("name") or v["uid"], f"input_{index}", v["data_type"], BATCH in _axes(v)
        )
        for index, v in enumerate(found)
    }


def _outputs(model: Dictionary) -> dict[str, Described]:
    functions = {function["uid"]: function for function in model["primitive_functions"]}
    root = functions[model["root"]]
    uids = root["inputs"] if root.get("op") == _COMBINE else [f"{root['uid']}_Output_0"]
    found: dict[str, Described] = {}
    for index, uid in enumerate(uids):
        function = functions.get(_producer(uid), {})
        found[uid] = Described(function.get("name") or uid, f"output_{index}")
    return found


def _sees_batch(function: Dictionary) -> bool:
    """Whether n samples as a sequence are another thing to it than n samples as a batch."""
    attributes = function.get("attributes", {})
    axes = [attributes.get("axis"), *attributes.get("axisVec", ())]  # of a reduction
    return function.get("op") in _ABOUT_SEQUENCES or any(
        isinstance(axis, Axis) and axis.name == BATCH for axis in axes
    )


def _axes(variable: Dictionary) -> tuple[str, ...]:
    axes: Sequence[Axis] = variable["dynamic_axis"]
    return tuple(axis.name for axis in axes)


def _copied_variable(message: memoryview, names: Mapping[str, str], sequences: bool) -> Chunks:
    variable = read_dictionary(message)
    changes: dict[str, Chunks] = {}
    if variable["uid"] in names:
        changes["name"] = _string(names[variable["uid"]])
    # The placeholders of blocks repeat the axes of what they stand for.
    if sequences and variable["kind"] in (_INPUT, _PLACEHOLDER) and _axes(variable) == (BATCH,):
        changes["dynamic_axis"] = _sequence_axes()
    return _with(message, changes) if changes else [message]


def _copied_function(message: memoryview, names: Mapping[str, str]) -> Chunks:
    uid = read_dictionary(message)["uid"]
    return _with(message, {"name": _string(names[uid])}) if uid in names else [message]


def _get(dictionary: memoryview, key: str) -> memoryview:
    """The value of one key of a serialized ``Dictionary``, itself a serialized message."""
    for number, _, content in fields(dictionary):
        if number == _ENTRY and _parts(content).get(_KEY) == key.encode():
            return memoryview(_parts(content)[_VALUE])
    raise Malformed(f"no {key!r} in a dictionary")


def _with(dictionary: memoryview, changes: Mapping[str, Chunks]) -> Chunks:
    """The dictionary with some values set, whether it had them or not."""
    keys = {key.encode() for key in changes}
    chunks: Chunks = []
    for number, kind, content in fields(dictionary):
        if number != _ENTRY or _parts(content).get(_KEY) not in keys:
            chunks += _verbatim(number, kind, content)
    for key, value in changes.items():
        chunks += _field(_ENTRY, [*_field(_KEY, [key.encode()]), *_field(_VALUE, value)])
    return chunks


def _edited(value: memoryview, edit: Callable[[memoryview], Chunks]) -> Chunks:
    """A vector of dictionaries, each of them edited."""
    return _within(value, (_VECTOR, 1, _DICTIONARY), edit)


def _within(
    message: memoryview, path: Sequence[int], edit: Callable[[memoryview], Chunks]
) -> Chunks:
    if not path:
        return edit(message)
    chunks: Chunks = []
    for number, kind, content in fields(message):
        if number == path[0] and not isinstance(content, int):
            chunks += _field(number, _within(content, path[1:], edit))
        else:
            chunks += _verbatim(number, kind, content)
    return chunks


def _parts(message: Any) -> dict[int, Any]:
    return {number: content for number, _, content in fields(message)}


def _string(text: str) -> Chunks:
    return _typed(_STRING, [text.encode()])


def _sequence_axes() -> Chunks:
    axes = [(SEQUENCE, 1), (BATCH, 0)]  # the sequence is ordered, the batch is not
    values: Chunks = []
    for name, ordered in axes:
        axis = [_number(1, _DYNAMIC), *_field(2, [name.encode()]), _number(3, ordered)]
        values += _field(1, _typed(_AXIS, axis))
    return _typed(_VECTOR, values)


def _typed(number: int, content: Chunks) -> Chunks:
    """A ``DictionaryValue`` of version 2."""
    return [_number(1, 2), _number(2, number - 2), *_field(number, content)]


def _verbatim(number: int, kind: int, content: int | memoryview) -> Chunks:
    if isinstance(content, int):
        return [_number(number, content)]
    if kind == BYTES:
        return _field(number, [content])
    return [_varint(number << 3 | kind), content]


def _field(number: int, content: Chunks) -> Chunks:
    size = sum(map(len, content))
    return [_varint(number << 3 | BYTES) + _varint(size), *content]


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3 | VARINT) + _varint(value)


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    found.append(value)
    return bytes(found)
