from __future__ import annotations

import numpy as np
import pytest

from landcover.training.calibration import best_temperature, reliability, softmax


def _logits(count: int, temperature: float) -> tuple[np.ndarray, np.ndarray]:
    """Logits that are right when divided by a temperature, and truth drawn by them."""
    generator = np.random.default_rng(0)
    logits = generator.normal(0, 2, (count, 3))
    chances = softmax(logits).cumsum(1)
    truth = (generator.random(count)[:, None] > chances).sum(1)
    return logits * temperature, truth


@pytest.mark.parametrize("temperature", [0.4, 1.0, 3.0])
def test_the_temperature_that_logits_were_spoiled_by_is_found(temperature: float) -> None:
    logits, truth = _logits(20_000, temperature)
    assert best_temperature(logits, truth) == pytest.approx(temperature, rel=0.05)


def test_the_calibration_error_is_what_confidence_and_accuracy_differ_by() -> None:
    sure = np.array([[0.9, 0.1]] * 10)
    assert reliability(sure, np.array([0] * 9 + [1])).error == pytest.approx(0)
    assert reliability(sure, np.array([0] * 5 + [1] * 5)).error == pytest.approx(0.4)
    logits, truth = _logits(20_000, 3.0)
    assert reliability(softmax(logits), truth).error > 0.1
    assert reliability(softmax(logits / 3), truth).error < 0.02


def test_probabilities_of_huge_logits_are_numbers() -> None:
    assert softmax(np.array([[1e4, -1e4]])).tolist() == [[1, 0]]
