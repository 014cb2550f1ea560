from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from landcover.scoring.labels import defined, label_pixels, label_tiles


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


def test_of_equally_probable_classes_pixels_get_the_first() -> None:
    found = np.random.default_rng(5).integers(0, 3, (2, 5, 9, 7)).astype(np.float32) / 2
    labels = label_pixels(found, None)
    assert np.array_equal(labels.pixels, found.argmax(axis=1))
    assert np.array_equal(labels.pixel_scores, found.max(axis=1))


def test_no_mask_means_all_pixels_count() -> None:
    probabilities = _probabilities(3, 2, 3, 4, 4)
    with_mask = label_pixels(probabilities, np.ones((2, 4, 4), bool))
    without = label_pixels(probabilities, None)
    assert np.array_equal(with_mask.labels, without.labels)
    assert np.allclose(with_mask.scores, without.scores)
    assert np.allclose(with_mask.probabilities, without.probabilities, atol=1e-6)


@pytest.mark.parametrize("classes", [200, 300])
def test_there_may_be_more_classes_than_a_byte_holds(classes: int) -> None:
    best = np.random.default_rng(3).integers(0, classes, (2, 7, 5))
    found = (np.arange(classes)[None, :, None, None] == best[:, None]).astype(np.float32)
    labels = label_pixels(found, None)
    assert labels.pixels is not None and np.array_equal(labels.pixels, best)


@pytest.mark.parametrize(
    ("value", "said"),
    [(np.nan, "NaN"), (np.inf, "inf"), (-np.inf, "-inf"), (1.5, "1.5"), (-0.2, "-0.2")],
)
def test_a_tile_without_probabilities_has_no_label(value: float, said: str) -> None:
    found = _probabilities(1, 3, 4)
    found[1, 2] = value
    labels = label_tiles(found)
    assert list(labels.refused) == [1]
    assert labels.refused[1].startswith(f"the network returned {said}, which is no probability")
    places, kept = labels.kept()
    assert places == [0, 2] and np.array_equal(kept.labels, found[[0, 2]].argmax(axis=1))
    assert np.isfinite(labels.scores).all() and not kept.refused


def test_rounding_beyond_one_is_no_fault() -> None:
    found = np.array([[1.003, -0.003], [0.5, 0.5]], np.float32)
    probabilities, undefined = defined(found)
    assert undefined is None and probabilities.tolist() == [[1, 0], [0.5, 0.5]]
    assert label_tiles(found).scores.tolist() == [1, 0.5]


@given(seed=st.integers(0, 1000), share=st.floats(0, 1), masked=st.booleans())
def test_pixels_without_probabilities_count_for_nothing(
    seed: int, share: float, masked: bool
) -> None:
    rng = np.random.default_rng(seed)
    found = _probabilities(seed, 3, 4, 6, 5)
    valid = rng.random((3, 6, 5)) < 0.8 if masked else np.ones((3, 6, 5), bool)
    valid[:, 0, 0] = True
    bad = rng.random((3, 6, 5)) < share
    bad[0] = True
    torn = np.where(bad[:, None] & (np.arange(4) == seed % 4)[:, None, None], np.nan, found)
    labels = label_pixels(torn.astype(np.float32), valid if masked else None)
    assert labels.pixels is not None and labels.undefined is not None
    assert labels.undefined.tolist() == (bad & valid).sum(axis=(1, 2)).tolist()
    assert set(labels.refused) == {i for i in range(3) if not (valid & ~bad)[i].any()} >= {0}
    places, kept = labels.kept()
    assert (labels.pixels[bad | ~valid] == -1).all()
    if places:
        expected = label_pixels(found[places], (valid & ~bad)[places])
        assert np.array_equal(kept.pixels, expected.pixels)
        assert np.array_equal(kept.labels, expected.labels)
        assert np.allclose(kept.scores, expected.scores, atol=1e-6)
        assert np.allclose(kept.probabilities, expected.probabilities, atol=1e-6)


def test_nan_where_there_is_no_data_is_no_fault() -> None:
    found = _probabilities(2, 1, 3, 4, 4)
    valid = np.ones((1, 4, 4), bool)
    valid[0, 1] = False
    torn = np.where(valid[:, None], found, np.nan).astype(np.float32)
    one, other = label_pixels(torn, valid), label_pixels(found, valid)
    assert one.undefined is not None and one.undefined.tolist() == [0] and not one.refused
    assert np.array_equal(one.pixels, other.pixels)
    assert np.allclose(one.probabilities, other.probabilities, atol=1e-6)
