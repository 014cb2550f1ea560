"""The probe: features that hold in other light, and a fit that uses light where nothing else tells."""

from __future__ import annotations

import numpy as np
import pytest

from landcover.training.probe import fit_probe

pytest.importorskip("tensorflow")

from landcover.training.network import load_keras
from landcover.training.random_features import draw_filters, feature_network, light_features

EDGE, BANDS = 24, 3


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    """Tiles of noise that is rough or smooth, dims (tile, y, x, band)."""
    generator = np.random.default_rng(0)
    rough = generator.normal(0, 1, (32, EDGE, EDGE, BANDS))
    smooth = (rough + np.roll(rough, 1, 1) + np.roll(rough, 1, 2)) / np.sqrt(3)
    return np.concatenate([rough[:16], smooth[16:]]).astype(np.float32)


@pytest.fixture(scope="module")
def features(pixels: np.ndarray) -> object:
    load_keras()
    return feature_network(EDGE, BANDS, draw_filters(pixels, 8, np.random.default_rng(1)))


def test_features_of_texture_are_the_same_in_other_light(
    pixels: np.ndarray, features: object
) -> None:
    light = light_features(BANDS)
    usual = np.asarray(features(pixels))  # type: ignore[operator]
    brighter = np.asarray(features(pixels + 2))  # type: ignore[operator]
    apart = np.abs(usual[:16, :-light].mean(0) - usual[16:, :-light].mean(0)).max()
    assert apart > 0.05
    assert np.abs(brighter - usual)[:, :-light].max() < 0.01 * apart
    assert np.allclose(brighter[:, -light:-BANDS], usual[:, -light:-BANDS] + 2, atol=1e-4)


def test_texture_of_twice_the_contrast_is_nearly_the_same(
    pixels: np.ndarray, features: object
) -> None:
    light = light_features(BANDS)
    usual = np.asarray(features(pixels))[:, :-light]  # type: ignore[operator]
    stronger = np.asarray(features(2 * pixels))[:, :-light]  # type: ignore[operator]
    assert np.abs(stronger / usual - 1).max() < 0.1


def test_ground_without_any_texture_has_features_that_are_numbers(features: object) -> None:
    for value in (0.0, 1e3, -1e4):
        flat = np.full((1, EDGE, EDGE, BANDS), value, np.float32)
        assert np.isfinite(np.asarray(features(flat))).all()  # type: ignore[operator]


@pytest.mark.parametrize("told_by", ["texture", "light"])
def test_light_counts_where_nothing_else_tells_the_classes(told_by: str) -> None:
    """60 features of texture and 2 of light, of which either half tells two classes apart."""
    generator = np.random.default_rng(2)
    labels = np.arange(80) % 2
    shown = generator.normal(0, 1, (3, 80, 62)).astype(np.float32)
    columns = slice(0, 60) if told_by == "texture" else slice(60, 62)
    shown[:, :, columns] += 3 * labels[:, None]
    probe = fit_probe(shown, labels, 2, 0, of_light=2)
    found = (shown[0] @ probe.weights + probe.bias).argmax(1)
    assert (found == labels).mean() > 0.95
    assert probe.light == {"texture": 0.03, "light": 0.3}[told_by]
