"""Runs with hostile names."""

from __future__ import annotations

import pytest
from support.reported import write_hostile_run, write_later_run

from landcover.runs.directory import RunDirectory


@pytest.fixture(scope="session")
def hostile_run(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """Tiles whose names are attacks."""
    return write_hostile_run(tmp_path_factory.mktemp("hostile"))


@pytest.fixture(scope="session")
def later_run(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """Pixels of the same ground."""
    return write_later_run(tmp_path_factory.mktemp("later"))
