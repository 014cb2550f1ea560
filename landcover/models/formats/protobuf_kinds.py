"""Which of the formats that are protobuf messages a file is, told from its outermost fields.

The field numbers are those of CNTK.proto (``Dictionary``), onnx.proto (``ModelProto``), and
TensorFlow's saved_model.proto, graph.proto and meta_graph.proto.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, TypeAlias

from landcover.errors import ModelError
from landcover.models.formats.protobuf import BYTES, VARINT, Buffer, Malformed, Span, spans

Kind: TypeAlias = Literal["cntk", "onnx", "savedmodel", "graphdef"]

_CNTK_MODEL = {b"version", b"type", b"root", b"uid", b"name", b"inputs", b"primitive_functions"}
_CNTK_TRAINER = {b"Version", b"Learners", b"DistributedState", b"ExternalState"}
_OPERATION = re.compile(rb"[A-Za-z_][A-Za-z0-9_>.]*")


def kind_of(data: Buffer, shown: str) -> Kind | None:
    """The format of a protobuf message; None if it is none that is known.

    Raises:
        ModelError: it is cut short, or the state of a CNTK trainer.
    """
    found: list[Span] = []
    damaged = _collect(data, found)
    kind = _kind(data, found)
    if kind is None:
        return None
    if found[-1].end > len(data):
        raise ModelError(
            shown,
            f"is cut short: it holds {len(data)} bytes, and the part that begins at byte "
            f"{found[-1].start} alone needs it to hold {found[-1].end}: copy it again",
        )
    if damaged:
        raise ModelError(shown, f"is damaged after byte {found[-1].end}: copy it again")
    if kind == "trainer":
        raise ModelError(
            shown,
            "is the state of a CNTK trainer, which holds no network: name the .model file that "
            "was saved with it (the same name without .ckp)",
        )
    if kind == "metagraph":
        raise ModelError(
            shown, "is the graph of a TensorFlow 1 checkpoint, which must be named PREFIX.meta"
        )
    return kind


def _collect(data: Buffer, found: list[Span]) -> bool:
    """Gather the outermost fields as far as there are any; True if something else follows."""
    try:
        found.extend(_until_cut(data))
    except Malformed:
        return True
    return False


def _until_cut(data: Buffer) -> Iterator[Span]:
    for field in spans(data):
        yield field
        if field.end > len(data):
            return


def _kind(data: Buffer, found: list[Span]) -> Kind | Literal["trainer", "metagraph"] | None:
    if len(found) < 2 or found[0].number != 1:
        return None
    if found[0].wire == VARINT:
        if any(f.number == 7 and f.wire == BYTES for f in found):
            return "onnx"
        entries = [f for f in found if f.number == 2 and f.wire == BYTES]
        keys = {_text(data, f, 1) for f in entries}
        if keys & _CNTK_TRAINER:
            return "trainer"
        if keys & _CNTK_MODEL:
            return "cntk"
        return "savedmodel" if entries and _is_metagraph(data, entries[0]) else None
    if found[0].wire == BYTES:
        if _is_node(data, found[0]):
            return "graphdef"
        return "metagraph" if _is_graph(data, found[1]) else None
    return None


def _is_metagraph(data: Buffer, field: Span) -> bool:
    return any(f.number == 2 and _is_graph(data, f) for f in _inside(data, field))


def _is_graph(data: Buffer, field: Span) -> bool:
    first = next(_inside(data, field), None)
    return first is not None and first.number == 1 and _is_node(data, first)


def _is_node(data: Buffer, field: Span) -> bool:
    operation = _text(data, field, 2)
    return operation is not None and _OPERATION.fullmatch(operation) is not None


def _text(data: Buffer, message: Span, number: int) -> bytes | None:
    """A short string field of a message inside the data."""
    for field in _inside(data, message):
        if field.number == number:
            short = field.wire == BYTES and field.end - field.start < 200
            return bytes(data[field.start : field.end]) if short else None
    return None


def _inside(data: Buffer, message: Span) -> Iterator[Span]:
    if message.wire != BYTES:
        return
    try:
        yield from spans(data, message.start, min(message.end, len(data)))
    except Malformed:
        return
