"""CNTK v2 model files (``Function.save`` and ``Trainer.save_checkpoint`` of CNTK 2.x).

The file is one dictionary that lists all variables and functions flat. Blocks are only brackets
around functions; a reference may lead through a block's result, a block's argument or a forward
reference before it reaches something that computes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import numpy as np

from landcover.errors import ModelError
from landcover.models.cntk.reader.dictionary import Dictionary, Shape, Tensor, read_dictionary
from landcover.models.cntk.reader.graph import Function, Graph, Leaf, Output, Ref
from landcover.models.cntk.reader.operations import BLOCK, COMBINE, NAMES
from landcover.models.formats.protobuf import Malformed

T = TypeVar("T")

_INPUT, _PARAMETER, _CONSTANT, _PLACEHOLDER = 0, 2, 3, 4
_DTYPES: Final[dict[int, np.dtype[Any]]] = {
    1: np.dtype(np.float32),
    2: np.dtype(np.float64),
    4: np.dtype(np.float16),
}
_LONGEST_NAME, _DEEPEST_NAME = 80, 16  # of one part, in parts: names multiply in hostile files
_ARGUMENTS: Final = "block_function_composite_arguments_map_"


def read_version2(data: memoryview, name: str) -> Graph:
    """Return the network of a v2 file.

    Raises:
        ModelError: the file is damaged, or holds something else than a network.
    """
    try:
        top = read_dictionary(data)
    except Malformed as error:
        raise ModelError(name, f"not a whole CNTK model: {error}; copy it again") from error
    _check_kind(top, name)
    return _Reader(top, name).graph()


def _check_kind(top: Dictionary, name: str) -> None:
    if {"root", "inputs", "primitive_functions"} <= top.keys():
        return
    if "Learners" in top or "ExternalState" in top:
        beside = name.removesuffix(".ckp")
        raise ModelError(
            name,
            "this file holds a trainer's state, not a network; the model is the file beside it "
            f"without .ckp{f' ({beside})' if beside != name else ''}",
        )
    raise ModelError(name, "not a CNTK model: it has no root function")


@dataclass(slots=True, eq=False)
class _Raw:
    """A function as the file lists it; ``root`` is that of a block's content."""

    uid: str
    name: str
    op: int
    inputs: list[str]
    attributes: Dictionary
    block: str = ""
    root: str = ""
    owner: _Raw | None = None


