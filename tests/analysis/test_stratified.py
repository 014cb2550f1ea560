"""Estimates from stratified samples: the published figures, and whether intervals hold."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

import landcover as lc
from landcover.errors import ConfigError

HECTARES = 0.09  # of a pixel of 30 m


def sample_of(matrix: Sequence[Sequence[int]], names: Sequence[Hashable]) -> pd.DataFrame:
    """A point for each count of an error matrix whose rows are the map's classes and the strata."""
    rows = [
        (mapped, mapped, reference)
        for mapped, counts in zip(names, matrix, strict=True)
        for reference, count in zip(names, counts, strict=True)
        for _ in range(count)
    ]
    return pd.DataFrame(rows, columns=["stratum", "mapped", "reference"])


OLOFSSON_2014 = sample_of(
    [[66, 0, 5, 4], [0, 55, 8, 12], [1, 0, 153, 11], [2, 1, 9, 313]],
    ["deforestation", "forest gain", "stable forest", "stable non-forest"],
)
SIZES_2014: Mapping[Hashable, int] = {
    "deforestation": 200_000,
    "forest gain": 150_000,
    "stable forest": 3_200_000,
    "stable non-forest": 6_450_000,
}
STEHMAN = pd.DataFrame(
    {
        "stratum": list("A" * 10 + "B" * 10 + "C" * 10 + "D" * 10),
        "mapped": list("AAAAAAABBB" + "ABBBBBBBBB" + "BBBBCCCCCC" + "DDDDDDDDDD"),
        "reference": list("AAAAACBABC" + "ABBBBBAABB" + "CCBACCCDDB" + "DDDDDDDCCB"),
    }
)
SIZES_STEHMAN: Mapping[Hashable, int] = {"A": 40_000, "B": 30_000, "C": 20_000, "D": 10_000}


def half(table: pd.DataFrame) -> npt.NDArray[np.float64]:
    """Half the width of the intervals."""
    return ((table["high"] - table["low"]) / 2).to_numpy()


def test_olofsson_2014_table_8() -> None:
    found = lc.stratified_estimates(OLOFSSON_2014, SIZES_2014)
    assert list(found.users.index) == list(SIZES_2014)
    assert found.overall["estimate"].tolist() == pytest.approx([0.946512], abs=5e-7)
    assert half(found.overall) == pytest.approx([0.018483], abs=5e-7)
    users = [0.880000, 0.733333, 0.927273, 0.963077]
    assert found.users["estimate"].tolist() == pytest.approx(users, abs=5e-7)
    assert half(found.users) == pytest.approx([0.0740, 0.1008, 0.0397, 0.0205], abs=5e-5)
    producers = [0.748661, 0.847156, 0.934509, 0.961609]
    assert found.producers["estimate"].tolist() == pytest.approx(producers, abs=5e-7)
    assert half(found.producers) == pytest.approx([0.2133, 0.2544, 0.0343, 0.0184], abs=5e-5)


def test_olofsson_2014_areas_come_in_the_unit_of_the_strata() -> None:
    hectares = {name: size * HECTARES for name, size in SIZES_2014.items()}
    areas = lc.stratified_estimates(OLOFSSON_2014, hectares).areas
    expected = [21_157.8, 11_686.2, 285_769.9, 581_386.2]
    assert areas["estimate"].tolist() == pytest.approx(expected, abs=0.05)
    assert half(areas) == pytest.approx([6_157.5, 3_755.8, 15_509.6, 16_281.4], abs=0.05)
    pixels = lc.stratified_estimates(OLOFSSON_2014, SIZES_2014).areas
    pd.testing.assert_frame_equal(areas, pixels * HECTARES)


def test_olofsson_2013_example_1() -> None:
    sample = sample_of([[97, 0, 3], [3, 279, 18], [2, 1, 97]], ["1", "2", "3"])
    found = lc.stratified_estimates(sample, {"1": 22_353, "2": 1_122_543, "3": 610_228})
    assert found.areas.loc["1", "estimate"] == pytest.approx(45_112.4, abs=0.05)
    assert found.areas.loc["1", "se"] == pytest.approx(10_751.4, abs=0.05)
    assert found.overall.loc["overall", "estimate"] == pytest.approx(0.944417, abs=5e-7)
    producers = found.producers["estimate"].tolist()
    assert producers == pytest.approx([0.480631, 0.994189, 0.896926], abs=5e-7)


