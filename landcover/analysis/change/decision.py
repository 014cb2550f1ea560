"""Whether labels of several dates differ because the ground changed, or because one of them is wrong.

Two hypotheses are weighed at every place by Bayes' rule, with all classes equally frequent to begin
with (Swain 1978; Bruzzone and Serpico 1997): one class a throughout, or any class before and class b
from some date on. With p(t, a) the evidence of date t for class a, n dates and K classes::

    stay       = sum over a of p(1, a) ... p(n, a)
    move(b)    = sum over t < n, a != b of p(1, a) ... p(t, a) p(t+1, b) ... p(n, b) / (n - 1)
    P(to b)    = c(b) move(b) / ((1 - c) stay + sum over b of c(b) move(b))

c(b), how likely a change to b is to begin with, follows from the eight places around, whose changes to
b by their own evidence count as observed (with c(b) = changing / (K - 1)): the mean of a Dirichlet
distribution that starts with one observation of a share ``changing`` of changed ground::

    c(b) = (changing / (K - 1) + sum over known neighbours of P(to b)) / (1 + number of them)
    c    = sum over b of c(b)

so that what changes alone needs stronger evidence than what changes with its neighbours. This is done
twice: the second time the neighbours' P(to b) are those that their own neighbours have corrected. It is
the idea of the Markov random fields of Bruzzone and Prieto (2000), in two steps in place of an iteration
without a known end, so that a place depends on those up to two away and on no others.

P. H. Swain, "Bayesian classification in a time-varying environment", IEEE Transactions on Systems, Man,
and Cybernetics 8 (1978), 879-883. L. Bruzzone and S. B. Serpico, "An iterative technique for the
detection of land-cover transitions in multitemporal remote-sensing images", IEEE Transactions on
Geoscience and Remote Sensing 35 (1997), 858-867. L. Bruzzone and D. F. Prieto, "Automatic analysis of
the difference image for unsupervised change detection", the same, 38 (2000), 1171-1182.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from landcover.analysis.change.alignment import Labels
from landcover.errors import ConfigError

HALO = 2
"""How far around a place others bear on it: one further at each step."""
Vectors = npt.NDArray[np.float32]
VectorsAt = Callable[[npt.NDArray[np.intp]], Vectors]
"""From places (their indices in a flat array, dims (place,)) to how well each class explains what was
seen there: dims (place, class)."""
Mask = npt.NDArray[np.bool_]
_CHUNK = 2**16  # places that are weighed at once


@dataclass(frozen=True)
class Rule:
    """What is taken for granted where changes are told from errors.

    Args:
        threshold: how probable a change has to be to count, in [0, 1].
        changing: which share of the ground is thought to have changed to another class, in (0, 1).
        accuracy: how often labels are right of which nothing else is known, in (0, 1).
        surest: the highest probability that a network's own score counts as, in (0, 1): networks
            say 1.0 and are wrong.

    Raises:
        ConfigError: if a number is out of its range.
    """

    threshold: float = 0.5
    changing: float = 0.05
    accuracy: float = 0.85
    surest: float = 0.99

    def __post_init__(self) -> None:
        mistakes = [
            f"{name} is a share between 0 and 1, not {value}"
            for name, value in vars(self).items()
            if not (0 < value < 1 or (name == "threshold" and value in (0, 1)))
        ]
        if mistakes:
            raise ConfigError(mistakes, "change")


@dataclass(frozen=True, eq=False)
class Judged:
    """What became of some places, dims (y, x) all.

    Args:
        known: where every date has a class.
        changed: where the last class differs from the first and, once reached, holds at all later dates.
        flicker: where the last class was there before, and another one between (A-B-A).
        other: the class between, where ``flicker``.
        score: how probable the change to the last class is, in [0, 1]; 0 where not ``changed``.
        neighbours: how many of the eight places around have ``changed`` to the same class.
    """

    known: Mask
    changed: Mask
    flicker: Mask
    other: Labels
    score: Vectors
    neighbours: npt.NDArray[np.uint8]

    def part(self, rows: slice, cols: slice) -> Judged:
        """Some of the places."""
        return Judged(*(value[rows, cols] for value in vars(self).values()))


def judge(
    labels: Sequence[Labels],
    evidence: Sequence[VectorsAt],
    classes: int,
    rule: Rule,
) -> Judged:
    """Tell changes from errors.

    Args:
        labels: of each date, the first one first: dims (y, x), the index of a class, or ``classes``
            where there is none. What is said of places at the rim leaves out those beyond it.
        evidence: of each date: how well each class explains what was seen at places (their indices in
            the flat array, dims (place,)), up to a factor that may differ from place to place; dims
            (place, class).
        classes: how many there are.
        rule: what is taken for granted.
    """
    known, changed, flicker, other = _histories(labels, classes)
    score = np.zeros(known.shape, np.float32)
    neighbours = np.zeros(known.shape, np.uint8)
    places = np.flatnonzero(changed)
    if len(places):
        to = labels[-1].ravel()[places]
        weights = _weights(places, evidence, classes)
        before = np.float32(rule.changing / max(classes - 1, 1))
        there = _around(np.pad(known, 1), places)
        found = _probability(weights, to, np.full(1, before), np.float32(rule.changing))
        for _ in range(HALO):
            support = np.zeros((len(places), classes), np.float32)
            for target in np.unique(to):
                own = to == target
                plane = _padded(known.shape, places[own], found[own])
                support[:, target] = _around(plane, places)
            prior = (before + support) / (1 + there)[:, None]
            whole = (np.float32(rule.changing) + support.sum(axis=1)) / (1 + there)
            found = _probability(weights, to, prior, whole)
        score.ravel()[places] = found
        for target in np.unique(to):
            own = places[to == target]
            neighbours.ravel()[own] = _around(_padded(known.shape, own, 1), own)
    return Judged(known, changed, flicker, other, score, neighbours)


def _histories(labels: Sequence[Labels], classes: int) -> tuple[Mask, Mask, Mask, Labels]:
    """Where all dates have a class, which places changed for good, and which came back, from what."""
    last = labels[-1]
    known = last < classes
    left, again = np.zeros(last.shape, np.bool_), np.zeros(last.shape, np.bool_)
    other = last.copy()
    for earlier in reversed(labels[:-1]):
        known &= earlier < classes
        same = earlier == last
        again |= left & same
        fresh = ~left & ~same
        other[fresh] = earlier[fresh]
        left |= fresh
    return known, known & left & ~again, known & again, other


def _weights(
    places: npt.NDArray[np.intp],
    evidence: Sequence[VectorsAt],
    classes: int,
) -> Vectors:
    """How well each move explains what was seen, and last how well no move does.

    Returns:
        dims (place, class + 1), of sum 1 a place.
    """
    weights = np.empty((len(places), classes + 1), np.float32)
    for start in range(0, len(places), _CHUNK):
        some = places[start : start + _CHUNK]
        vectors = [one(some).astype(np.float64) for one in evidence]
        after = [vectors[-1]]
        for vector in reversed(vectors[1:-1]):
            after.insert(0, vector * after[0])
        before, moves = vectors[0], np.zeros((len(some), classes))
        for vector, later in zip(vectors[1:], after, strict=True):
            moves += (before.sum(axis=1, keepdims=True) - before) * later
            before = before * vector
        both = np.concatenate([moves / len(after), before.sum(axis=1, keepdims=True)], axis=1)
        weights[start : start + _CHUNK] = both / both.sum(axis=1, keepdims=True)
    return weights


def _probability(
    weights: Vectors, to: Labels, prior: Vectors, changing: Vectors | np.float32
) -> Vectors:
    """How probable the move to one class is.

    Args:
        weights: dims (place, class + 1), as of :func:`_weights`.
        to: dims (place,): the class.
        prior: how likely each move is to begin with, dims (place, class) or what broadcasts to them.
        changing: how likely any is, dims (place,) likewise.
    """
    moves = weights[:, :-1] * prior
    stay = weights[:, -1] * (1 - changing)
    found: Vectors = moves[np.arange(len(to)), to] / (moves.sum(axis=1) + stay)
    return found


def _padded(shape: tuple[int, ...], places: npt.NDArray[np.intp], values: Vectors | int) -> Vectors:
    """Values at places, 0 elsewhere and along a rim of one: dims (y + 2, x + 2)."""
    plane = np.zeros((shape[0] + 2, shape[1] + 2), np.float32)
    plane.ravel()[_within(plane, places)] = values
    return plane


def _around(plane: npt.NDArray[Any], places: npt.NDArray[np.intp]) -> Vectors:
    """The sum of the eight values around places, of which most maps have few: dims (place,).

    Args:
        plane: dims (y + 2, x + 2), with a rim of one.
        places: in the flat array without the rim.
    """
    width, middle, flat = plane.shape[1], _within(plane, places), plane.ravel()
    whole = np.zeros(len(places), np.float32)
    for step in [y * width + x for y in (-1, 0, 1) for x in (-1, 0, 1) if x or y]:
        whole += flat[middle + step]
    return whole


def _within(plane: npt.NDArray[Any], places: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """Places in a flat array with a rim of one, by those in the array without."""
    width = plane.shape[1]
    inside: npt.NDArray[np.intp] = places + places // (width - 2) * 2 + width + 1
    return inside
