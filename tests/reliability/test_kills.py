"""Commands that are killed at random moments, and given again."""

from __future__ import annotations

import random
from importlib.util import find_spec
from pathlib import Path
from typing import get_args

import pytest

from reliability.killing import kill_all
from reliability.making import Made, making

pytestmark = pytest.mark.skipif(
    find_spec("keras") is None, reason="training needs the extra 'train'"
)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("count", [1, pytest.param(20, marks=pytest.mark.faults)])
@pytest.mark.parametrize("what", get_args(Made))
def test_what_is_killed_at_any_moment_ends_in_the_same_files_and_does_nothing_twice(
    tmp_path: Path, what: Made, count: int
) -> None:
    assert kill_all(making(tmp_path, what), what, count, random.Random(count)) == 0
