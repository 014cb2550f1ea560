"""Files of confusion matrices that people give: what is none is a sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from landcover.analysis.change.confusion import measured_rates
from landcover.classes import classes_of
from landcover.errors import SourceError

TWO = classes_of(["a", "b"])
GOOD: dict[str, Any] = {"classes": ["b", "a"], "matrix": [[90, 10], [20, 80]]}


def rates(path: Path, values: Any) -> np.ndarray[Any, Any]:
    path.write_text(values if isinstance(values, str) else json.dumps(values))
    return np.array(measured_rates(path, TWO, 0.85).rates)


def test_a_matrix_gives_shares_of_each_class_by_itself_or_at_a_level(tmp_path: Path) -> None:
    found = rates(tmp_path / "m.json", GOOD)
    assert found == pytest.approx(np.array([[80.85, 20.15], [10.15, 90.85]]) / 101)
    assert (rates(tmp_path / "m.json", {"levels": {"model": GOOD}}) == found).all()


@pytest.mark.parametrize(
    "values",
    [
        "",
        "classes;matrix",
        "\ufeff{}",
        "[]",
        "3",
        {"levels": 3},
        {"levels": {"model": 3}},
        {"classes": 3, "matrix": [[1]]},
        {"classes": "ab", "matrix": [[1, 0], [0, 1]]},
        {**GOOD, "classes": ["b", "c"]},
        {**GOOD, "matrix": 3},
        {**GOOD, "matrix": [[1, 2, 3, 4]]},
        {**GOOD, "matrix": [[90, 10, 0], [20, 80, 0], [0, 0, 9]]},
        {**GOOD, "matrix": [[90, 10]]},
        {**GOOD, "matrix": [[90], [20, 80]]},
        {**GOOD, "matrix": [["many", 10], [20, 80]]},
        {**GOOD, "matrix": [[-1, 10], [20, 80]]},
        {**GOOD, "matrix": [[float("nan"), 10], [20, 80]]},
        {**GOOD, "matrix": [[float("inf"), 10], [20, 80]]},
        {**GOOD, "matrix": [[None, 10], [20, 80]]},
        {"classes": ["a", "b", "a"], "matrix": [[1, 0, 0], [0, 1, 0], [0, 0, 1]]},
    ],
)
def test_what_is_no_confusion_matrix_of_the_classes_is_refused(tmp_path: Path, values: Any) -> None:
    with pytest.raises(SourceError) as refused:
        rates(tmp_path / "m.json", values)
    assert "m.json" in str(refused.value) and "\n" not in str(refused.value)
