"""What came of the tiles: checks before any is written, and what ``prepare.json`` says of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from landcover.errors import ConfigError, SourceError
from landcover.labelling.drawing import Cell
from landcover.labelling.folder import FIGURE, Prepared, described
from landcover.labelling.manifest import read_table
from landcover.labelling.planning import Plan
from landcover.labelling.settings import SPLITS
from landcover.local_files import scratch

_VERSIONS = ("landcover", "numpy", "rasterio", "pyproj", "pillow")


@dataclass(frozen=True)
class Outcome:
    """What ``prepare.json`` says.

    Args:
        plan: what was asked for.
    """

    plan: Plan

    def asked(self) -> dict[str, Any]:
        """What is known from the start."""
        plan, config = self.plan, self.plan.config
        first = plan.scenes[0]
        return {
            "config": config.recorded(),
            "rule": config.labels.rule,
            **({"share": config.labels.share} if config.labels.rule == "majority" else {}),
            "tile": config.source.tile,
            "resolution": config.source.resolution or plan.resolution,
            "bands": list(first.bands.read),
            "dtype": first.bands.dtype,
            "crs": plan.crs,
            "seed": config.draw.seed,
            "split": {"by": config.split.by, "buffer": plan.buffer, **self._block()},
            "versions": {name: version(name) for name in _VERSIONS},
            "planned": plan.source.count(),
        }

    def _block(self) -> dict[str, float]:
        return {"block": self.plan.block} if self.plan.config.split.by == "blocks" else {}

    def told(
        self,
        folder: Prepared,
        found: Mapping[Cell, int],
        left_out: Mapping[str, int],
        written: Iterable[Mapping[str, Any]],
    ) -> dict[str, Any]:
        """What is known at the end.

        Args:
            folder: of the tiles.
            found: tiles with a label, by split and class.
            left_out: those without, by reason.
            written: what tasks have written.
        """
        failed = [one for one in written if one["unreadable"]]
        left = {
            **left_out,
            "unreadable": left_out["unreadable"] + sum(one["unreadable"] for one in failed),
        }
        counts = Counter[tuple[str, str]]()
        for table in read_table(folder):
            counts.update(zip(table["split"].to_pylist(), table["class"].to_pylist(), strict=True))
        scheme = self.plan.legend.scheme
        there = [item for place, item in enumerate(scheme) if any(of == place for _, of in found)]
        splits = [name for place, name in enumerate(SPLITS) if any(of == place for of, _ in found)]
        return {
            "status": "done",
            "classes": [described(item) for item in there],
            "counts": {s: {item.name: counts[s, item.name] for item in there} for s in splits},
            "found": {
                name: {
                    item.name: found.get((SPLITS.index(name), scheme.names.index(item.name)), 0)
                    for item in there
                }
                for name in splits
            },
            "left_out": left,
            **({"unreadable": failed[0]["reason"]} if failed else {}),
        }


def check_found(plan: Plan, found: Mapping[Cell, int], left_out: Mapping[str, int]) -> None:
    """Refuse what no network can be trained and judged with, before anything is written.

    Args:
        plan: what was asked for.
        found: tiles with a label, by split and class.
        left_out: those without, by reason.

    Raises:
        SourceError: if no tile has a label, or all have the same one.
        ConfigError: if a class that is asked for has no tile, or one is missing in a split.
    """
    names, there = plan.legend.scheme.names, sorted({label for _, label in found})
    where = plan.config.reference.path
    why = ", ".join(f"{count:,} {reason}" for reason, count in left_out.items() if count)
    if not there:
        if left_out["no reference"] == plan.source.count():
            raise SourceError(where, "has no class anywhere under the tiles of the imagery")
        advice = "another labels.rule, a smaller labels.share or source.tile, or split.buffer: 0 leave more"
        raise SourceError(where, f"gives no tile a label ({why}): {advice}")
    asked = plan.config.labels.classes or ()
    held = {names[label].casefold() for label in there}
    missing = [name for name in asked if name.casefold() not in held]
    if missing:
        listed = ", ".join(names[label] for label in there)
        told = [
            f"no tile is of class {name!r} (there are {listed}; left out: {why})"
            for name in missing
        ]
        raise ConfigError(told, "labels.classes")
    if len(there) < 2:
        raise SourceError(
            where, f"all tiles are of class {names[there[0]]!r}: a network tells two at least"
        )
    _check_splits(plan, found, there)


def _check_splits(plan: Plan, found: Mapping[Cell, int], there: list[int]) -> None:
    names = plan.legend.scheme.names
    told = []
    for split in plan.config.split.wanted():
        place = SPLITS.index(split)
        empty = [names[label] for label in there if (place, label) not in found]
        if empty:
            told.append(f"{split} has no tile of {', '.join(map(repr, empty))}")
    if told:
        how = {
            "blocks": f"make blocks smaller (split.block is {plan.block:g} m)",
            "scene": "split by: blocks",
            "region": "widen its ground (split.regions)",
        }[plan.config.split.by]
        named = (
            f"name the classes that are wanted (labels.classes), {how}, or try another draw.seed"
        )
        raise ConfigError([*told, named], "split")


def write_figure(folder: Prepared, summary: Mapping[str, Any]) -> None:
    """Draw how many tiles there are of each class in each split.

    Raises:
        OutputError: if it cannot be written.
    """
    from landcover.report.bars import stacked_figure

    counts = summary["counts"]
    rows = {
        item["name"]: {split: counts[split][item["name"]] for split in counts}
        for item in summary["classes"]
    }
    with scratch() as made:
        picture = made / FIGURE
        stacked_figure(rows, "tiles", picture, "labelled tiles")
        folder.storage.put(FIGURE, picture.read_bytes())
