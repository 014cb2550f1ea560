"""How a training went, and how far its probabilities are to be believed, as PNG files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from landcover.report.legend import INK, QUIET
from landcover.training.calibration import Reliability

_DPI = 120
_COLORS = ("#2b6ca3", "#c8553d")


def reliability_figure(found: Mapping[str, Reliability], out_png: str | Path | IO[bytes]) -> None:
    """Draw how often labels are right against how sure the network is of them.

    Args:
        found: by words for the tiles; two at most.
        out_png: where the figure goes.
    """
    figure, (axes,) = _axes(1, 4.6)
    axes.plot([0, 1], [0, 1], color=QUIET, lw=0.8, ls="--")
    for color, (what, one) in zip(_COLORS, found.items(), strict=False):
        told = f"{what}: expected calibration error {one.error:.3f}"
        axes.plot(one.confidence, one.accuracy, "o-", color=color, ms=4, lw=1.2, label=told)
    axes.set(xlim=(0, 1), ylim=(0, 1.02))
    axes.set_xlabel("probability of the label", color=INK)
    axes.set_ylabel("share of labels that are right", color=INK)
    axes.legend(frameon=False, fontsize=7, loc="upper left")
    figure.savefig(out_png)


def history_figure(history: Sequence[Mapping[str, float]], out_png: str | Path | IO[bytes]) -> None:
    """Draw loss and accuracy of training and validation by epoch.

    Args:
        history: a row an epoch, with ``epoch``, ``loss``, ``accuracy``, ``validation_loss`` and
            ``validation_accuracy``.
        out_png: where the figure goes.
    """
    figure, both = _axes(2, 8.0)
    epochs = [row["epoch"] for row in history]
    for axes, key in zip(both, ("loss", "accuracy"), strict=True):
        for color, name in zip(_COLORS, (key, f"validation_{key}"), strict=True):
            label = "validation" if name != key else "training"
            axes.plot(epochs, [row[name] for row in history], color=color, lw=1.4, label=label)
        axes.set_xlabel("epoch", color=INK)
        axes.set_ylabel(key, color=INK)
    both[0].legend(frameon=False, fontsize=8)
    figure.savefig(out_png)


def curve_figure(rows: Sequence[Mapping[str, float]], out_png: str | Path | IO[bytes]) -> None:
    """Draw how often labels are right by the number of labels that were learned from.

    Args:
        rows: a row a training, with ``labels`` of each class and ``accuracy``.
        out_png: where the figure goes.
    """
    figure, (axes,) = _axes(1, 4.6)
    numbers = sorted({row["labels"] for row in rows})
    found = [[row["accuracy"] for row in rows if row["labels"] == number] for number in numbers]
    axes.plot(numbers, [sum(of) / len(of) for of in found], color=_COLORS[0], lw=1.4)
    for number, of in zip(numbers, found, strict=True):
        axes.plot([number] * len(of), of, "o", color=_COLORS[0], ms=4, alpha=0.6)
    axes.set_xscale("log")
    axes.set_xticks(numbers, [f"{number:,.0f}" for number in numbers])
    axes.minorticks_off()
    axes.set_xlabel("labels a class", color=INK)
    axes.set_ylabel("share of labels that are right", color=INK)
    figure.savefig(out_png)


def _axes(count: int, wide: float) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(wide, 3.8), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    found = [figure.add_subplot(1, count, place + 1) for place in range(count)]
    for axes in found:
        axes.spines[["top", "right"]].set_visible(False)
    return figure, found
