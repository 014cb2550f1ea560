"""How much a network may make of one window; the same whatever the format of its file."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Final, TypeAlias

from landcover.errors import ModelError

Extents: TypeAlias = tuple[int | None, ...]
"""Of a tensor along each axis; None: not known."""

MOST_NUMBERS: Final = 2**27
"""Numbers in one weight: half a gigabyte of float32, 11,585 x 11,585 pixels of one band."""

MOST_BYTES: Final = 2**34
"""Bytes of all files of a network, each of which is read when it is opened: four billion float32."""

_MOST_WHOLE: Final = 2**31 - 1  # bytes of a message of protobuf, of which libraries read no more

_MOST_UNREAD: Final = 2**30  # bytes beside a network's: several may have one file of weights

MOST_READ: Final = 2**26
"""Numbers that a file says it reads at once: 64 images of 3 bands and 591 x 591 pixels."""

LONGEST_WAY: Final = 10_000
"""Operations on the longest way through a network; OpenVINO walks it by recursion, and ends the process
at 30,000. The deepest networks for images have some 1,000."""

MOST_OPERATIONS: Final = 200_000
"""Operations once all functions are written out where they are called."""

# Numbers of a result: 2**24 (64 MiB of float32), or for each number of the window 512, as a network
# has of 3 bands and 1,500 channels of the size of its window, or as many as two of its weights.
_LEAST, _PER_READ, _PER_WEIGHT = 2**24, 512, 2
_MOST_RESULT: Final = 2**29
# Multiplications for a window: a minute or two of a CPU. The largest networks for images have 3e12.
_MOST_WORK: Final = 5 * 10**12


def numbers_in(extents: Iterable[int | None]) -> int:
    """How many numbers a tensor of such extents holds; extents that are not known count as 1."""
    return math.prod(1 if extent is None else max(int(extent), 0) for extent in extents)


def most_numbers(read: int, weight: int) -> int:
    """The most numbers that a result may have.

    Args:
        read: numbers that the network reads at once.
        weight: numbers of its largest weight.
    """
    return min(max(_LEAST, _PER_READ * read, _PER_WEIGHT * weight), _MOST_RESULT)


def check_bytes(total: int, shown: str) -> None:
    """Refuse files that it would take minutes to read.

    Raises:
        ModelError: naming how many bytes they have, and the most that there may be.
    """
    if total > MOST_BYTES:
        raise ModelError(
            shown,
            f"has {total:,} bytes; the most is {MOST_BYTES:,}: no network for images has more",
        )


def check_whole_file(size: int, name: str, shown: str) -> None:
    """Refuse a graph that is longer than protobuf has messages, before it is read.

    Args:
        size: bytes of its file.
        name: of the file.
        shown: the model's name in messages.

    Raises:
        ModelError: naming its bytes, and the most that there may be.
    """
    if size > _MOST_WHOLE:
        reason = (
            f"has a graph of {size:,} bytes ({name}); the most is {_MOST_WHOLE:,}, as protobuf reads "
            "no more"
        )
        raise ModelError(shown, reason)


def check_unread(there: int, read: Callable[[], int], shown: str) -> None:
    """Refuse files that hold much besides what the network reads of them, before they are read.

    Args:
        there: their bytes.
        read: tells how many bytes of them the network reads, as it says; asked only where it matters.
        shown: the model's name in messages.

    Raises:
        ModelError: naming both.
    """
    if there > _MOST_UNREAD and there - (taken := read()) > _MOST_UNREAD:
        raise ModelError(
            shown,
            f"has {there:,} bytes in files of weights, and says that it reads {taken:,} of them: the "
            f"most that may be left over is {_MOST_UNREAD:,}; copy them again",
        )


def check_size(numbers: int, what: str, shown: str, most: int = MOST_NUMBERS) -> None:
    """Refuse a tensor of too many numbers.

    Raises:
        ModelError: naming it, and the most that there may be.
    """
    if numbers > most:
        raise ModelError(shown, f"{what} would hold {numbers:,} numbers; the most is {most:,}")


def check_work(multiplications: int, operation: str, name: str, shown: str) -> None:
    """Refuse a network that takes too long for a window.

    Args:
        multiplications: of all operations so far.
        operation: the last of them.
        name: what the file calls it.
        shown: the model's name in messages.

    Raises:
        ModelError: naming the operation.
    """
    if multiplications > _MOST_WORK:
        raise ModelError(
            shown,
            f"would take more than {_MOST_WORK:,} multiplications a window, up to {operation} "
            f"{name!r}: no network for images does",
        )


def check_factors(numbers: Iterable[int], operation: str, name: str, shown: str) -> None:
    """Refuse a product of no numbers: OpenVINO ends the process at some.

    Args:
        numbers: of each factor.
        operation: the product.
        name: what the file calls it.
        shown: the model's name in messages.

    Raises:
        ModelError: naming the operation.
    """
    if 0 in numbers:
        raise ModelError(shown, f"multiplies no numbers, in {operation} {name!r}: no network does")


def check_way(operations: int, shown: str) -> None:
    """Refuse a chain of operations that is longer than what libraries can walk.

    Raises:
        ModelError: it is.
    """
    if operations > LONGEST_WAY:
        raise ModelError(
            shown,
            f"is a chain of more than {LONGEST_WAY:,} operations, one after the other: no network "
            "for images is",
        )


def check_count(operations: int, shown: str) -> None:
    """Refuse functions that grow without end where they are called.

    Raises:
        ModelError: naming how many operations they are.
    """
    if operations > MOST_OPERATIONS:
        raise ModelError(
            shown,
            f"is {operations:,} operations, its functions written out; the most is "
            f"{MOST_OPERATIONS:,}",
        )
