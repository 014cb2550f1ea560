from __future__ import annotations

import numpy as np
import pytest

from landcover.models.formats.protobuf import (
    BYTES,
    VARINT,
    Malformed,
    fields,
    numbers,
    signed,
    zigzags,
)


def test_fields_come_with_number_kind_and_value() -> None:
    message = memoryview(b"\x08\x96\x01\x12\x03abc")
    assert list(fields(message)) == [(1, VARINT, 150), (2, BYTES, b"abc")]


@pytest.mark.parametrize(
    "message",
    [
        b"\x08",  # a number is missing
        b"\x08\xff\xff",  # a number has no end
        b"\x12\x05abc",  # five bytes are announced, three are there
        b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",  # 2**64 - 1 bytes are announced
        b"\x0b",  # groups went out of use before CNTK
        b"\x00\x01",  # fields count from 1
        b"\x0d\x00\x00",  # half a 32-bit number
    ],
)
def test_a_message_that_is_no_message_is_refused(message: bytes) -> None:
    with pytest.raises(Malformed):
        list(fields(memoryview(message)))


def test_negative_numbers_are_twos_complement() -> None:
    assert signed(2**64 - 3, 64) == -3
    assert signed(2**64 - 1) == -1
    assert signed(2**31 - 1) == 2**31 - 1


def test_numbers_share_the_memory_of_the_file() -> None:
    packed = np.arange(4, dtype="<f4").tobytes()
    found = numbers(memoryview(packed), "<f4")
    assert found.tolist() == [0, 1, 2, 3]
    assert found.base is not None


def test_half_a_number_is_refused() -> None:
    with pytest.raises(Malformed):
        numbers(memoryview(b"abcde"), "<f4")


def test_zigzag_numbers_alternate_in_sign() -> None:
    packed = b"\x00\x01\x02\x03\xac\x02\xff\xff\xff\xff\x0f"
    assert zigzags(memoryview(packed)).tolist() == [0, -1, 1, -2, 150, -(2**31)]
    assert zigzags(memoryview(b"")).tolist() == []


@pytest.mark.parametrize("packed", [b"\x80", b"\x01\xff", b"\xff\xff\xff\xff\xff\x01"])
def test_zigzag_numbers_that_do_not_end_are_refused(packed: bytes) -> None:
    with pytest.raises(Malformed):
        zigzags(memoryview(packed))
