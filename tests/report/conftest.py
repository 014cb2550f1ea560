"""Runs with hostile names."""

from __future__ import annotations

import pytest
from support.reported import write_change, write_hostile_run, write_later_run

from landcover.runs.directory import RunDirectory


@pytest.fixture(scope="session")
def hostile_run(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """Tiles whose names are attacks."""
    return write_hostile_run(tmp_path_factory.mktemp("hostile"))


@pytest.fixture(scope="session")
def later_run(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """Pixels of the same ground."""
    return write_later_run(tmp_path_factory.mktemp("later"))


@pytest.fixture(scope="session")
def change(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str, str]:
    """Two runs with imagery, and what changed between them, as directories."""
    return write_change(tmp_path_factory.mktemp("change"))
