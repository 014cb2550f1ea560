"""Damaged and hostile files end in a model or in a ModelError, soon and in little memory.

``LANDCOVER_FUZZ=20000 pytest tests/models/cntk/test_fuzz.py`` tries that many files.
"""

from __future__ import annotations

import copy
import os
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from landcover.errors import ModelError
from landcover.models.cntk import convert
from landcover.models.cntk.reader.dictionary import Axis, Shape, Tensor, read_dictionary

DATA = Path(__file__).resolve().parents[2] / "data" / "cntk"
FILES = [
    *(DATA / f"{name}.model" for name in (
        "cast_model", "double_model", "fcn_free_dims", "ops_conv_dilated", "rnn_unsupported",
        "trainer_checkpoint", "two_outputs", "unicode_names", "userfunction_unsupported",
        "ops_shape", "ops_norm", "ops_times", "ops_pool",
    )),
    *(DATA / "legacy" / f"{name}.model" for name in ("two_outputs", "unicode_names", "ops_norm")),
]  # fmt: skip
COUNT = int(os.environ.get("LANDCOVER_FUZZ", "300"))
SECONDS, TIMES_THE_FILE, AT_LEAST = 5, 20, 40 << 20
EVIL = [0, 1, 2, 3, 5, 31, 64, 2**31 - 1, 2**31 - 2, 2**31 - 5, 2**32, 2**63 - 1, -1, -2, -3, -7]


@settings(
    max_examples=COUNT,
    deadline=None,
    derandomize=COUNT < 1000,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(file=st.sampled_from(FILES), seed=st.integers(0, 2**32 - 1), deep=st.booleans())
def test_a_damaged_file_ends_in_a_model_or_a_model_error(
    encode: Callable[[Any], bytes], file: Path, seed: int, deep: bool
) -> None:
    random, data = Random(seed), file.read_bytes()
    if deep and file.parent == DATA:
        damaged = encode(altered(read_dictionary(memoryview(data)), random))
    else:
        damaged = torn(data, random)
    tracemalloc.start()
    start = time.monotonic()
    try:
        model = convert(damaged, file.name, random.choice([None, 0, -1, 3]))
    except ModelError as error:
        assert file.name in str(error)
        model = None
    seconds, peak = time.monotonic() - start, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert seconds < SECONDS
    assert peak < max(TIMES_THE_FILE * len(damaged), AT_LEAST)
    if model is not None:
        onnx.checker.check_model(model, full_check=True)


def torn(data: bytes, random: Random) -> bytes:
    """Return the file with some bytes changed, lost, repeated or put in, or cut short."""
    out = bytearray(data)
    for _ in range(random.randint(1, 6)):
        at, size = random.randrange(len(out) + 1), random.choice([1, 1, 2, 8, 100])
        match random.randrange(6):
            case 0:
                out[at : at + 1] = bytes([random.randrange(256)])
            case 1:
                del out[at : at + size]
            case 2:
                out[at:at] = out[at : at + size]
            case 3:
                out[at:at] = random.randbytes(size)
            case 4:
                out[at : at + size] = b"\xff" * size
            case 5 if random.random() < 0.3:
                del out[at:]
    return bytes(out)


def altered(dictionary: dict[str, Any], random: Random) -> dict[str, Any]:
    """Return the dictionary with some values in it exchanged for others of their kind."""
    top = copy.deepcopy(dictionary)
    places = list(_places(top))
    texts = [holder[key] for holder, key in places if isinstance(holder[key], str)]
    for _ in range(random.randint(1, 4)):
        holder, key = random.choice(places)
        if isinstance(holder, dict) and key not in holder:
            continue
        if isinstance(holder, list) and key >= len(holder):
            continue
        if isinstance(holder, dict) and random.random() < 0.1:
            del holder[key]
        else:
            holder[key] = _other(holder[key], texts, random)
    return top


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield all places of a tree; those inside attributes come ten times as often."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        yield value, key
        if isinstance(item, dict | list):
            yield from _places(item)
        if key == "attributes":
            yield from list(_places(item)) * 9


def _other(value: Any, texts: list[str], random: Random) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return random.choice([*EVIL, value + 1, value - 1])
    if isinstance(value, float):
        return random.choice([0.0, -1.0, 1e30, float("inf"), float("nan")])
    if isinstance(value, str):
        return random.choice([*texts, "", "Sum", "Argmax"])
    if isinstance(value, Axis):
        return Axis(random.choice(EVIL) & 2**31 - 1 or -1, value.name)
    if isinstance(value, Shape):
        extents = [random.choice([*EVIL, e, e, e]) for e in value] + [1] * random.randint(0, 1)
        return Shape(e & 2**64 - 1 if e >= 0 else e for e in extents)
    if isinstance(value, list):
        return random.choice([value[:-1], value * 2, value[::-1], []])
    if isinstance(value, dict):
        return {}
    assert isinstance(value, Tensor)
    flat = value.flat * random.choice([0, -1, float("nan"), 1e30])
    return Tensor(flat, random.choice([value.shape, value.shape[::-1], ()]), value.dtype)


@pytest.mark.parametrize("name", ["cast_model", "double_model", "ops_shape", "rnn_unsupported"])
def test_the_writer_of_this_test_repeats_a_file(name: str, encode: Callable[[Any], bytes]) -> None:
    first = read_dictionary(memoryview((DATA / f"{name}.model").read_bytes()))
    again = read_dictionary(memoryview(encode(first)))
    assert again.keys() == first.keys()
    for before, after in zip(
        first["primitive_functions"], again["primitive_functions"], strict=True
    ):
        assert before["uid"] == after["uid"]
        assert before.get("attributes") == after.get("attributes")
