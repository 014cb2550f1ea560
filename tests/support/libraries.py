"""Libraries that tests may lack, imported as the package does."""

from __future__ import annotations

from typing import Any

import pytest

from landcover.models.runtimes.tensorflow.start import first_import


def imported(name: str) -> Any:
    """A library; where it is not installed, what asks for it is skipped.

    TensorFlow shows its own SQLite to the whole process: other tests would get it, too.
    """
    with first_import():
        return pytest.importorskip(name)
