"""Accuracy, from tables with true labels."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from landcover.analysis.accuracy import Accuracy
from landcover.analysis.true_labels import accuracy, confusion
from landcover.classes import classes_of, scheme
from landcover.contracts import Tile
from landcover.runs.directory import RunDirectory
from landcover.runs.parts import Part, write_part

# The example of Congalton and Green, Assessing the Accuracy of Remotely Sensed Data, chapter 4.
MATRIX = np.array([[65, 6, 0, 4], [4, 81, 11, 7], [22, 5, 85, 3], [24, 8, 19, 90]])
NAMES = ("deciduous", "conifer", "agriculture", "shrub")


def table(pairs: list[tuple[str | None, str]]) -> pa.Table:
    true, label = zip(*pairs, strict=True)
    return pa.table(
        {"label": pa.array(label), "true_label": pa.array(true, pa.string())},
    )


def test_the_figures_of_a_textbook_matrix_are_right() -> None:
    found = Accuracy(NAMES, MATRIX)
    assert found.total == 434
    assert found.overall == pytest.approx(321 / 434)
    assert found.producers == pytest.approx([65 / 75, 81 / 103, 85 / 115, 90 / 141])
    assert found.users == pytest.approx([65 / 115, 81 / 100, 85 / 115, 90 / 104])
    harmonic = 2 / (1 / found.producers + 1 / found.users)
    assert found.f1 == pytest.approx(harmonic)
    assert found.iou == pytest.approx([65 / 125, 81 / 122, 85 / 145, 90 / 155])
    assert found.kappa == pytest.approx(0.65, abs=0.005)  # as the book prints it


def test_pairs_are_counted_over_all_tables() -> None:
    tables = [table([("a", "a"), ("a", "b"), (None, "a")]), table([("b", "b"), ("a", "a")])]
    found = confusion(tables, classes_of(["a", "b"]))
    assert found.matrix.tolist() == [[2, 1], [0, 1]]
    assert (found.total, found.without) == (4, 1)


def test_folders_may_be_named_by_code_or_in_another_case() -> None:
    pairs = [("40", "Forest"), ("FOREST", "Forest"), ("forest", "Barren")]
    found = confusion([table(pairs)], scheme("nlcd6"))
    assert found.matrix[1, 1] == 2 and found.matrix[1, 0] == 1
    assert found.names == scheme("nlcd6").names


def test_a_class_that_the_model_does_not_know_counts_as_errors() -> None:
    found = confusion([table([("Water", "Forest"), ("Forest", "Forest")])], scheme("nlcd6"))
    assert found.names[-1] == "Water"
    assert found.overall == 0.5
    assert found.producers[-1] == 0
    assert np.isnan(found.users[-1])


def test_of_very_many_classes_that_the_model_does_not_know_most_count_together() -> None:
    pairs = [(f"{n} {'x' * 10_000}", "Forest") for n in range(3_000)]
    found = confusion([table([*pairs, ("Forest", "Forest")])], scheme("nlcd6"))
    assert len(found.names) < 600 and max(map(len, found.names)) <= 100
    assert (found.total, found.names[-1]) == (3_001, "others")
    assert found.overall == 1 / 3_001


def test_figures_that_are_not_defined_are_null_and_dashes() -> None:
    found = confusion([table([("Water", "Forest"), ("Forest", "Forest")])], scheme("nlcd6"))
    said = json.loads(json.dumps(found.to_json()))
    assert said["users"][-1] is None and said["f1"][0] is None
    assert said["overall"] == 0.5
    water = next(line for line in said["text"].splitlines() if line.startswith("Water"))
    assert water.split() == ["Water", "0.0%", "-", "0.0%", "0.0%", "1"]
    assert "Shrub" not in said["text"]


def test_the_table_for_people_says_the_overall_accuracy_first() -> None:
    lines = Accuracy(NAMES, MATRIX, 3).text.splitlines()
    assert lines[0] == "overall accuracy 74.0% of 434 tiles, kappa 0.654"
    assert lines[2].split() == ["deciduous", "86.7%", "56.5%", "68.4%", "52.0%", "75"]
    assert lines[-1] == "3 tiles have no reference"
    assert len({len(line) for line in lines[1:-1]}) == 1


def test_a_run_is_compared_with_the_true_labels_it_carries(tmp_path: Path) -> None:
    run = RunDirectory(str(tmp_path), classes_of(["a", "b"]))
    run.storage.prepare("tiles")
    for index, true in enumerate(("a", "b")):
        tiles = [Tile(f"{true}/{n}.png", f"{true}/{n}.png", 0, 0, None, true) for n in range(5)]
        labels, scores = np.array([0, 0, 0, 1, 0]), np.ones(5, np.float32)
        write_part(run, Part(index, 5, tiles, labels, scores))
    found = accuracy(run)
    assert found is not None
    assert found.matrix.tolist() == [[4, 1], [4, 1]]


def test_a_run_without_true_labels_has_no_accuracy(tmp_path: Path) -> None:
    run = RunDirectory(str(tmp_path), classes_of(["a", "b"]))
    run.storage.prepare("tiles")
    tile = Tile("1.png", "1.png", 0, 0)
    write_part(run, Part(0, 1, [tile], np.array([0]), np.ones(1, np.float32)))
    write_part(run, Part(1, 0, [], np.array([], np.intp), np.array([], np.float32)))
    assert accuracy(run) is None
