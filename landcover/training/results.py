"""What a training leaves behind: a network with its sidecar, figures, a card, and all of it as JSON."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

from landcover.analysis.accuracy import Accuracy
from landcover.datasets.folders import LabelledFolder
from landcover.errors import OutputError
from landcover.local_files import scratch
from landcover.report.figures import confusion_figure
from landcover.runs.storage import Storage
from landcover.small_files import load_json
from landcover.training.calibration import reliability, softmax
from landcover.training.card import card
from landcover.training.catalogue import item_of
from landcover.training.figures import curve_figure, history_figure, reliability_figure
from landcover.training.fitting import Checkpoint
from landcover.training.learned import Learned
from landcover.training.settings import TrainSettings

Floats = npt.NDArray[np.floating[Any]]

MODEL, ITEM, SUMMARY = "model.keras", "item.json", "training.json"
_LIBRARIES = ("landcover", "keras", "tensorflow", "numpy", "scikit-learn")


@dataclass(frozen=True, eq=False)
class Judged:
    """Probabilities that a network gives to tiles or pixels that nothing was learned from.

    Args:
        what: which these are, in words.
        unit: "tiles" or "pixels".
        probabilities: dims (tile, class).
        truth: dims (tile,), indices of classes.
        error_before: expected calibration error before the temperature.
    """

    what: str
    unit: str
    probabilities: Floats
    truth: npt.NDArray[np.integer[Any]]
    error_before: float

    def accuracy(self, names: Sequence[str]) -> Accuracy:
        """Its confusion matrix."""
        matrix = np.zeros((len(names), len(names)), np.int64)
        np.add.at(matrix, (self.truth, self.probabilities.argmax(1)), 1)
        return Accuracy(tuple(names), matrix, unit=self.unit)

    def told(self, names: Sequence[str]) -> dict[str, Any]:
        """All figures as plain JSON values."""
        error = reliability(self.probabilities, self.truth).error
        return {
            "of": self.what,
            **self.accuracy(names).to_json(),
            "calibration_error": round(error, 6),
            "calibration_error_before": round(self.error_before, 6),
        }


def judged_by(
    what: str,
    logits: Floats,
    truth: npt.NDArray[np.integer[Any]],
    temperature: float,
    unit: str,
) -> Judged:
    """What logits come to, divided by the temperature."""
    before = reliability(softmax(logits), truth).error
    return Judged(what, unit, softmax(logits / temperature), truth, before)


@dataclass(frozen=True, eq=False)
class Trained:
    """A network that was trained.

    Args:
        path: the folder with all that was written.
        summary: what its ``training.json`` says.
    """

    path: str
    summary: dict[str, Any]

    @property
    def model(self) -> str:
        """The network's file; its sidecar lies beside it."""
        return Storage(self.path).where(MODEL)

    @property
    def accuracy(self) -> float:
        """Share of the test tiles (or pixels) that are labelled right, or of the validation's where none are."""
        return float(self.summary["judged"][-1]["overall"])


def finished(wanted: TrainSettings, folder: LabelledFolder) -> Trained | None:
    """What an earlier training of the same left; None where there is none.

    Raises:
        OutputError: another training has written there.
    """
    home = Storage(wanted.output)
    if not home.exists(SUMMARY):
        return None
    try:
        found = load_json(home.read(SUMMARY))
        if not isinstance(found, dict):
            raise TypeError("it is no mapping")
    except (OSError, ValueError, TypeError) as error:
        reason = f"holds a {SUMMARY} that cannot be read ({error}): name another output"
        raise OutputError(wanted.output, reason) from None
    if found.get("fingerprint") != fingerprint_of(wanted, folder):
        reason = (
            "holds another training (other settings or tiles): name another output, or --restart"
        )
        raise OutputError(wanted.output, reason)
    return Trained(wanted.output, found)


def write_results(
    home: Storage,
    wanted: TrainSettings,
    folder: LabelledFolder,
    learned: Learned,
    network: Any,
    sidecar: dict[str, Any],
    temperature: float,
    judged: Sequence[Judged],
) -> Trained:
    """Write all of it; ``training.json`` last, so that where it lies all else is whole.

    Args:
        home: where it goes, held by this process (:func:`landcover.runs.lock.only_run`).
        wanted: what was asked for.
        folder: the tiles that were learned from.
        learned: what came out.
        network: as it is kept, with probabilities at its end.
        sidecar: what its sidecar says.
        temperature: that its logits were divided by.
        judged: how often it is right.

    Raises:
        OutputError: something cannot be written.
    """
    home.remove(SUMMARY)  # of an earlier training, which all that follows is not of
    summary = {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "settings": wanted.model_dump(mode="json", exclude_none=True),
        "method": learned.method,
        "output": sidecar["output"],
        "chosen": {**learned.chosen, "temperature": round(temperature, 6)},
        "classes": list(folder.classes),
        "counts": folder.counts(),
        **({"curve": list(learned.curve)} if learned.curve else {}),
        "judged": [one.told(folder.classes) for one in judged],
        "versions": {name: version(name) for name in _LIBRARIES},
        "fingerprint": fingerprint_of(wanted, folder),
    }
    home.put(MODEL, _saved(network))
    text = yaml.safe_dump(sidecar, sort_keys=False, default_flow_style=None, allow_unicode=True)
    home.put(MODEL.replace(".keras", ".yaml"), text.encode())
    item = item_of(home.where(MODEL), MODEL, summary)
    home.put(ITEM, json.dumps(item, indent=2).encode() + b"\n")
    _write_figures(home, folder, learned, judged)
    home.put("CARD.md", card(summary).encode())
    home.put(SUMMARY, json.dumps(summary, indent=2, ensure_ascii=False).encode())
    Checkpoint(home, "").clear()
    return Trained(wanted.output, summary)


def _write_figures(
    home: Storage, folder: LabelledFolder, learned: Learned, judged: Sequence[Judged]
) -> None:
    drawn = io.BytesIO()
    confusion_figure(judged[-1].accuracy(folder.classes).matrix, folder.classes, drawn)
    home.put("confusion.png", drawn.getvalue())
    drawn = io.BytesIO()
    reliability_figure(
        {one.what: reliability(one.probabilities, one.truth) for one in judged}, drawn
    )
    home.put("reliability.png", drawn.getvalue())
    figures = (("history", learned.history, history_figure), ("curve", learned.curve, curve_figure))
    for name, rows, draw in figures:
        if rows:
            home.put(f"{name}.csv", _table(rows))
            drawn = io.BytesIO()
            draw(rows, drawn)
            home.put(f"{name}.png", drawn.getvalue())


def _table(rows: Sequence[Mapping[str, float]]) -> bytes:
    table = io.StringIO()
    writer = csv.DictWriter(table, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return table.getvalue().encode()


def _saved(network: Any) -> bytes:
    with scratch() as folder:
        path = folder / MODEL
        network.save(path)
        return path.read_bytes()


def fingerprint_of(wanted: TrainSettings, folder: LabelledFolder) -> str:
    """Tells a training from another: by its settings but for the output, and by its tiles."""
    digest = hashlib.sha256()
    settings = wanted.model_dump(mode="json", exclude={"output", "data", "license"})
    digest.update(json.dumps([settings, folder.classes], sort_keys=True).encode())
    for name, images in sorted(folder.splits.items()):
        digest.update(name.encode())
        digest.update(images.labels.tobytes())
        digest.update(images.pixels.tobytes())
    return digest.hexdigest()
