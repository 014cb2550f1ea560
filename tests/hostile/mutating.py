"""Small changes of good files that keep what they are: most of a file is left, and one thing is wrong."""

from __future__ import annotations

import random
import struct

_TEXTS = (
    b"\0",
    b"\xff" * 8,
    b"<VRTDataset>",
    b"../../",
    b"%s%n",
    b"\x1b[2J",
    b"\xed\xa0\x80",
    b"9" * 40,
)
_NUMBERS = (0, 1, -1, 2**31 - 1, -(2**31), 2**16, 2**24)


def mutated(content: bytes, seed: int) -> bytes:
    """A file with one to four faults, told by a seed."""
    draw = random.Random(seed)
    found = bytearray(content)
    for _ in range(draw.choice((1, 1, 2, 4))):
        if found:
            _FAULTS[draw.randrange(len(_FAULTS))](found, draw)
    return bytes(found)


def _flip(found: bytearray, draw: random.Random) -> None:
    found[draw.randrange(len(found))] ^= 1 << draw.randrange(8)


def _cut(found: bytearray, draw: random.Random) -> None:
    del found[draw.randrange(len(found)) :]


def _drop(found: bytearray, draw: random.Random) -> None:
    at = draw.randrange(len(found))
    del found[at : at + draw.choice((1, 2, 4, 8, 64))]


def _double(found: bytearray, draw: random.Random) -> None:
    at = draw.randrange(len(found))
    found[at:at] = found[at : at + draw.choice((1, 4, 64, 512))]


def _text(found: bytearray, draw: random.Random) -> None:
    at, text = draw.randrange(len(found)), draw.choice(_TEXTS)
    found[at : at + len(text)] = text


def _number(found: bytearray, draw: random.Random) -> None:
    """A number that a length, a count or an offset may be, in either byte order."""
    at = draw.randrange(max(1, min(len(found), draw.choice((64, 512, len(found))))))
    found[at : at + 4] = struct.pack(draw.choice("<>") + "i", draw.choice(_NUMBERS))


_FAULTS = (_flip, _cut, _drop, _double, _text, _number)
