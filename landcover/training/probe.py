"""A logistic regression on features that were not learned: for ten to a few thousand labels."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from landcover.errors import MissingExtra
from landcover.training.calibration import best_temperature, softmax

Floats = npt.NDArray[np.floating[Any]]
Labels = npt.NDArray[np.integer[Any]]

_STRENGTHS = (30.0, 100.0, 300.0)
# How much brightness and contrast count beside the rest.
_LIGHT = (0.03, 0.3)
_FOLDS = 4
# Of so many tiles the first fold alone tells the strengths apart.
_MANY = 1000


class Probe(NamedTuple):
    """From features to the logits of classes: ``features @ weights + bias``.

    Args:
        weights: dims (feature, class).
        bias: dims (class,).
        strength: the inverse of the regularisation that was chosen, of standardised features whose
            squares add up to 1.
        light: how much brightness and contrast counted, a part of what all else did; 1 where no
            features are of them alone.
        apart: dims (tile, class), logits of tiles by probes that were fitted without them.
        truth: dims (tile,), their labels.
    """

    weights: Floats
    bias: Floats
    strength: float
    light: float
    apart: Floats
    truth: Labels


class _Tried(NamedTuple):
    """What came of one way to fit: its logits of tiles that were left out, and how wrong they are."""

    light: float
    strength: float
    apart: Floats
    surprise: float
    error: float


def fit_probe(shown: Floats, labels: Labels, classes: int, seed: int, of_light: int = 0) -> Probe:
    """Fit a probe, of the strength that predicts best what it was not fitted with.

    The strength is chosen by cross-validation: tiles are left out with all of their copies, and
    what is held against the truth is how probable it is for them and for their copies, so that what
    holds in other light counts too. Brightness and contrast count as little as does not cost more than
    chance may (one standard error): they are what differs most between flights.

    Args:
        shown: dims (copy, tile, feature); the first copy is of tiles as they are.
        labels: dims (tile,), indices of classes.
        classes: how many there are.
        seed: makes chance repeatable.
        of_light: how many features, the last ones, tell brightness and contrast alone.

    Raises:
        MissingExtra: scikit-learn is not installed.
    """
    folds = list(_folds(labels, seed))
    if len(labels) > _MANY:
        folds = folds[:1]
    truth = labels[np.concatenate([outside for _, outside in folds])]
    tried = []
    for counted in _LIGHT if of_light else (1.0,):
        mean, scale = _standard(shown, of_light, counted)
        ready = (shown - mean) * scale
        for strength in _STRENGTHS:
            apart = _apart(ready, labels, classes, strength, folds)
            tried.append(_Tried(counted, strength, apart, *_surprise(apart, truth)))
    best = _chosen(tried)
    mean, scale = _standard(shown, of_light, best.light)
    weights, bias = _fitted((shown - mean) * scale, labels, classes, best.strength)
    weights = weights * scale[:, None]
    bias = bias - mean @ weights
    return Probe(weights, bias, best.strength, best.light, best.apart[0], truth)


def _standard(shown: Floats, of_light: int, counted: float) -> tuple[Floats, Floats]:
    """Mean of each feature, and what makes the squares of all add up to 1.

    Those of the last ``of_light`` features add up to the square of ``counted`` instead.
    """
    flat = shown.reshape(-1, shown.shape[-1])
    others = flat.shape[1] - of_light
    each = 1 / np.sqrt(others), counted / np.sqrt(max(1, of_light))
    parts = np.repeat(each, (others, of_light))
    return flat.mean(0), (parts / np.maximum(flat.std(0), 1e-6)).astype(shown.dtype)


def _chosen(tried: list[_Tried]) -> _Tried:
    """The best of those in which light counts least, if it is as good as any but for chance."""
    least = min(tried, key=lambda one: one.surprise)
    within = [one for one in tried if one.surprise <= least.surprise + least.error]
    lightest = min(one.light for one in within)
    return min((one for one in within if one.light == lightest), key=lambda one: one.surprise)


def _folds(labels: Labels, seed: int) -> Iterator[tuple[Labels, Labels]]:
    """Places of the tiles to fit with, and of those to look at, each tile once among the latter."""
    generator = np.random.default_rng(seed)
    fold = np.empty(len(labels), np.intp)
    for label in np.unique(labels):
        own = generator.permutation(np.flatnonzero(labels == label))
        fold[own] = np.arange(len(own)) % _FOLDS
    for number in range(_FOLDS):
        yield np.flatnonzero(fold != number), np.flatnonzero(fold == number)


def _apart(
    ready: Floats,
    labels: Labels,
    classes: int,
    strength: float,
    folds: list[tuple[Labels, Labels]],
) -> Floats:
    """Logits of all copies of tiles by probes that saw none of a tile's: (copy, tile, class)."""
    found = []
    for inside, outside in folds:
        weights, bias = _fitted(ready[:, inside], labels[inside], classes, strength)
        found.append(ready[:, outside] @ weights + bias)
    return np.concatenate(found, axis=1)


def _fitted(ready: Floats, labels: Labels, classes: int, strength: float) -> tuple[Floats, Floats]:
    """Weights, dims (feature, class), and bias; a class without tiles is never the answer."""
    try:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression
        from threadpoolctl import threadpool_limits
    except ModuleNotFoundError as error:
        raise MissingExtra("training with few labels", "train", "scikit-learn") from error
    copies, _, features = ready.shape
    fit = LogisticRegression(C=strength / copies, max_iter=100, class_weight="balanced")
    # Its steps are too short for threads: they would wait for one another.
    with threadpool_limits(1), warnings.catch_warnings():
        # Steps are bounded on purpose: the last ones change no label.
        warnings.simplefilter("ignore", ConvergenceWarning)
        fit.fit(ready.reshape(-1, features), np.tile(labels, copies))
    weights, bias = np.zeros((features, classes)), np.full(classes, -30.0)
    if len(fit.classes_) == 2:  # one row, for the second class against the first
        weights[:, fit.classes_[1]] = fit.coef_[0]
        bias[fit.classes_] = 0, fit.intercept_[0]
    else:
        weights[:, fit.classes_], bias[fit.classes_] = fit.coef_.T, fit.intercept_
    return weights, bias


def _surprise(logits: Floats, labels: Labels) -> tuple[float, float]:
    """Mean negative log probability of the truth, at the best temperature, over all copies.

    And the standard error of that mean, over tiles.
    """
    flat, truth = logits.reshape(-1, logits.shape[-1]), np.tile(labels, len(logits))
    chances = softmax(flat / best_temperature(flat, truth))[np.arange(len(truth)), truth]
    tiles = -np.log(np.maximum(chances, 1e-12)).reshape(len(logits), -1).mean(0)
    return float(tiles.mean()), float(tiles.std() / np.sqrt(len(tiles)))