def test_stehman_2014_where_the_strata_are_not_the_classes() -> None:
    found = lc.stratified_estimates(STEHMAN, SIZES_STEHMAN)
    total = sum(SIZES_STEHMAN.values())
    said = {
        "area of A": found.areas.loc["A", ["estimate", "se"]] / total,
        "overall": found.overall.loc["overall", ["estimate", "se"]],
        "user's of B": found.users.loc["B", ["estimate", "se"]],
        "producer's of B": found.producers.loc["B", ["estimate", "se"]],
    }
    published = {
        "area of A": [0.35, 0.0822],
        "overall": [0.63, 0.0846],
        "user's of B": [0.5745, 0.1248],
        "producer's of B": [0.7941, 0.1165],
    }
    assert {key: pair.round(4).tolist() for key, pair in said.items()} == published
    # The paper's figures of class C, to the digits that it prints.
    assert (found.areas.loc["C", ["estimate", "se"]] / total).round(3).tolist() == [0.2, 0.064]


def test_strata_called_otherwise_than_classes_give_the_same_but_for_the_correction() -> None:
    renamed = OLOFSSON_2014.assign(stratum="stratum of " + OLOFSSON_2014["stratum"])
    sizes = {f"stratum of {name}": size for name, size in SIZES_2014.items()}
    one = lc.stratified_estimates(renamed, sizes, finite=False)
    other = lc.stratified_estimates(OLOFSSON_2014, SIZES_2014)
    for table in ("overall", "users", "producers", "areas"):
        pd.testing.assert_frame_equal(getattr(one, table), getattr(other, table))
    corrected = lc.stratified_estimates(OLOFSSON_2014, SIZES_2014, finite=True)
    assert (corrected.areas["se"] < other.areas["se"]).all()


def test_a_stratum_smaller_than_its_sample_is_no_count_and_is_not_corrected() -> None:
    hectares = {name: size / 10_000 for name, size in SIZES_STEHMAN.items()}
    found = lc.stratified_estimates(STEHMAN, hectares)
    without = lc.stratified_estimates(STEHMAN, SIZES_STEHMAN, finite=False)
    pd.testing.assert_frame_equal(found.users, without.users)


def test_a_simple_random_sample_is_one_stratum_and_its_intervals_have_a_width() -> None:
    rng = np.random.default_rng(3)
    mapped = rng.choice(["a", "b"], 400)
    reference = np.where(rng.random(400) < 0.8, mapped, rng.choice(["a", "b"], 400))
    sample = pd.DataFrame({"stratum": "all", "mapped": mapped, "reference": reference})
    found = lc.stratified_estimates(sample, {"all": 1e6}, finite=False)
    share = float((mapped == reference).mean())
    assert found.overall.loc["overall", "estimate"] == pytest.approx(share)
    error = np.sqrt(share * (1 - share) / 399)
    assert found.overall.loc["overall", "se"] == pytest.approx(error)
    b = float((reference == "b").mean())
    assert found.areas.loc["b", "se"] == pytest.approx(1e6 * np.sqrt(b * (1 - b) / 399))
    assert (found.users["se"] > 0).all() and (found.producers["se"] > 0).all()


def test_a_class_that_nothing_is_mapped_as_has_no_users_accuracy() -> None:
    sample = pd.DataFrame(
        {"stratum": "all", "mapped": ["a", "a", "a"], "reference": ["a", "water", "a"]}
    )
    found = lc.stratified_estimates(sample, {"all": 30})
    assert found.users.loc["water"].isna().all()
    assert found.producers.loc["water", "estimate"] == 0
    assert found.areas["estimate"].tolist() == pytest.approx([20, 10])


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["10", "2", "1"], ["1", "2", "10"]),
        ([10, 2, 1], [1, 2, 10]),
        (["class 10", "class 2", "a.c", "a+c"], ["class 10", "class 2", "a.c", "a+c"]),
    ],
)
def test_names_are_names_and_come_in_the_order_people_expect(
    names: list[Hashable], expected: list[Hashable]
) -> None:
    matrix = (np.eye(len(names), dtype=int) * 3 + 1).tolist()
    found = lc.stratified_estimates(sample_of(matrix, names), dict.fromkeys(names, 100))
    for table in (found.users, found.producers, found.areas):
        assert list(table.index) == expected
    assert found.users["estimate"].tolist() == pytest.approx([4 / (3 + len(names))] * len(names))


