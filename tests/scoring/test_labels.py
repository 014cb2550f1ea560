from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from landcover.scoring.labels import label_pixels, label_tiles


def _probabilities(seed: int, *shape: int) -> np.ndarray:
    raw = np.random.default_rng(seed).random(shape, np.float32)
    return raw / raw.sum(axis=1, keepdims=True)


def test_a_tile_gets_its_most_probable_class() -> None:
    found = label_tiles(np.array([[0.1, 0.7, 0.2], [0.5, 0.2, 0.3]], np.float32))
    assert found.labels.tolist() == [1, 0]
    assert found.scores.tolist() == [np.float32(0.7), np.float32(0.5)]


@given(seed=st.integers(0, 1000), count=st.integers(1, 4), classes=st.integers(2, 6))
def test_tiles_of_a_pixel_network_are_summed_up_over_their_valid_pixels(
    seed: int, count: int, classes: int
) -> None:
    rng = np.random.default_rng(seed)
    probabilities = _probabilities(seed, count, classes, 5, 4)
    valid = rng.random((count, 5, 4)) < 0.7
    valid[:, 0, 0] = True
    found = label_pixels(probabilities, valid)
    assert found.pixels is not None
    for i in range(count):
        best = probabilities[i].argmax(axis=0)
        assert np.array_equal(found.pixels[i], np.where(valid[i], best, -1))
        counts = np.bincount(best[valid[i]], minlength=classes)
        assert found.labels[i] == counts.argmax()
        alike = valid[i] & (best == found.labels[i])
        assert np.isclose(found.scores[i], probabilities[i].max(axis=0)[alike].mean(), atol=1e-6)
        assert np.allclose(found.probabilities[i], probabilities[i][:, valid[i]].mean(1), atol=1e-6)


def test_no_mask_means_all_pixels_count() -> None:
    probabilities = _probabilities(3, 2, 3, 4, 4)
    with_mask = label_pixels(probabilities, np.ones((2, 4, 4), bool))
    without = label_pixels(probabilities, None)
    assert np.array_equal(with_mask.labels, without.labels)
    assert np.allclose(with_mask.scores, without.scores)
    assert np.allclose(with_mask.probabilities, without.probabilities, atol=1e-6)
