"""Epochs of training until the validation tiles are labelled no better, each of them kept."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from landcover.runs.storage import Storage
from landcover.training.batches import Batches, class_weights
from landcover.training.calibration import softmax
from landcover.training.judging import logits_of
from landcover.training.learned import Prepared, Progress, Step
from landcover.training.settings import FittedSettings
from landcover.training.steps import computing_in, trainer_of

Floats = npt.NDArray[np.floating[Any]]
Row = dict[str, float]

ROWS = "checkpoint-curve.json"
"""The file of the rows of a learning curve that is under way."""
_STATE = re.compile(rf"checkpoint-\d+\.npz|{re.escape(ROWS)}")


@dataclass(frozen=True, eq=False)
class State:
    """All that the next epoch depends on.

    Args:
        rows: the history so far.
        chance: of the generator, as numpy tells it.
        current: variables of network and optimizer.
        best: variables of the network at the epoch of the lowest validation loss.
    """

    rows: tuple[Row, ...]
    chance: dict[str, Any]
    current: list[Floats]
    best: list[Floats]

    @property
    def best_epoch(self) -> int:
        """Epochs done when the validation loss was lowest; 0 before the first."""
        losses = [row["validation_loss"] for row in self.rows]
        return int(np.argmin(losses)) + 1 if losses else 0


@dataclass(frozen=True)
class Checkpoint:
    """Where the state of a training is kept between epochs.

    Args:
        home: the folder of the training.
        key: tells the training from another, whose states are of no use.
        part: of the training: each has a state of its own.
    """

    home: Storage
    key: str
    part: int = 0

    @property
    def name(self) -> str:
        """The name of the file."""
        return f"checkpoint-{self.part}.npz"

    def all(self) -> list[str]:
        """The names of the files of all parts."""
        return [name for name in self.home.names() if _STATE.fullmatch(name)]

    def clear(self) -> None:
        """Remove all states, when the training is done."""
        for name in self.all():
            self.home.remove(name)

    def load(self) -> State | None:
        """The state after the last epoch that was done; None where there is none of use."""
        if not self.home.exists(self.name):
            return None
        try:
            with np.load(io.BytesIO(self.home.read(self.name)), allow_pickle=False) as file:
                told = json.loads(str(file["told"]))
                parts = {
                    kind: [file[f"{kind}_{place}"] for place in range(told[kind])]
                    for kind in ("current", "best")
                }
        except (OSError, ValueError, KeyError):
            return None  # of another version, or damaged: the fit begins anew
        if told["key"] != self.key:
            return None
        return State(tuple(told["rows"]), told["chance"], parts["current"], parts["best"])

    def save(self, state: State) -> None:
        """Keep a state in place of the last one: whole or not at all."""
        kept = {"current": state.current, "best": state.best}
        told = {
            **{kind: len(parts) for kind, parts in kept.items()},
            "key": self.key,
            "rows": state.rows,
            "chance": state.chance,
        }
        arrays: dict[str, Any] = {
            f"{kind}_{place}": part
            for kind, parts in kept.items()
            for place, part in enumerate(parts)
        }
        content = io.BytesIO()
        np.savez(content, told=np.array(json.dumps(told)), **arrays)
        self.home.put(self.name, content.getvalue())


def fit(
    network: Any, tiles: Prepared, how: FittedSettings, seed: int, kept: Checkpoint, say: Progress
) -> tuple[Row, ...]:
    """Train a network until it gets no better on the tiles that are apart; it ends as the best one.

    An epoch that was kept is not done again: the training goes on after it, with the same chance.

    Args:
        network: a Keras model from normalized pixels to logits; it is changed.
        tiles: to learn from, and apart.
        how: it is fitted.
        seed: makes chance repeatable.
        kept: where the state after each epoch is kept.
        say: called after each epoch.

    Returns:
        a row an epoch.
    """
    generator = np.random.default_rng(seed)
    weights = class_weights(tiles.labels, tiles.classes)
    shown = Batches(tiles.pixels, tiles.labels, weights, how.batch, generator)
    with computing_in(network, how):
        trainer = trainer_of(network, how, how.epochs * len(shown), seed)
        state = kept.load()
        if state is None:
            state = State((), dict(generator.bit_generator.state), _values(_all(trainer)), [])
        _set(_all(trainer), state.current)
        generator.bit_generator.state = state.chance
        for after in _epochs(trainer, tiles, shown, state, how):
            kept.save(after)
            state, row = after, after.rows[-1]
            told = f"{row['validation_accuracy']:.1%} of the validation {tiles.unit} are right"
            say(Step(int(row["epoch"]), how.epochs, "epochs", told))
    _set(network.variables, state.best)
    return state.rows


def _epochs(
    trainer: Any, tiles: Prepared, shown: Batches, state: State, how: FittedSettings
) -> Iterator[State]:
    while len(state.rows) < how.epochs and len(state.rows) - state.best_epoch < how.patience:
        logs = np.array([trainer.train_on_batch(*batch) for batch in shown])
        loss, accuracy = logs.mean(0).tolist()
        row = {"epoch": len(state.rows) + 1, "loss": loss, "accuracy": accuracy}
        row |= _validated(trainer, tiles)
        chance = dict(shown.generator.bit_generator.state)
        state = replace(
            state, rows=(*state.rows, row), chance=chance, current=_values(_all(trainer))
        )
        if state.best_epoch == len(state.rows):
            state = replace(state, best=_values(trainer.network.variables))
        yield state


def _validated(trainer: Any, tiles: Prepared) -> Row:
    assert tiles.apart is not None and tiles.apart_labels is not None
    logits, truth = logits_of(trainer, tiles.apart, tiles.apart_labels)
    sure = np.maximum(softmax(logits)[np.arange(len(truth)), truth], 1e-12)
    return {
        "validation_loss": float(-np.log(sure).mean()),
        "validation_accuracy": float((logits.argmax(1) == truth).mean()),
    }


def _all(trainer: Any) -> list[Any]:
    """All that the next epoch depends on: of the network, of chance, and of the optimizer."""
    return [*trainer.variables, *trainer.optimizer.variables]


def _values(variables: list[Any]) -> list[Floats]:
    return [np.array(variable) for variable in variables]


def _set(variables: list[Any], values: list[Floats]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
