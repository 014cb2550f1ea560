"""Model files of CNTK for the tests, and a way to write new ones."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from landcover.models.cntk.reader.dictionary import Axis, Shape, Tensor

DATA = Path(__file__).resolve().parents[2] / "data" / "cntk"


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of model files that CNTK 2.7 wrote, with the outputs that it computed."""
    return DATA


@pytest.fixture(scope="session")
def encode() -> Callable[[Any], bytes]:
    """Write a dictionary as CNTK does: numbers, texts, shapes, axes, tensors, lists, dictionaries."""
    return encode_dictionary


def encode_dictionary(dictionary: dict[str, Any]) -> bytes:
    entries = (_field(1, key.encode()) + _field(2, _value(v)) for key, v in dictionary.items())
    return _number(1, 2) + b"".join(_field(2, entry) for entry in entries)


def _value(value: Any) -> bytes:
    head = _number(1, 2)
    if isinstance(value, bool):
        return head + _number(2, 1) + _number(3, value)
    if isinstance(value, int):
        return head + _number(2, 3 if value >= 0 else 2) + _number(5 if value >= 0 else 4, value)
    if isinstance(value, float):
        return head + _number(2, 5) + b"\x39" + struct.pack("<d", value)
    number, body = _composite(value)
    return head + _number(2, number - 2) + _field(number, body)


def _composite(value: Any) -> tuple[int, bytes]:
    if isinstance(value, str):
        return 8, value.encode()
    if isinstance(value, Shape):
        return 9, _shape(value)
    if isinstance(value, Axis):
        return 10, _number(1, value.index) + _field(2, value.name.encode())
    if isinstance(value, dict):
        return 12, encode_dictionary(value)
    if isinstance(value, Tensor):
        return 13, _tensor(value)
    return 11, b"".join(_field(1, _value(item)) for item in value)


def _shape(shape: tuple[int, ...]) -> bytes:
    return _field(1, b"".join(_varint(extent) for extent in reversed(shape)))


def _tensor(tensor: Tensor) -> bytes:
    wide = tensor.dtype == np.float64
    code = {"float32": 1, "float64": 2, "float16": 4}.get(tensor.dtype.name, 1)
    values = tensor.flat.astype("<f8" if wide else "<f4").tobytes()
    shape = _field(3, _shape(tensor.shape))
    return _number(1, code) + shape + _field(5 if wide else 4, _field(1, values))


def _field(number: int, body: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(body)) + body


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _varint(value: int) -> bytes:
    value &= 2**64 - 1
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


@pytest.fixture(scope="session")
def network() -> Callable[..., bytes]:
    """Write a small network: an input "x" of shape (3, 8, 8), the functions given, the last is root."""
    return encode_network


def encode_network(*functions: dict[str, Any], leaves: tuple[dict[str, Any], ...] = ()) -> bytes:
    inputs = [_leaf("x", 0, (3, 8, 8), dynamic_axis=[Axis(2**31 - 1, "defaultBatchAxis")]), *leaves]
    return encode_dictionary(
        {
            "version": 3,
            "type": "CompositeFunction",
            "root": functions[-1]["uid"],
            "uid": "CompositeFunction1",
            "inputs": inputs,
            "primitive_functions": list(functions),
        }
    )


def _leaf(uid: str, kind: int, shape: tuple[int, ...], **more: Any) -> dict[str, Any]:
    return {
        "version": 1,
        "type": "Variable",
        "uid": uid,
        "kind": kind,
        "data_type": 1,
        "dynamic_axis": [],
        "shape": Shape(shape),
        **more,
    }
