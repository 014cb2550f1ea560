"""How differences between outputs are told."""

from __future__ import annotations

import numpy as np
import pytest

from landcover.models.comparison.agreement import agreement, before_softmax


def test_differences_are_told_as_a_share_of_the_largest_number() -> None:
    reference = np.array([[1.0, 200.0], [3.0, 4.0]])
    found = agreement([reference + np.array([[0, 0.5], [0, 0]])], [reference])
    assert (found.absolute, found.relative, found.labels) == (0.5, 0.0025, 1.0)


def test_the_worst_output_counts() -> None:
    small, large = np.full((1, 2), 0.01), np.full((1, 2), 100.0)
    found = agreement([small + 0.001, large + 1], [small, large])
    assert found.absolute == pytest.approx(1)
    assert found.relative == pytest.approx(0.1)


def test_labels_agree_where_the_largest_class_is_the_same() -> None:
    reference = np.array([[0.1, 0.9], [0.6, 0.4]])
    assert agreement([reference[:, ::-1]], [reference]).labels == 0
    assert agreement([reference[[0, 0]]], [reference]).labels == 0.5


def test_a_number_in_place_of_nan_is_no_agreement() -> None:
    reference = np.array([[1.0, np.nan]])
    assert agreement([np.array([[1.0, 2.0]])], [reference]).absolute == float("inf")
    assert agreement([np.array([[np.nan, np.nan]])], [reference]).absolute == float("inf")
    assert agreement([reference], [reference]).absolute == 0


def test_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(1, 3\)"):
        agreement([np.zeros((1, 3))], [np.zeros((1, 2))])


def test_a_softmax_that_saturates_does_not_look_like_agreement() -> None:
    logits = np.array([[40.0, 0.0, -3.0], [0.5, 0.0, 0.2]])
    shares = [np.exp(x) / np.exp(x).sum(1, keepdims=True) for x in (logits, logits * [1, 1, 2])]
    assert agreement(shares[1:], shares[:1]).absolute < 0.06
    (found,), (wanted,) = before_softmax(shares[1:], shares[:1], 1)
    assert agreement([found[:1]], [wanted[:1]]).absolute == pytest.approx(3)


def test_what_is_no_probability_is_compared_as_it_is() -> None:
    logits = np.array([[40.0, 0.0, -3.0]])
    assert before_softmax([logits], [logits], 1) == ([logits], [logits])
    shares = np.array([[0.7, 0.3], [0.5, 0.45]])  # sums that no rounding explains
    assert before_softmax([shares], [shares], 1) == ([shares], [shares])


def test_what_differs_from_nothing_but_zeros_does_not_agree() -> None:
    nothing = np.zeros((1, 3))
    assert agreement([nothing], [nothing]).relative == 0
    assert agreement([np.array([[0.0, 1e-3, 0.0]])], [nothing]).relative == 1
