from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from landcover.contracts import Failure, Read, Strip, Tile
from landcover.scoring.pipeline import Batch, Pipeline, Tally
from landcover.scoring.readers import Limits, Readers, Stopped, TooSlow


def _strip(start: int, count: int, masked: bool = False) -> Strip:
    tiles = [Tile(str(i), "scene", 0, i) for i in range(start, start + count)]
    pixels = np.arange(start, start + count, dtype=np.uint8).reshape(-1, 1, 1, 1)
    valid = np.zeros((count, 1, 1), bool) if masked else None
    return Strip(tiles, pixels, valid, seconds=0.5)


def _reads(*strips: Strip) -> list[Callable[[], Strip]]:
    return [lambda strip=strip: strip for strip in strips]


class _Infer:
    """Says what the pixels of a batch are, in batches of four."""

    batch = 4

    def __call__(self, batch: Batch) -> list[int]:
        return batch.pixels.ravel().tolist()


@pytest.fixture
def pipeline() -> Iterator[Pipeline]:
    made = Pipeline(readers=2, runs=2)
    yield made
    made.close()


def test_batches_run_across_strips_and_keep_the_order(pipeline: Pipeline) -> None:
    tally = Tally()
    results = list(
        pipeline.score(_reads(_strip(0, 3), _strip(3, 6), _strip(9, 1)), _Infer(), tally)
    )
    assert [result for _, result in results] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    for batch, result in results:
        assert [int(tile.tile) for tile in batch.tiles] == result
    assert tally.read == 1.5


def test_a_mask_on_one_strip_leaves_the_others_valid(pipeline: Pipeline) -> None:
    results = pipeline.score(_reads(_strip(0, 2), _strip(2, 2, masked=True)), _Infer(), Tally())
    batch = next(results)[0]
    assert batch.valid is not None
    assert batch.valid.ravel().tolist() == [True, True, False, False]


def test_every_tile_keeps_its_own_mask_wherever_batches_are_cut(pipeline: Pipeline) -> None:
    def masked(start: int, count: int) -> Strip:
        strip = _strip(start, count)
        bits = np.arange(start, start + count)[:, None] >> np.arange(5) & 1
        return Strip(strip.tiles, strip.pixels, bits.astype(bool)[:, None])

    found = pipeline.score(_reads(masked(0, 7), masked(7, 2), masked(9, 9)), _Infer(), Tally())
    told = {}
    for batch, numbers in found:
        assert batch.valid is not None
        told |= dict(zip(numbers, batch.valid[:, 0] @ (1 << np.arange(5)), strict=True))
    assert told == {number: number for number in range(18)}


def test_failures_and_skipped_tiles_are_counted(pipeline: Pipeline) -> None:
    failure = Failure(Tile("7", "scene", 0, 7), "torn", False)
    empty = Strip([], np.empty((0, 1, 1, 1), np.uint8), failures=[failure], skipped=3)
    tally = Tally()
    assert len(list(pipeline.score(_reads(empty, _strip(0, 1)), _Infer(), tally))) == 1
    assert (tally.failures, tally.skipped) == ([failure], 3)


def test_reading_stays_a_bounded_number_of_strips_ahead() -> None:
    begun = 0

    def read(index: int) -> Strip:
        nonlocal begun
        begun += 1
        return _strip(index, 1)

    release = threading.Event()

    class Waiting(_Infer):
        batch = 1

        def __call__(self, batch: Batch) -> list[int]:
            release.wait(10)
            return super().__call__(batch)

    pipeline = Pipeline(readers=1, runs=1)
    reads = [lambda index=index: read(index) for index in range(100)]
    results = pipeline.score(reads, Waiting(), Tally())
    release.set()
    next(results)
    assert begun <= 8
    results.close()
    pipeline.close()


def test_an_error_of_the_network_reaches_the_caller() -> None:
    class Failing(_Infer):
        def __call__(self, batch: Batch) -> list[int]:
            raise ZeroDivisionError

    pipeline = Pipeline(readers=1, runs=2)
    with pytest.raises(ZeroDivisionError):
        list(pipeline.score(_reads(_strip(0, 1)), Failing(), Tally()))
    pipeline.close()


def test_batches_shrink_while_a_task_is_under_way(pipeline: Pipeline) -> None:
    class Shrinking(_Infer):
        def __call__(self, batch: Batch) -> list[int]:
            self.batch = 2
            return super().__call__(batch)

    results = list(pipeline.score(_reads(_strip(0, 4), _strip(4, 40)), Shrinking(), Tally()))
    assert [number for _, result in results for number in result] == list(range(44))
    assert {len(result) for _, result in results[-10:]} == {2}


def test_a_read_that_never_returns_costs_its_tiles_and_not_the_task() -> None:
    never = threading.Event()
    tiles = [Tile("9", "gone.tif", 0, 9)]

    def hangs() -> Strip:
        never.wait()
        return _strip(9, 1)

    pipeline = Pipeline(readers=1, runs=2)
    tally = Tally()
    reads = [
        Read(lambda: _strip(0, 3), list),
        Read(hangs, lambda: tiles),
        Read(lambda: _strip(3, 2), list),
    ]
    found = pipeline.score(reads, _Infer(), tally, Limits(timeout=0.05))
    assert [number for _, numbers in found for number in numbers] == [0, 1, 2, 3, 4]
    [failure] = tally.failures
    assert (failure.tile.tile, failure.retryable, tally.slow) == ("9", True, 1)
    assert failure.reason.startswith("gone.tif: was not read within 0.05 s (failures.timeout)")
    never.set()
    pipeline.close()


def test_a_thread_whose_read_was_given_up_does_not_come_back_beside_its_substitute() -> None:
    never = threading.Event()
    late: list[threading.Thread] = []

    def hangs() -> int:
        late.append(threading.current_thread())
        never.wait()
        return 1

    readers = Readers(1)
    with pytest.raises(TooSlow):
        readers.submit(hangs).result(Limits(timeout=0.05))
    readers.replace_one()
    assert readers.submit(lambda: 2).result(Limits()) == 2
    never.set()
    late[0].join(10)
    assert not late[0].is_alive()
    assert readers.submit(lambda: 3).result(Limits()) == 3
    readers.close()


def test_a_task_that_is_not_wanted_any_more_ends_while_a_read_hangs() -> None:
    never = threading.Event()
    limits = Limits()

    def hangs() -> Strip:
        limits.stop.ask()
        never.wait()
        return _strip(0, 1)

    pipeline = Pipeline(readers=1, runs=2)
    with pytest.raises(Stopped):
        list(pipeline.score([Read(hangs, list)], _Infer(), Tally(), limits))
    never.set()
    pipeline.close()
