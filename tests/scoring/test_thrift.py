"""What becomes of work for which memory does not suffice."""

from __future__ import annotations

from threading import Event

import pytest

from landcover.errors import ModelError
from landcover.scoring import thrift
from landcover.scoring.thrift import within_memory


@pytest.fixture(autouse=True)
def plenty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thrift, "_short", Event())


def _failing(tried: list[bool], reason: str, times: int = 2) -> str:
    tried.append(len(tried) > 0)
    if len(tried) <= times:
        raise ModelError("model.onnx", reason)
    return "done"


def test_what_fails_for_want_of_memory_is_done_with_less_and_so_is_all_that_follows() -> None:
    tried: list[bool] = []
    assert within_memory(lambda _: _failing(tried, "std::bad_alloc", times=1)) == "done"
    assert within_memory(lambda sparing: sparing) is True


def test_a_runtime_without_memory_for_one_tile_is_told_as_memory_not_as_the_model() -> None:
    tried: list[bool] = []
    with pytest.raises(MemoryError, match="std::bad_alloc"):
        within_memory(lambda _: _failing(tried, "std::bad_alloc"))
    assert tried == [False, True]


def test_what_fails_for_another_reason_is_not_tried_again() -> None:
    tried: list[bool] = []
    with pytest.raises(ModelError, match="no such layer"):
        within_memory(lambda _: _failing(tried, "no such layer"))
    assert tried == [False]
