from __future__ import annotations

import numpy as np
import pytest

from landcover.training.batches import Batches, class_weights


def test_every_tile_is_shown_each_epoch_in_batches_of_one_size() -> None:
    pixels = np.zeros((10, 4, 4, 1), np.float32)
    labels = np.arange(10)
    shown = Batches(pixels, labels, np.ones(10, np.float32), 4, np.random.default_rng(0))
    batches = list(shown)
    assert len(batches) == len(shown) == 3
    assert [len(batch.truth) for batch in batches] == [4, 4, 4]
    times = np.bincount(np.concatenate([batch.truth.argmax(1) for batch in batches]))
    assert sorted(times) == [1] * 8 + [2] * 2


def test_what_has_no_class_weighs_nothing() -> None:
    labels = np.array([[[0, 1], [-1, 1]]])
    weights = class_weights(labels, 2)
    pixels = np.zeros((1, 2, 2, 1), np.float32)
    (batch,) = Batches(pixels, labels, weights, 4, np.random.default_rng(0))
    assert batch.weights[0, 1, 0] == 0
    assert batch.weights.sum() == pytest.approx(3, rel=1e-6)
    assert batch.truth[0, 0].tolist() == [[1, 0], [0, 1]]


def test_rare_classes_weigh_more_and_all_tiles_together_as_many_as_they_are() -> None:
    labels = np.repeat([0, 1], [90, 10])
    weights = class_weights(labels, 2)
    assert weights[1] / weights[0] == pytest.approx(3)
    assert weights[labels].sum() == pytest.approx(100, rel=1e-5)
