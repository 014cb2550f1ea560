from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import yaml

from landcover.classes import scheme
from landcover.errors import ConfigError
from landcover.training.classifier import Epoch, train_classifier

pytestmark = pytest.mark.skipif(
    find_spec("keras") is None, reason="training needs the extra 'train'"
)


def _stripes(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Tiles whose classes differ in texture alone: flat, fine stripes, coarse stripes."""
    generator = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    waves = np.stack([np.zeros(24), np.arange(24) % 2, np.arange(24) // 4 % 2])[labels] - 0.5
    pixels = 120 + 60 * waves[:, None, None, :] * (labels > 0)[:, None, None, None]
    noise = generator.normal(0, 8, (count, 2, 24, 24))
    return (pixels + noise).round().astype(np.uint8), labels


def test_a_network_learns_textures_and_scores_the_same_from_its_file(tmp_path: Path) -> None:
    import keras

    pixels, labels = _stripes(240)
    seen: list[Epoch] = []
    history = train_classifier(
        pixels,
        labels,
        ["flat", "fine", "coarse"],
        tmp_path / "stripes.keras",
        resolution=1,
        epochs=5,
        batch=16,
        width=8,
        progress=seen.append,
    )
    assert history.held_out_accuracy > 0.9
    assert (history.trained, history.held_out) == (204, 36)
    assert [epoch.number for epoch in seen] == [1, 2, 3, 4, 5]
    assert list(history.epochs) == seen
    sidecar = yaml.safe_load((tmp_path / "stripes.yaml").read_text())
    fresh, truth = _stripes(60, seed=1)
    network = keras.models.load_model(history.path)
    ready = (fresh.transpose(0, 2, 3, 1) - np.array(sidecar["mean"])) * np.array(sidecar["scale"])
    scores = network.predict(ready.astype(np.float32), verbose=0)
    assert np.allclose(scores.sum(1), 1, atol=1e-5)
    assert (scores.argmax(1) == truth).mean() > 0.9


def test_the_sidecar_says_what_lies_between_pixels_and_probabilities(tmp_path: Path) -> None:
    pixels, labels = _stripes(60)
    labels[:6] = np.arange(6)
    labels[6:12] = np.arange(6)
    train_classifier(
        pixels, labels, "nlcd6", tmp_path / "n.keras", bands=[4, 1], epochs=1, batch=30, width=4
    )
    sidecar = yaml.safe_load((tmp_path / "n.yaml").read_text())
    assert sidecar["classes"] == "nlcd6" and len(scheme("nlcd6")) == 6
    assert sidecar["bands"] == [4, 1]
    assert sidecar["mean"] == pytest.approx(pixels.mean((0, 2, 3)), rel=0.1)
    assert sidecar["scale"] == pytest.approx(1 / pixels.std((0, 2, 3)), rel=0.1)
    assert (sidecar["input_size"], sidecar["output"], sidecar["activation"]) == (24, "tile", "none")
    assert "resolution" not in sidecar


def test_all_mistakes_are_named_before_anything_is_trained(tmp_path: Path) -> None:
    pixels, labels = _stripes(9)
    with pytest.raises(ConfigError) as error:
        train_classifier(pixels[:, :, :20], labels[:8], ["a", "b", "c"], tmp_path / "n.h5")
    assert len(error.value.mistakes) == 3
    with pytest.raises(ConfigError, match="'d' has 0"):
        train_classifier(pixels, labels, ["a", "b", "c", "d"], tmp_path / "n.keras")
    assert not list(tmp_path.iterdir())