def test_classes_that_are_no_strata_come_by_name_and_number() -> None:
    names = ["class 10", "class 2", "a"]
    sample = pd.DataFrame({"stratum": "all", "mapped": names * 2, "reference": names * 2})
    found = lc.stratified_estimates(sample, {"all": 10})
    assert list(found.users.index) == ["a", "class 2", "class 10"]


GOOD: dict[str, list[Any]] = {
    "stratum": ["x", "x", "y", "y"],
    "mapped": ["a", "b", "a", "b"],
    "reference": ["a", "a", "b", "b"],
}


@pytest.mark.parametrize(
    ("changed", "strata", "sentence"),
    [
        ({"stratum": ["x", "x", "x", "y"]}, {"x": 1, "y": 1}, "'y' has a single point"),
        ({}, {"x": 1}, "stratum 'y' has points, but no size"),
        ({}, {"x": 1, "y": 1, "z": 1}, "stratum 'z' has a size, but no point"),
        ({"reference": ["a", None, "b", "b"]}, {"x": 1, "y": 1}, "1 of 4 points have no label"),
        ({"mapped": ["a", "b", np.nan, "b"]}, {"x": 1, "y": 1}, "in column 'mapped'"),
        ({"stratum": [None, "x", "y", "y"]}, {"x": 1, "y": 1}, "in column 'stratum'"),
        ({}, {"x": -1, "y": 1}, "stratum 'x' needs a size above 0"),
        ({}, {"x": float("nan"), "y": 0}, "stratum 'x', 'y' needs a size above 0"),
        ({}, {"x": "12", "y": 1}, "stratum 'x' needs a size above 0"),
        ({"mapped": [1, 2, 1, 2]}, {"x": 1, "y": 1}, "'mapped' has numbers"),
    ],
)
def test_what_is_no_stratified_sample_is_refused_with_a_sentence(
    changed: dict[str, list[Any]], strata: dict[Hashable, Any], sentence: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        lc.stratified_estimates(pd.DataFrame({**GOOD, **changed}), strata)
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


def test_strata_may_be_a_series_and_labels_categories() -> None:
    sizes = pd.Series(SIZES_STEHMAN)
    found = lc.stratified_estimates(STEHMAN.astype("category"), sizes)
    expected = lc.stratified_estimates(STEHMAN, SIZES_STEHMAN)
    pd.testing.assert_frame_equal(found.areas, expected.areas)
    pd.testing.assert_frame_equal(found.users, expected.users)


def test_a_missing_column_and_an_empty_sample_are_refused() -> None:
    frame = pd.DataFrame(GOOD)
    with pytest.raises(ConfigError, match="column 'reference' is missing"):
        lc.stratified_estimates(frame.drop(columns="reference"), {"x": 1, "y": 1})
    with pytest.raises(ConfigError, match="no points"):
        lc.stratified_estimates(frame.iloc[:0], {"x": 1, "y": 1})


@pytest.mark.parametrize("by_class", [True, False], ids=["strata are classes", "strata are not"])
def test_95_percent_intervals_hold_the_truth_in_93_to_97_percent_of_2000_maps(
    by_class: bool,
) -> None:
    """Each map has its own classes' shares and errors, and is sampled without replacement.

    400 points a stratum, and no kind of error in less than 2 % of a stratum: with few points of a
    kind the normal approximation, and not the estimator, would be what is tested.
    """
    rng, names = np.random.default_rng(20), np.array(["a", "b", "c"])
    held: dict[str, list[bool]] = {key: [] for key in ("overall", "users", "producers", "areas")}
    for _ in range(2000):
        population = _population(rng, by_class)
        sample = _drawn(rng, population, 400)
        rows = np.repeat(np.arange(27), sample.ravel())
        h, i, j = np.unravel_index(rows, (3, 3, 3))
        frame = pd.DataFrame({"stratum": names[h], "mapped": names[i], "reference": names[j]})
        sizes = dict(zip(names.tolist(), population.sum((1, 2)).tolist(), strict=True))
        found = lc.stratified_estimates(frame, sizes)
        for key, truth in _truth(population).items():
            low, high = getattr(found, key)[["low", "high"]].to_numpy().T
            held[key] += ((low <= truth) & (truth <= high)).tolist()
    shares = {key: float(np.mean(values)) for key, values in held.items()}
    assert all(0.93 <= share <= 0.97 for share in shares.values()), shares


def _population(rng: np.random.Generator, by_class: bool) -> npt.NDArray[np.int64]:
    """Pixels by stratum, mapped and reference class: dims (3, 3, 3)."""
    sizes = rng.integers(20_000, 100_000, 3)
    right = rng.uniform(0.6, 0.9, (3, 3, 1))
    wrong = rng.dirichlet([8, 8], (3, 3))
    reference = np.empty((3, 3, 3))
    for k in range(3):
        reference[:, k, k] = right[:, k, 0]
        others = [other for other in range(3) if other != k]
        reference[:, k, others] = (1 - right[:, k]) * wrong[:, k]
    mapped = np.eye(3) if by_class else rng.dirichlet([6, 6, 6], 3)
    return np.rint(sizes[:, None, None] * mapped[:, :, None] * reference).astype(np.int64)


def _drawn(
    rng: np.random.Generator, population: npt.NDArray[np.int64], points: int
) -> npt.NDArray[np.int64]:
    drawn = [rng.multivariate_hypergeometric(one.ravel(), points) for one in population]
    return np.array(drawn).reshape(population.shape)


def _truth(population: npt.NDArray[np.int64]) -> dict[str, npt.NDArray[np.float64]]:
    matrix = population.sum(axis=0)
    right = matrix.diagonal()
    return {
        "overall": np.array([right.sum() / matrix.sum()]),
        "users": right / matrix.sum(axis=1),
        "producers": right / matrix.sum(axis=0),
        "areas": matrix.sum(axis=0).astype(float),
    }


def test_a_class_that_is_mapped_and_never_found_has_no_producers_accuracy() -> None:
    # Strata are classes of the map; "ice" is mapped, and none of its points is ice.
    sample = sample_of([[9, 1, 0], [2, 8, 0], [3, 7, 0]], ["water", "land", "ice"])
    found = lc.stratified_estimates(sample, {"water": 100, "land": 300, "ice": 50})
    assert found.users.loc["ice"].tolist() == [0, 0, 0, 0]
    assert found.producers.loc["ice"].isna().all()
    assert found.areas.loc["ice"].tolist() == [0, 0, 0, 0]
    assert found.areas["estimate"].sum() == pytest.approx(450)
    assert found.areas.loc["water", "estimate"] == pytest.approx(90 + 60 + 15)
    # By hand: N^2 p (1 - p) / (n - 1) of each stratum.
    squared = (1e4 * 0.09 + 9e4 * 0.16 + 2500 * 0.21) / 9
    assert found.areas.loc["water", "se"] == pytest.approx(np.sqrt(squared))


def test_numbers_of_strata_and_classes_may_differ_in_kind_from_each_other() -> None:
    rows = {"stratum": [10, 10, 2, 2], "mapped": list("abab"), "reference": list("aabb")}
    found = lc.stratified_estimates(pd.DataFrame(rows), {10: 30, 2: 70})
    assert found.overall.loc["overall", "estimate"] == pytest.approx(0.5)
    assert found.areas["estimate"].to_dict() == {"a": pytest.approx(30), "b": pytest.approx(70)}


def test_a_stratum_all_of_which_was_looked_at_adds_no_error() -> None:
    rows = {"stratum": list("xxxyyyy"), "mapped": list("aababab"), "reference": list("abbabba")}
    sizes = {"x": 3, "y": 4}
    found = lc.stratified_estimates(pd.DataFrame(rows), sizes, finite=True)
    assert found.overall.loc["overall", "se"] == 0 and (found.areas["se"] == 0).all()
    assert found.areas["estimate"].to_dict() == {"a": pytest.approx(3), "b": pytest.approx(4)}
