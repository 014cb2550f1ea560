"""What the table of a task says of its tiles is taken for what it is, and what cannot be known is not guessed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from landcover.errors import StoreError
from landcover.runs.counts import Counts, counts_in, counts_of
from landcover.runs.directory import RunDirectory
from landcover.runs.parts import Part, write_part
from landcover.runs.storage import Storage

GOOD = Counts(planned=4, scored=1, quarantined=2, skipped=1, digest="d", retryable=1)


def test_counts_that_fit_are_those_that_were_written() -> None:
    assert counts_in(GOOD.metadata(3), 1) == GOOD


@pytest.mark.parametrize("strange", [True, 1.0, "1", None, -1, 2**62])
@pytest.mark.parametrize("name", ["scored", "skipped", "undefined_pixels"])
def test_what_is_no_whole_number_of_tiles_is_no_count(name: str, strange: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        counts_in(replace(GOOD, **{name: strange}).metadata(3), 1)


def test_a_store_that_fails_does_not_say_that_a_part_is_damaged(
    run: RunDirectory, make_part: Callable[..., Part], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a task would be done again, and its table taken for one that is not there."""
    write_part(run, make_part(0))
    assert counts_of(run, 0) is not None

    def fail(storage: Storage, name: str) -> Any:
        raise StoreError(storage.where(name), "answers with HTTP 503", retryable=True)

    monkeypatch.setattr(Storage, "open", fail)
    with pytest.raises(StoreError, match="503"):
        counts_of(run, 0)
