"""How sure it is that labels are the same, by a sample."""

from __future__ import annotations

import numpy as np
import pytest

from landcover.models.comparison.same_labels import SameLabels, fewest_labels, wilson


def test_the_interval_is_that_of_the_textbook() -> None:
    """Newcombe (1998), Statistics in Medicine 17, 857-872, table I, method 3."""
    assert wilson(81 / 263, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson(15 / 148, 148) == pytest.approx((0.0624, 0.1605), abs=1e-4)
    assert wilson(0, 20) == pytest.approx((0, 0.1611), abs=1e-4)


def test_the_fewest_labels_are_just_enough() -> None:
    fewest = fewest_labels(0.99)
    assert SameLabels([1] * fewest, [1] * fewest).lower_bound() >= 0.99
    assert SameLabels([1] * (fewest - 1), [1] * (fewest - 1)).lower_bound() < 0.99


def test_pixels_that_differ_together_say_less_than_pixels_that_differ_alone() -> None:
    scattered = SameLabels([90] * 100, [100] * 100)
    together = SameLabels([0] * 10 + [100] * 90, [100] * 100)
    assert scattered.share == together.share == 0.9
    alone = wilson(0.9, 10_000)[0]
    assert scattered.lower_bound() == pytest.approx(alone, abs=1e-6)
    # Each tile is one observation: all of it differs, or nothing.
    assert together.lower_bound() == pytest.approx(wilson(0.9, 99)[0], abs=1e-3)


def test_few_windows_promise_nothing() -> None:
    assert SameLabels([1000] * 29, [1000] * 29).lower_bound() == 0
    assert SameLabels([1000] * 30, [1000] * 30).lower_bound() > 0.999
    assert SameLabels([], []).lower_bound() == 0


def test_the_bound_is_too_high_no_more_often_than_it_says() -> None:
    """Windows whose shares scatter as those of a network do, 160 of them, 2,000 times."""
    random, share, count = np.random.default_rng(3), 0.99, 256
    missed = 0
    for _ in range(2000):
        of_windows = random.beta(share * 20, (1 - share) * 20, 160)
        same = random.binomial(count, of_windows).tolist()
        missed += SameLabels(same, [count] * 160).lower_bound() > share
    assert missed / 2000 < 0.05
