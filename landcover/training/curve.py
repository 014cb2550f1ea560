"""How accuracy grows with the number of labels, measured on tiles that nothing is learned from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from landcover.errors import ConfigError
from landcover.small_files import load_json
from landcover.training.fitting import ROWS, Checkpoint
from landcover.training.judging import logits_of
from landcover.training.learned import Prepared, Progress, Step
from landcover.training.methods import learn
from landcover.training.network import load_keras
from landcover.training.settings import CurveSettings, ProbeSettings, TrainSettings

Floats = npt.NDArray[np.floating[Any]]
Labels = npt.NDArray[np.integer[Any]]
Row = dict[str, float]

_LADDER = (5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
_PARTS = 2  # states that a method keeps at most


def learning_curve(
    tiles: Prepared,
    measured: tuple[Floats, Labels],
    wanted: TrainSettings,
    kept: Checkpoint,
    say: Progress,
) -> tuple[Row, ...]:
    """Train with few labels and with more, each time with others, and see how often labels are right.

    Methods that need tiles to tell when to end take them from those that are drawn. A training whose
    row was kept is not done again.

    Args:
        tiles: to draw from.
        measured: pixels and labels of the tiles that measure.
        wanted: what is trained, and for how many labels.
        kept: where states are kept meanwhile.
        say: called after each training.

    Returns:
        a row a training: ``labels`` a class, ``seed``, ``accuracy``.

    Raises:
        ConfigError: a class has fewer labels than are asked for.
    """
    assert wanted.curve is not None
    done = _Done(kept)
    rows = done.load()
    cases = [(n, s) for n in _numbers(tiles, wanted.curve) for s in range(wanted.curve.seeds)]
    for place, (labels, seed) in list(enumerate(cases))[len(rows) :]:
        load_keras().utils.set_random_seed(seed)
        drawn = _drawn(tiles, labels, seed, wanted)
        state = replace(kept, part=kept.part + _PARTS * (place + 1))
        learned = learn(drawn, wanted.method, seed, state, lambda step: None)
        logits, truth = logits_of(learned.network, *measured)
        accuracy = float((logits.argmax(1) == truth).mean())
        rows.append({"labels": labels, "seed": seed, "accuracy": accuracy})
        done.save(rows)
        told = f"{accuracy:.1%} right with {labels:,} labels a class"
        say(Step(place + 1, len(cases), "trainings", told))
    return tuple(rows)


@dataclass(frozen=True)
class _Done:
    """The rows of a curve so far, kept beside the states of trainings."""

    kept: Checkpoint

    def load(self) -> list[Row]:
        """The rows of this curve; none where there are none of use."""
        if not self.kept.home.exists(ROWS):
            return []
        try:
            found = load_json(self.kept.home.read(ROWS))
            return list(found["rows"]) if found["key"] == self.kept.key else []
        except (OSError, ValueError, LookupError, TypeError):
            return []  # of another version, or damaged: the curve begins anew

    def save(self, rows: list[Row]) -> None:
        """Keep the rows in place of the last ones: whole or not at all."""
        content = json.dumps({"key": self.kept.key, "rows": rows})
        self.kept.home.put(ROWS, content.encode())


def _numbers(tiles: Prepared, asked: CurveSettings) -> list[int]:
    """Labels of each class that are learned from, in rising order."""
    groups = list(_groups(tiles))
    most = min(map(len, groups))
    if asked.labels:
        if max(asked.labels) > most:
            reason = f"curve.labels: {max(asked.labels):,} are asked for, and a class has {most:,}"
            raise ConfigError([f"{reason} tiles to learn from"], "the training")
        return sorted(set(asked.labels))
    return [number for number in _LADDER if number < most] + [most]


def _groups(tiles: Prepared) -> Iterator[Labels]:
    """Places of the tiles of each class; where pixels have classes, tiles dealt out evenly."""
    if tiles.labels.ndim == 1:
        for label in range(tiles.classes):
            yield np.flatnonzero(tiles.labels == label)
    else:
        for first in range(tiles.classes):
            yield np.arange(first, len(tiles.labels), tiles.classes)


def _drawn(tiles: Prepared, labels: int, seed: int, wanted: TrainSettings) -> Prepared:
    """Some tiles of each class, of which a part is apart where the method needs that."""
    chance = np.random.default_rng((wanted.seed, seed))
    apart = (
        0 if isinstance(wanted.method, ProbeSettings) else max(1, round(wanted.validation * labels))
    )
    groups = [chance.permutation(group)[:labels] for group in _groups(tiles)]
    shown = np.concatenate([group[apart:] for group in groups])
    held = np.concatenate([group[:apart] for group in groups])
    return replace(
        tiles,
        pixels=tiles.pixels[shown],
        labels=tiles.labels[shown],
        apart=tiles.pixels[held] if apart else None,
        apart_labels=tiles.labels[held] if apart else None,
    )