class _Reader:
    def __init__(self, top: Dictionary, file: str) -> None:
        self._file = file
        self._top = top
        self._leaves: dict[str, Leaf] = {}
        self._placeholders: set[str] = set()
        self._arguments: dict[str, str] = {}
        self._raw: dict[str, _Raw] = {}
        self._resolved: dict[str, Ref] = {}
        self._version = 0

    def graph(self) -> Graph:
        for entry in self._get(self._top, "inputs", list):
            self._add_variable(self._is(entry, dict, "a variable"))
        for entry in self._get(self._top, "primitive_functions", list):
            self._add_function(self._is(entry, dict, "a function"))
        for raw in self._raw.values():
            if raw.root:
                self._own(raw)
        outputs = list(self._outputs())
        functions = {
            raw.uid: self._function(raw) for raw in self._raw.values() if not _transparent(raw)
        }
        return Graph(self._file, "CNTK v2", self._version, self._leaves, functions, outputs)

    def _add_variable(self, entry: Dictionary) -> None:
        uid, kind = self._get(entry, "uid", str), self._get(entry, "kind", int)
        if kind == _PLACEHOLDER:
            self._placeholders.add(uid)
            return
        if kind not in (_INPUT, _PARAMETER, _CONSTANT):
            raise self._broken(f"variable {uid!r} is of unknown kind {kind}")
        dtype = _DTYPES.get(self._get(entry, "data_type", int))
        if dtype is None:
            raise self._broken(f"variable {uid!r} is neither float32, float64 nor float16")
        self._leaves[uid] = Leaf(
            uid=uid,
            name=self._get(entry, "name", str, ""),
            shape=tuple(self._get(entry, "shape", Shape)),
            dtype=dtype,
            batched=bool(self._get(entry, "dynamic_axis", list, [])),
            tensor=None if kind == _INPUT else self._tensor(entry, uid, dtype),
        )

    def _tensor(self, entry: Dictionary, uid: str, dtype: np.dtype[Any]) -> Tensor:
        tensor = self._get(entry, "value", Tensor)
        if tensor.shape != tuple(self._get(entry, "shape", Shape)) or tensor.dtype != dtype:
            raise self._broken(f"the value of {uid!r} has another shape or type than it declares")
        return tensor

    def _add_function(self, entry: Dictionary) -> None:
        uid = self._get(entry, "uid", str)
        if self._get(entry, "type", str, "") == "UserDefinedFunction":
            state = self._get(entry, "user_defined_state", dict, {})
            what = state.get("op_name") or state.get("class") or entry.get("name") or "?"
            raise ModelError(
                self._file,
                f"user-defined function {what} ({uid}): its computation is code outside the file; "
                "replace it by CNTK's own operations and save again",
            )
        raw = _Raw(
            uid,
            self._get(entry, "name", str, ""),
            self._get(entry, "op", int),
            [self._is(i, str, "an input") for i in self._get(entry, "inputs", list)],
            self._get(entry, "attributes", dict, {}),
        )
        if raw.op not in NAMES:
            raise self._broken(f"function {uid!r} is operation number {raw.op}, which is unknown")
        if raw.op == BLOCK:
            self._add_block(raw, entry)
        self._version = max(self._version, self._get(entry, "version", int, 0))
        self._raw[uid] = raw

    def _add_block(self, raw: _Raw, entry: Dictionary) -> None:
        raw.block = self._get(entry, "block_function_op_name", str, "")
        raw.root = self._get(self._get(entry, "block_function_composite", dict), "root", str)
        keys = self._get(entry, f"{_ARGUMENTS}keys", list)
        values = self._get(entry, f"{_ARGUMENTS}values", list)
        if len(keys) != len(values):
            raise self._broken(f"block {raw.uid!r} maps {len(keys)} arguments to {len(values)}")
        for key, value in zip(keys, values, strict=True):
            self._arguments[self._is(key, str, "an argument")] = self._is(value, str, "a value")

    def _own(self, block: _Raw) -> None:
        """Note for all functions inside a block that they are."""
        stack = [block.root]
        while stack:
            raw = self._raw.get(stack.pop())
            if raw is None or raw is block or raw.owner is not None:
                continue
            raw.owner = block
            stack += [i.rpartition("_Output_")[0] for i in raw.inputs]

    def _outputs(self) -> Iterator[Output]:
        root = self._raw.get(self._get(self._top, "root", str))
        if root is None:
            raise self._broken("the root function is not among its functions")
        if root.op != COMBINE:
            uid = f"{root.uid}_Output_0"
            yield Output(root.name or uid, self._resolve(uid))
            return
        for uid in root.inputs:
            producer = self._raw.get(uid.rpartition("_Output_")[0])
            leaf = self._leaves.get(uid)
            named = (producer and producer.name) or (leaf and leaf.name)
            yield Output(named or uid, self._resolve(uid))

    def _function(self, raw: _Raw) -> Function:
        return Function(
            uid=raw.uid,
            name=_readable(raw),
            operation=NAMES[raw.op],
            inputs=tuple(self._resolve(uid) for uid in raw.inputs),
            attributes=raw.attributes,
            block=raw.owner.block if raw.owner else "",
        )

    def _resolve(self, uid: str) -> Ref:
        """Follow a reference through blocks, arguments and forward references."""
        passed: dict[str, None] = {}
        at = uid
        while (found := self._resolved.get(at) or self._target(at)) is None:
            passed[at] = None
            at = self._next(at)
            if at in passed:
                raise self._broken(f"the reference {uid!r} leads back to itself")
        for one in (*passed, at):
            self._resolved[one] = found
        return found

    def _target(self, uid: str) -> Ref | None:
        producer, _, index = uid.rpartition("_Output_")
        raw = self._raw.get(producer)
        if raw is not None:
            return None if _transparent(raw) else Ref(producer, self._index(uid, index))
        return Ref(uid) if uid in self._leaves else None

    def _next(self, uid: str) -> str:
        producer, _, index = uid.rpartition("_Output_")
        raw = self._raw.get(producer)
        if raw is not None and raw.root:
            inner = self._raw.get(raw.root)
            if inner is None:
                raise self._broken(f"block {raw.uid!r} has no content")
            if inner.op != COMBINE:
                return f"{inner.uid}_Output_{index}"
            raw = inner
        if raw is not None:
            position = self._index(uid, index)
            if position >= len(raw.inputs):
                raise self._broken(f"{uid!r} is an output that {raw.uid!r} does not have")
            return raw.inputs[position]
        if uid in self._arguments:
            return self._arguments[uid]
        raise self._broken(f"something refers to {uid!r}, which is not there")

    def _index(self, uid: str, index: str) -> int:
        if not index.isascii() or not index.isdigit() or len(index) > 4:
            raise self._broken(f"{uid!r} is no output of a function")
        return int(index)

    def _get(self, entry: Dictionary, key: str, kind: type[T], default: T | None = None) -> T:
        value = entry.get(key, default)
        return self._is(value, kind, f"key {key!r} of {entry.get('uid', 'the file')!r}")

    def _is(self, value: Any, kind: type[T], what: str) -> T:
        if not isinstance(value, kind):
            raise self._broken(f"{what} is missing or no {kind.__name__}")
        return value

    def _broken(self, reason: str) -> ModelError:
        return ModelError(self._file, f"not a whole CNTK model: {reason}")


def _transparent(raw: _Raw) -> bool:
    return raw.op in (BLOCK, COMBINE)


def _readable(raw: _Raw) -> str:
    """Return ``block/block/function``; the result of a named block bears the block's own name."""
    parts = [raw.name[:_LONGEST_NAME]] if raw.name else []
    at: _Raw = raw
    seen = 0
    while at.owner is not None and seen < _DEEPEST_NAME:
        is_result = at.owner.root == at.uid
        if at.owner.name:
            own = [] if is_result else parts or [raw.uid]
            name = at.owner.name[:_LONGEST_NAME]
            parts = own if own[:1] == [name] else [name, *own]
        at, seen = at.owner, seen + 1
    return "/".join(parts) or raw.uid
