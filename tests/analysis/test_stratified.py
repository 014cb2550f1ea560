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


def test_stehman_2014_a_cell_of_the_error_matrix() -> None:
    matrix = lc.stratified_estimates(STEHMAN, SIZES_STEHMAN).matrix
    assert matrix.index.names == ["mapped", "reference"] and len(matrix) == 16
    assert matrix["estimate"].sum() == pytest.approx(1)
    assert matrix.loc[("B", "C"), "estimate"] == pytest.approx(0.08)  # cell (2, 3) of the paper
    by_hand = np.sqrt(0.4**2 * 0.1 * 0.9 / 9 * 0.99975 + 0.2**2 * 0.2 * 0.8 / 9 * 0.9995)
    assert matrix.loc[("B", "C"), "se"] == pytest.approx(by_hand)
    assert matrix.loc[("A", "D")].tolist() == [0, 0, 0, 0]


def test_the_worked_example_of_colombia_with_a_stratum_that_no_reference_is_called_after() -> None:
    """Open MRV, "Analysis of sample data" (2021), section 3: forest, non-forest, disturbance, buffer."""
    names = ["forest", "non-forest", "disturbance", "buffer"]
    counts = [[271, 3, 1, 0], [6, 193, 1, 0], [2, 1, 27, 0], [23, 0, 7, 0]]
    weights = dict(zip(names, (0.551, 0.407, 0.0137, 0.0287), strict=True))
    found = lc.stratified_estimates(sample_of(counts, names), weights)
    assert not found.finite
    areas = found.areas["estimate"].tolist()
    assert areas == pytest.approx([0.57811, 0.39922, 0.02307, 0], abs=6e-5)  # of rounded weights
    errors = [0.0067520, 0.0063466, 0.0037174, 0]
    assert found.areas["se"].tolist() == pytest.approx(errors, abs=5e-7)
    assert found.users["estimate"].round(3).tolist() == [0.985, 0.965, 0.9, 0]
    producers = found.producers["estimate"].round(3).tolist()
    assert producers[:3] == [0.939, 0.984, 0.535] and np.isnan(producers[3])
    assert found.overall["estimate"].round(3).tolist() == [0.948]
    cells = found.matrix["estimate"].to_numpy().reshape(4, 4) * sum(weights.values())  # 1.0004
    assert cells[3].tolist() == pytest.approx([0.02200, 0, 0.00670, 0], abs=2e-5)
    assert cells.sum(axis=1).tolist() == pytest.approx(list(weights.values()))


def test_two_classes_one_of_which_is_rare() -> None:
    """The example of aa_card in the R package mapac: 436 points in each of two strata."""
    sample = sample_of([[410, 26], [67, 369]], [1, 2])
    found = lc.stratified_estimates(sample, {1: 828_837, 2: 33_067_283})
    shares = found.areas / (828_837 + 33_067_283)
    assert shares["estimate"].tolist() == pytest.approx([0.1729063, 0.8270937], abs=5e-8)
    assert shares["se"].tolist() == pytest.approx([0.01687046] * 2, abs=5e-8)
    assert found.overall.loc["overall", ["estimate", "se"]].tolist() == pytest.approx(
        [0.84862969, 0.01687046], abs=5e-8
    )
    assert found.users["estimate"].tolist() == pytest.approx([0.9403670, 0.8463303], abs=5e-8)
    assert found.producers["estimate"].tolist() == pytest.approx([0.132986, 0.998237], abs=5e-7)


def test_card_1982_known_shares_of_the_map_beside_a_matrix_of_congalton_and_green() -> None:
    """Congalton and Green, "Assessing the Accuracy of Remotely Sensed Data": map shares of 0.3, 0.4, 0.1,
    0.2 make 0.741 of an overall accuracy of 321 / 434."""
    counts = [[65, 4, 22, 24], [6, 81, 5, 8], [0, 11, 85, 19], [4, 7, 3, 90]]
    names = ["deciduous", "conifer", "agriculture", "shrub"]
    shares = dict(zip(names, (0.3, 0.4, 0.1, 0.2), strict=True))
    found = lc.stratified_estimates(sample_of(counts, names), shares)
    assert found.overall["estimate"].round(3).tolist() == [0.741]
    cells = found.matrix["estimate"].to_numpy().reshape(4, 4)
    assert cells.diagonal().round(3).tolist() == [0.170, 0.324, 0.074, 0.173]
    assert list(found.areas.index) == names
    # For a simple random sample, in which a point is as likely anywhere, the matrix is taken as it is.
    drawn = sample_of(counts, names).assign(stratum="all")
    plain = lc.stratified_estimates(drawn, {"all": 1.0}).overall.loc["overall", "estimate"]
    assert plain == pytest.approx(321 / 434)


