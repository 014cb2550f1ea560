"""Rules between pixels and probabilities that arrays alone show."""

from __future__ import annotations

import numpy as np

from landcover.models.network import Pixels, Probabilities, in_batches_of
from landcover.models.output_side.activations import _sums_to_one
from landcover.models.preprocessing.specification import Output, Steps


def test_the_last_batch_is_filled_up_and_what_fills_it_has_no_result() -> None:
    sizes = set()

    def run(pixels: Pixels) -> Probabilities:
        sizes.add(len(pixels))
        return pixels[:, 0, 0, :1].astype(np.float32)

    for count in range(1, 10):
        pixels = (
            np.zeros((count, 3, 2, 2), np.uint8)
            + np.arange(count, dtype=np.uint8)[:, None, None, None]
        )
        assert in_batches_of(4, run, pixels)[:, 0].tolist() == list(range(count))
    assert sizes == {4}


def test_a_mean_of_a_single_band_is_one() -> None:
    for mean, shifts in (((0, 0, 5), True), ((0, 0, 0), False), ((1, 2, 3), True)):
        steps = Steps("NCHW", (8, 8), mean, (1, 1, 1), (0, 1, 2), mean_image=None)
        assert steps.shifts == shifts


def test_numbers_of_bands_lie_along_the_bands_in_their_order() -> None:
    steps = Steps("NCHW", (8, 8), (1, 2, 4), (3, 5, 7), (0, 1, 2), mean_image=None)
    assert steps.shift.tolist() == [[[[1]], [[2]], [[4]]]]
    assert steps.factor.tolist() == [[[[3]], [[5]], [[7]]]]


def test_numbers_below_zero_that_sum_to_one_are_no_probabilities() -> None:
    output = Output("scores", 2, 2, 1, None)
    assert _sums_to_one(np.array([[0.25, 0.75]], np.float32), output)
    assert not _sums_to_one(np.array([[-0.5, 1.5]], np.float32), output)
