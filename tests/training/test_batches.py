from __future__ import annotations

import numpy as np
import pytest

from landcover.training.batches import Batches, class_weights, held_out


def test_every_tile_is_shown_once_an_epoch() -> None:
    pixels = np.zeros((10, 4, 4, 1), np.float32)
    labels = np.arange(10)
    shown = Batches(pixels, labels, np.ones(10, np.float32), 4, 0.0, np.random.default_rng(0))
    batches = list(shown)
    assert len(batches) == len(shown) == 3
    assert sorted(np.concatenate([b.truth.argmax(1) for b in batches])) == list(range(10))


def test_tiles_keep_their_pixels_when_they_are_turned() -> None:
    pixels = np.random.default_rng(1).normal(size=(64, 5, 5, 2)).astype(np.float32)
    labels = np.arange(64)
    shown = Batches(pixels, labels, np.ones(64, np.float32), 64, 0.0, np.random.default_rng(0))
    (batch,) = shown
    originals = pixels[batch.truth.argmax(1)]
    for turned, original in zip(batch.pixels, originals, strict=True):
        assert np.allclose(np.sort(turned[..., 0].ravel()), np.sort(original[..., 0].ravel()))
    assert not np.allclose(batch.pixels, originals)


def test_rare_classes_weigh_more_and_all_tiles_together_as_many_as_they_are() -> None:
    labels = np.repeat([0, 1], [90, 10])
    weights = class_weights(labels, 2)
    assert weights[1] / weights[0] == pytest.approx(3)
    assert weights[labels].sum() == pytest.approx(100, rel=1e-5)


def test_each_class_has_its_share_held_out() -> None:
    labels = np.repeat([0, 1, 2], [100, 20, 2])
    apart = held_out(labels, 0.15, np.random.default_rng(0))
    assert [apart[labels == c].sum() for c in range(3)] == [15, 3, 1]
