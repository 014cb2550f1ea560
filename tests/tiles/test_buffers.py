"""Memory for pixels is used again, but never while anything refers to it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from landcover.tiles.buffers import Buffers

MIB = 2**20


def _owner(array: np.ndarray) -> int:
    assert array.base is not None
    return id(array.base)


def test_memory_that_nothing_refers_to_is_used_again() -> None:
    buffers = Buffers()
    owner = _owner(buffers.empty((3, 512, 512), "uint8"))
    assert _owner(buffers.empty((190_000,), "float32")) == owner


def test_memory_that_a_view_refers_to_is_left_alone() -> None:
    buffers = Buffers()
    view = buffers.empty((2, 3, 4), "uint16")[1:, :, ::2].T
    view[...] = 7
    other = buffers.empty((2, 3, 4), "uint16")
    other[...] = 9
    assert (view == 7).all() and _owner(view) != _owner(other)


@given(st.lists(st.tuples(st.integers(0, 3 * MIB), st.booleans()), max_size=30))
def test_arrays_never_overlap_whatever_is_asked_for(asked: list[tuple[int, bool]]) -> None:
    buffers, held = Buffers(6 * MIB), list[np.ndarray]()
    for number, (size, keep) in enumerate(asked):
        array = buffers.empty((size,), "uint8")
        array[...] = number
        if keep:
            held.append(array[:])
        else:
            held = held[1:]
    assert all(len(np.unique(array)) <= 1 for array in held)


def test_what_is_kept_is_bounded() -> None:
    buffers = Buffers(4 * MIB)
    arrays = [buffers.empty((MIB,), "uint8") for _ in range(9)]
    del arrays
    assert sum(array.size for array in buffers._kept) <= 4 * MIB
    larger = buffers.empty((3 * MIB,), "uint8")  # takes the place of smaller ones that are free
    assert any(larger.base is array for array in buffers._kept)


def test_threads_get_memory_of_their_own() -> None:
    buffers = Buffers(64 * MIB)

    def used(number: int) -> bool:
        array = buffers.empty((MIB,), "uint8")
        array[...] = number % 256
        return bool((array == number % 256).all())

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(used, range(200)))
