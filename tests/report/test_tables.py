"""The rows of the report's tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from landcover.analysis.accuracy import Accuracy
from landcover.classes import classes_of
from landcover.contracts import Tile
from landcover.report.page.tables import MOST_CLASSES, area_rows, counted_labels, matrix_rows
from landcover.runs.claiming import claim
from landcover.runs.parts import Part, write_part


def test_areas_have_a_row_for_each_class_that_some_run_has() -> None:
    names, columns = ["water", "trees", "town"], ["pixels", "hectares", "share"]
    before = pd.DataFrame([[3, 1.5, 1], [0, 0, 0], [0, 0, 0]], names, columns)
    after = pd.DataFrame([[4, 2.0, 1], [0, 0, 0]], ["field", "trees"], columns)
    water, field = area_rows([before, after], {"water": "#0000ff"}, [None, None])
    assert (water.name, water.color, water.mapped) == ("water", "#0000ff", [1.5, None])
    assert (field.name, field.color, field.mapped) == ("field", "", [None, 2.0])


def test_rows_of_a_matrix_tell_both_accuracies_and_the_parts_of_the_row() -> None:
    found = Accuracy(("rare", "absent", "wood"), np.array([[6, 0, 2], [0, 0, 0], [4, 0, 36]]))
    rare, wood = matrix_rows(found)
    assert (rare.name, rare.total, rare.producers, rare.users) == ("rare", 8, 0.75, 0.6)
    assert wood.users == pytest.approx(36 / 38) and wood.producers == 0.9
    assert rare.cells == [(6, 8), (2, 3)]  # how dark in tenths, rounded up


def test_a_matrix_of_many_classes_has_those_with_the_most_tiles_in_their_order() -> None:
    names = tuple(f"class {number}" for number in range(MOST_CLASSES + 3))
    often = np.arange(len(names)) * 7 % len(names) + 1  # any order; each number once
    rows = matrix_rows(Accuracy(names, np.diag(often)))
    assert [row.name for row in rows] == [
        n for n, many in zip(names, often, strict=True) if many > 3
    ]


def test_labels_are_counted_over_all_parts(tmp_path: Path) -> None:
    with claim(str(tmp_path / "run"), {}, classes_of(["a", "b"]), {}) as run:
        for number, labels in enumerate(([0, 1, 0], [0])):
            tiles = [Tile(f"{number}-{n}.png", "", 0, 0) for n in range(len(labels))]
            scores = np.ones(len(labels), np.float32)
            write_part(run, Part(number, len(labels), tiles, np.array(labels), scores))
        assert counted_labels(run) == {"a": 3, "b": 1}