def test_cochran_1977_a_list_of_3042_names_of_304_that_were_looked_at_38_are_wrong() -> None:
    """Sampling Techniques, section 3.2: 380 are wrong, with a standard error of 54.8."""
    reference = ["wrong"] * 38 + ["right"] * 266
    sample = pd.DataFrame({"stratum": "list", "mapped": "right", "reference": reference})
    found = lc.stratified_estimates(sample, {"list": 3042})
    assert found.finite
    assert found.areas.loc["wrong", "estimate"] == pytest.approx(380.25)
    assert found.areas.loc["wrong", "se"] == pytest.approx(54.8, abs=0.05)


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
        (
            {"mapped": ["a", "b", "a", "9" * 501]},
            {"x": 1, "y": 1},
            "of 501 characters; the most is",
        ),
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


def test_names_that_mean_something_to_programs_are_names() -> None:
    names = ["a.b", "[x]", "10", "(", "*", "a.b|10", "$", "\\\\d", "<b>"]
    matrix = (np.eye(len(names), dtype=int) * 5 + 1).tolist()
    found = lc.stratified_estimates(sample_of(matrix, names), dict.fromkeys(names, 100))
    for table in (found.users, found.producers, found.areas):
        assert list(table.index) == names
        assert np.ptp(table["estimate"]) == pytest.approx(0)


def test_where_all_points_of_a_kind_are_alike_nothing_is_left_to_rounding() -> None:
    sample = sample_of([[7, 0, 0], [0, 7, 0], [0, 0, 7]], ["a", "b", "c"])
    found = lc.stratified_estimates(sample, {"a": 0.1, "b": 0.7, "c": 1e9})
    for table in (found.overall, found.users, found.producers):
        assert (table[["estimate", "low", "high"]] == 1).all().all()
    for table in (found.overall, found.users, found.producers, found.areas, found.matrix):
        assert (table["se"] == 0).all()


def test_a_correction_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"'x' has 2 points and a size of 1\.5"):
        lc.stratified_estimates(pd.DataFrame(GOOD), {"x": 1.5, "y": 80}, finite=True)
    assert not lc.stratified_estimates(pd.DataFrame(GOOD), {"x": 1.5, "y": 80}).finite


def test_a_stratum_with_two_sizes_and_labels_of_blanks_are_refused() -> None:
    sizes = pd.Series([10, 20, 30], index=["x", "y", "y"])
    with pytest.raises(ConfigError, match="'y' has several sizes"):
        lc.stratified_estimates(pd.DataFrame(GOOD), sizes)
    blank = pd.DataFrame({**GOOD, "reference": ["a", " ", "b", ""]})
    with pytest.raises(ConfigError, match="2 of 4 points have no label"):
        lc.stratified_estimates(blank, {"x": 10, "y": 10})


def test_a_map_of_a_single_class_has_its_accuracy_and_all_the_ground_that_was_found() -> None:
    reference = ["forest"] * 45 + ["water"] * 5
    sample = pd.DataFrame({"stratum": "forest", "mapped": "forest", "reference": reference})
    found = lc.stratified_estimates(sample, {"forest": 2_000})
    assert found.overall["estimate"].tolist() == [0.9]
    assert found.areas["estimate"].to_dict() == {"forest": 1_800, "water": pytest.approx(200)}
    assert found.producers.loc["water", ["estimate", "se"]].tolist() == [0, 0]
    assert found.users.loc["water"].isna().all()
    assert found.users.loc["forest", "se"] == pytest.approx(np.sqrt(0.09 / 49))


@pytest.mark.parametrize("unit", [1e-200, 1e-12, 1e12, 1e200])
def test_estimates_do_not_depend_on_the_unit_of_the_strata(unit: float) -> None:
    plain = lc.stratified_estimates(OLOFSSON_2014, SIZES_2014)
    scaled = {name: size * unit for name, size in SIZES_2014.items()}
    found = lc.stratified_estimates(OLOFSSON_2014, scaled)
    for table in ("overall", "users", "producers", "matrix"):
        pd.testing.assert_frame_equal(getattr(found, table), getattr(plain, table))
    pd.testing.assert_frame_equal(found.areas / unit, plain.areas)


def test_sizes_that_cannot_be_added_are_refused() -> None:
    with pytest.raises(ConfigError, match="too large to be added"):
        lc.stratified_estimates(pd.DataFrame(GOOD), {"x": 1.5e308, "y": 1.5e308})


@pytest.mark.parametrize(
    "sample",
    [OLOFSSON_2014, STEHMAN, pd.DataFrame(GOOD)],
    ids=["Olofsson", "Stehman", "small"],
)
def test_what_is_not_defined_is_not_defined_as_a_whole(sample: pd.DataFrame) -> None:
    sizes = dict.fromkeys(sample["stratum"].unique(), 1_000.0)
    found = lc.stratified_estimates(sample, sizes)
    for name in ("overall", "users", "producers", "areas", "matrix"):
        table = getattr(found, name)
        assert (table.isna().all(axis=1) == table.isna().any(axis=1)).all()
        assert not np.isinf(table.to_numpy()).any()
    unmapped = ~found.users.index.isin(sample["mapped"])
    absent = ~found.producers.index.isin(sample["reference"])
    assert (found.users["estimate"].isna() == unmapped).all()
    assert (found.producers["estimate"].isna() == absent).all()
    assert found.areas["estimate"].sum() == pytest.approx(sum(sizes.values()))
