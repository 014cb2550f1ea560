"""What ``change.json`` says: what was compared, how, and how much ground changed."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt

from landcover.analysis.change.blocks import Comparison, Tally
from landcover.analysis.change.inputs import Inputs
from landcover.analysis.change.legend import FLICKER, UNCHANGED
from landcover.analysis.dated import names_of
from landcover.runs.directory import RunDirectory
from landcover.runs.maps.maker import Maps

_RULE = (
    "A change to a class counts where it is likelier than errors of the labels: by Bayes' rule, with "
    "the evidence of every date, and a first guess of how likely a change is that the eight places "
    "around correct by their own evidence (docs/analysis.md has the formula)."
)


def summary(
    found: Inputs,
    comparison: Comparison,
    tally: Tally,
    maps: Maps,
    hectares: Sequence[float],
    words: Sequence[str],
) -> dict[str, Any]:
    """All figures as plain JSON values.

    Args:
        found: the runs.
        comparison: how they were compared.
        tally: what was counted.
        maps: the map of changes.
        hectares: of each run's whole map.
        words: what the labels of each run are worth.
    """
    scheme, grid, legend = found.scheme, found.grid, comparison.legend
    names = names_of(found.dated)
    pixels, common = (float(one.sum()) for one in tally.pairs)
    shown = [item for item in legend.scheme if maps.counts.get(item.code)]
    return {
        "status": "done",
        "runs": [
            {"path": run.path, "name": name, "date": date or None, **_of_run(run), "evidence": said}
            for (run, date), name, said in zip(found.dated, names, words, strict=True)
        ],
        "classes": scheme.to_json()["classes"],
        "unit": found.unit,
        "grid": {
            "crs": grid.crs,
            "transform": list(grid.transform),
            "width": grid.width,
            "height": grid.height,
        },
        "overlap": {
            "pixels": int(pixels),
            "hectares": common,
            "shares": [common / one if one else None for one in hectares],
        },
        "rule": {**asdict(comparison.rule), "neighbours": 8, "text": _RULE},
        "transitions": transitions(scheme.names, tally),
        "areas": _areas(scheme.names, names, tally),
        "flicker": _flicker(scheme.names, tally) if len(found.runs) > 2 else None,
        "legend": [
            {
                "code": item.code,
                "name": item.name,
                "color": item.color,
                **_pair(comparison, item.code),
            }
            for item in shown
        ],
    }


def transitions(names: Sequence[str], tally: Tally) -> list[dict[str, Any]]:
    """A row a pair of classes that occurs, those that stay included; in the order of the scheme."""
    rows = []
    for before, after in np.argwhere(tally.pairs[0] > 0).tolist():
        pixels, hectares = tally.pairs[:, before, after].tolist()
        decided = tally.decided[:, before, after].tolist()
        rows.append(
            {
                "from": names[before],
                "to": names[after],
                "pixels": int(pixels),
                "hectares": hectares,
                "decided_pixels": int(decided[0]),
                "decided_hectares": decided[1],
            }
        )
    return rows


def transitions_table(said: Mapping[str, Any]) -> str:
    """The transitions as CSV."""
    sink = io.StringIO()
    columns = ("from", "to", "pixels", "hectares", "decided_pixels", "decided_hectares")
    table = csv.DictWriter(sink, columns, lineterminator="\n")
    table.writeheader()
    table.writerows(said["transitions"])
    return sink.getvalue()


def _areas(names: Sequence[str], runs: Sequence[str], tally: Tally) -> list[dict[str, Any]]:
    """A row a date and class, of the ground that all dates show."""
    present = np.flatnonzero(tally.dates[0].sum(axis=0))
    return [
        {
            "run": run,
            "class": names[index],
            "pixels": int(tally.dates[0, date, index]),
            "hectares": float(tally.dates[1, date, index]),
        }
        for date, run in enumerate(runs)
        for index in present.tolist()
    ]


def _flicker(names: Sequence[str], tally: Tally) -> dict[str, Any]:
    kinds = [
        {"class": names[own], "between": names[other], **_amount(tally.flicker[:, own, other])}
        for own, other in np.argwhere(tally.flicker[0] > 0).tolist()
    ]
    return {**_amount(tally.flicker.sum(axis=(1, 2))), "kinds": kinds}


def _amount(of: npt.NDArray[np.float64]) -> dict[str, Any]:
    return {"pixels": int(of[0]), "hectares": float(of[1])}


def _of_run(run: RunDirectory) -> dict[str, Any]:
    return {"fingerprint": run.manifest().get("fingerprint", {}).get("digest")}


def _pair(comparison: Comparison, code: int) -> dict[str, Any]:
    if code in (UNCHANGED, FLICKER):
        return {"from": None, "to": None}
    names = comparison.legend.classes.names
    before, after = comparison.legend.pair(code)
    return {"from": names[before], "to": names[after]}
