"""Faults of every kind on every backend; the same command afterwards, and the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reliability.faults import FAULTS, Fault
from reliability.matrix import BEGIN, write_table
from reliability.trying import BACKENDS, Cell, Place, check, healthy, meet, prepared

DOCUMENT = Path(__file__).parents[2] / "docs" / "reliability.md"

# Of each stage of a run one, where no engine has to be started.
_SHORT = (
    "the driver is killed in its first moments",
    "the driver is killed while maps are made",
    "a worker crashes under a task",
    "disk full, at a piece of a map",
    "one request in five: 503",
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("reliability")
    with prepared(folder) as made:
        yield made


@pytest.fixture(scope="module")
def whole(place: Place) -> dict[str, bytes]:
    """What a run writes that nothing happens to."""
    return healthy(place)


@pytest.fixture(scope="module")
def seen(request: pytest.FixtureRequest) -> Iterator[dict[tuple[str, str], Cell]]:
    """What became of each fault that was tried: the document tells it."""
    found: dict[tuple[str, str], Cell] = {}
    yield found
    write_table(DOCUMENT, found)


def _try(place: Place, whole: dict[str, bytes], fault: Fault, backend: str) -> Cell:
    cell = meet(place, fault, backend)
    check(cell, fault, backend, place, whole)
    return cell


@pytest.mark.parametrize("name", _SHORT)
def test_a_run_that_meets_a_fault_ends_as_one_without(
    place: Place, whole: dict[str, bytes], name: str
) -> None:
    [fault] = [one for one in FAULTS if one.name == name]
    _try(place, whole, fault, "local")


@pytest.mark.faults
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
@pytest.mark.parametrize("backend", BACKENDS)
def test_faults_of_every_kind_on_every_backend(
    place: Place,
    whole: dict[str, bytes],
    seen: dict[tuple[str, str], Cell],
    fault: Fault,
    backend: str,
    require_backend: Callable[[str], None],
) -> None:
    require_backend(backend)
    seen[fault.name, backend] = _try(place, whole, fault, backend)


def test_the_document_tells_of_all_faults() -> None:
    told = DOCUMENT.read_text().partition(BEGIN)[2]
    assert [fault.name for fault in FAULTS if f"| {fault.name} |" not in told] == []
