from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from landcover.backends.serialization import Serializer
from landcover.errors import ConfigError, LandcoverError, SourceError
from landcover.testing import FinickyError, UnpicklableError


@pytest.fixture(params=["cloudpickle", "pyspark.cloudpickle"])
def serializer(request: pytest.FixtureRequest) -> Serializer:
    pytest.importorskip(request.param)
    return Serializer(request.param)


def _round_trip(serializer: Serializer, function: Callable[[Any], Any], item: Any) -> Any:
    return serializer.unpack(serializer.run(serializer.pack(function), serializer.pack(item)))


def test_functions_that_only_their_script_knows_are_round_trip(serializer: Serializer) -> None:
    base = 40
    assert _round_trip(serializer, lambda item: base + item, 2) == 42


def test_an_exception_of_a_class_that_only_its_script_knows_keeps_its_type(
    serializer: Serializer,
) -> None:
    class MineError(Exception):
        def __init__(self, *, tile: int) -> None:
            super().__init__(f"tile {tile}")

    def fail(item: int) -> None:
        raise MineError(tile=item)

    with pytest.raises(MineError, match="tile 7"):
        _round_trip(serializer, fail, 7)


@pytest.mark.parametrize(
    "make",
    [
        lambda: ConfigError(["one", "two"], "a.yaml"),
        lambda: SourceError("a.tif", "has no CRS"),
        lambda: FileNotFoundError(2, "No such file", "a.tif"),
        lambda: UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
        lambda: FinickyError(3, scene="county"),
    ],
    ids=["config", "source", "file", "unicode", "finicky"],
)
def test_an_exception_comes_home_equal_to_what_was_raised(
    serializer: Serializer, make: Callable[[], Exception]
) -> None:
    def fail(_: int) -> None:
        raise make()

    error = make()
    with pytest.raises(type(error)) as caught:
        _round_trip(serializer, fail, 0)
    home = caught.value
    assert (str(home), home.args) == (str(error), error.args)
    assert {**vars(home), "__notes__": 0} == {**vars(error), "__notes__": 0}


def test_an_exception_whose_own_pickling_drops_its_sentence_keeps_it(
    serializer: Serializer,
) -> None:
    class ForgetfulError(Exception):
        def __reduce__(self) -> tuple[Any, ...]:
            return ForgetfulError, ()

    def fail(item: int) -> None:
        raise ForgetfulError(f"tile {item}")

    with pytest.raises(ForgetfulError, match="tile 7"):
        _round_trip(serializer, fail, 7)


def test_an_exception_says_where_on_the_worker_it_was_raised(serializer: Serializer) -> None:
    def divide(item: int) -> float:
        return 1 / item

    with pytest.raises(ZeroDivisionError) as caught:
        _round_trip(serializer, divide, 0)
    note = caught.value.__notes__[0]
    # Not the file: cloudpickle may leave out where a function of a script was written.
    assert note.startswith("on the worker:\nTraceback") and "in divide" in note


def test_an_exception_that_does_not_pickle_is_told_in_words(serializer: Serializer) -> None:
    def fail(item: int) -> None:
        raise UnpicklableError(item)

    with pytest.raises(LandcoverError, match=r"UnpicklableError, which .*stuck at tile 9") as told:
        _round_trip(serializer, fail, 9)
    [note] = told.value.__notes__
    assert note.startswith("on the worker:\nTraceback") and "in fail" in note


def test_a_result_that_does_not_pickle_is_an_error(serializer: Serializer) -> None:
    with pytest.raises(TypeError, match="cannot pickle"):
        _round_trip(serializer, lambda _: threading.Lock(), 0)


def test_an_item_that_does_not_pickle_is_named(serializer: Serializer) -> None:
    with pytest.raises(LandcoverError, match=r"lock .* cannot be sent to a worker"):
        serializer.pack(threading.Lock())
