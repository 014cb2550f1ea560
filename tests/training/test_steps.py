"""How tiles are shown in training: moved, mirrored, turned and in other light, truth and all."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from landcover.training.network import load_keras, make_network
from landcover.training.settings import FittedSettings

pytestmark = pytest.mark.skipif(
    find_spec("keras") is None, reason="training needs the extra 'train'"
)


def _shown(pixels: Any, truth: Any, weights: Any, **settings: Any) -> list[np.ndarray]:
    keras = load_keras()

    from landcover.training.steps import shown_anew

    how = FittedSettings(**settings)
    found = shown_anew(
        *(keras.ops.convert_to_tensor(one) for one in (pixels, truth, weights)),
        how,
        keras.random.SeedGenerator(0),
    )
    return [np.asarray(one) for one in found]


def _tiles(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    pixels = np.random.default_rng(1).normal(size=(count, 6, 6, 2)).astype(np.float32)
    return pixels, np.eye(count, dtype=np.float32), np.ones(count, np.float32)


def test_tiles_are_shown_in_all_eight_positions_and_keep_their_pixels() -> None:
    pixels, truth, weights = _tiles(64)
    pixels[:] = pixels[0]
    found, *_ = _shown(pixels, truth, weights, variation=0, crop=0)
    turned = [np.rot90(pixels[0], turns) for turns in range(4)]
    positions = [*turned, *(one[:, ::-1] for one in turned)]
    seen = {next(i for i, one in enumerate(positions) if np.array_equal(one, x)) for x in found}
    assert seen == {*range(8)}


def test_tiles_are_moved_by_so_much_at_most_and_mirrored_beyond_their_edge() -> None:
    pixels, truth, weights = _tiles(64)
    pixels[..., 0], pixels[..., 1] = np.arange(6)[:, None] * 10, np.arange(6) * 10
    found, *_ = _shown(pixels, truth, weights, variation=0, crop=0.34)  # 2 pixels
    moved = set()
    for tile in found:
        for plane in (tile[..., 0], tile[..., 1]):
            line = plane[0] if np.ptp(plane[0]) else plane[:, 0]
            line = line if line[0] < line[-1] else line[::-1]
            moved.add(tuple((line / 10).astype(int)))
    assert moved == {
        *((0, 1, 2, 3, 4, 5), (1, 0, 1, 2, 3, 4), (1, 2, 3, 4, 5, 4)),
        *((2, 1, 0, 1, 2, 3), (2, 3, 4, 5, 4, 3)),
    }


def test_the_truth_of_pixels_moves_with_them_and_no_light_falls_on_it() -> None:
    labels = np.random.default_rng(2).integers(0, 3, (32, 6, 6))
    truth = np.eye(3, dtype=np.float32)[labels]
    weights = (labels > 0).astype(np.float32)
    pixels = labels[..., None].astype(np.float32)
    shown, moved, weighed = _shown(pixels, truth, weights, variation=0, crop=0.34)
    assert np.array_equal(moved.argmax(-1), shown[..., 0])
    assert np.array_equal(weighed, shown[..., 0] > 0)
    assert not np.array_equal(shown, pixels)
    lit, moved, weighed = _shown(pixels, truth, weights, variation=0.5, crop=0.34)
    assert {*np.unique(moved)} == {0, 1} == {*np.unique(weighed)}
    assert len(np.unique(lit)) > 32 * 2


def test_light_varies_from_tile_to_tile_alone() -> None:
    pixels, truth, weights = _tiles(200)
    pixels[:] = 0
    found, *_ = _shown(pixels, truth, weights, variation=0.4, crop=0)
    assert np.ptp(found, axis=(1, 2)).max() == 0
    assert found[:, 0, 0].std() == pytest.approx(0.4 * np.sqrt(1.25), rel=0.15)


def test_a_network_that_learned_in_bfloat16_is_float32_in_its_file(tmp_path: Path) -> None:
    keras = load_keras()

    from landcover.training.steps import computing_in, trainer_of

    network = make_network(edge=12, bands=1, classes=2, width=4)
    pixels = np.random.default_rng(0).normal(size=(8, 12, 12, 1)).astype(np.float32)
    how = FittedSettings(precision="bf16")
    with computing_in(network, how):
        trainer = trainer_of(network, how, 4, 0)
        assert {layer.compute_dtype for layer in network.layers[1:-1]} == {"bfloat16"}
        truth = np.eye(2, dtype=np.float32)[[0, 1] * 4]
        loss, _ = trainer.train_on_batch(pixels, truth, np.ones(8, np.float32))
        assert np.isfinite(loss)
    network.save(tmp_path / "n.keras")
    again = keras.models.load_model(tmp_path / "n.keras")
    assert {layer.compute_dtype for layer in again.layers} == {"float32"}
    exact, rounded = again.predict(pixels, verbose=0), network.predict(pixels, verbose=0)
    assert np.array_equal(exact, rounded)
