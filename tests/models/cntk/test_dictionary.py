from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from landcover.models.cntk.reader.dictionary import Axis, Shape, Tensor, read_dictionary
from landcover.models.formats.protobuf import Malformed

Encode = Callable[[Any], bytes]


def test_all_kinds_of_values_come_back(encode: Encode) -> None:
    written = {
        "flag": True,
        "count": 7,
        "offset": -7,
        "rate": 0.25,
        "name": "рез",
        "shape": Shape((3, -3, 224)),
        "axis": Axis(-2, "staticAxisIdx=-2"),
        "list": [1, "two", [3.0]],
        "inner": {"deep": {"deeper": False}},
    }
    assert read_dictionary(memoryview(encode(written))) == written


def test_tensors_come_in_c_order_over_the_memory_of_the_file(encode: Encode) -> None:
    flat = np.arange(6, dtype=np.float32)
    data = memoryview(encode({"w": Tensor(flat, (2, 3), flat.dtype)}))
    array = read_dictionary(data)["w"].array()
    np.testing.assert_array_equal(array, flat.reshape(2, 3))
    assert np.shares_memory(array, np.frombuffer(data, np.uint8))


def test_half_precision_is_stored_wide_and_read_narrow(encode: Encode) -> None:
    half = np.dtype(np.float16)
    data = encode({"w": Tensor(np.array([0.5, 2], np.float32), (2,), half)})
    assert read_dictionary(memoryview(data))["w"].array().dtype == half


def test_a_shape_that_the_numbers_do_not_fill_is_refused(encode: Encode) -> None:
    tensor = Tensor(np.zeros(5, np.float32), (2, 3), np.dtype(np.float32))
    with pytest.raises(Malformed, match="shape"):
        read_dictionary(memoryview(encode({"w": tensor})))


def test_a_shape_larger_than_any_memory_is_refused_before_anything_is_allocated(
    encode: Encode,
) -> None:
    tensor = Tensor(np.zeros(5, np.float32), (2**40, 2**40), np.dtype(np.float32))
    with pytest.raises(Malformed, match="shape"):
        read_dictionary(memoryview(encode({"w": tensor})))


def test_values_nest_only_so_deep(encode: Encode) -> None:
    nested: Any = "bottom"
    for _ in range(40):
        nested = [nested]
    with pytest.raises(Malformed, match="deep"):
        read_dictionary(memoryview(encode({"list": nested})))


def test_a_sparse_tensor_is_refused(encode: Encode) -> None:
    tensor = Tensor(np.zeros(2, np.float32), (2,), np.dtype(np.float32))
    data = encode({"w": tensor}).replace(b"\x08\x01\x1a", b"\x10\x01\x1a")
    with pytest.raises(Malformed, match="sparse"):
        read_dictionary(memoryview(data))


def test_a_name_that_is_not_utf8_is_refused(encode: Encode) -> None:
    data = encode({"name": "abc"}).replace(b"abc", b"\xff\xfe\xfd")
    with pytest.raises(Malformed, match="UTF-8"):
        read_dictionary(memoryview(data))
