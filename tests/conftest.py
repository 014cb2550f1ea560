"""Fixtures that several test modules share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real imagery and published models that tests read but never copy."""
    folder = Path(os.environ.get("LANDCOVER_SHARED", ROOT.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"the shared folder of real imagery and models is absent: {folder}")
    return folder
