"""The land use of a county on two dates: a map of each, their accuracy, what was built, one report.

    python examples/county.py [--output DIRECTORY] [--size METRES] [--backend NAME]

It tells the story of Microsoft's guide of 2017 (Middlesex County, Massachusetts, in 65,563 tiles) on a
county that is generated, so that the truth is known: in its second year the fields have other crops
and the summer is drier, which shifts all colours, and at some places houses were built. docs/county.md
explains what it prints. With 6,144 m, tiles of 24 m make as many tiles as the guide had.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
import pandas as pd
import rasterio

import landcover as lc
from landcover.classes import scheme
from landcover.datasets.landscape import Landscape, write_landscape
from landcover.datasets.later import Later
from landcover.report.overview import overview_figure

matplotlib.use("Agg")

TILE = 24  # metres, and pixels
CLASSES = scheme("nlcd6")
DEVELOPED = next(one.code for one in CLASSES if one.name == "Developed")
THRESHOLDS = (0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98)

Codes = npt.NDArray[np.uint8]


def main() -> None:
    """Generate, train, score, measure, smooth, compare and report."""
    parser = argparse.ArgumentParser(description="Map a generated county on two dates.")
    parser.add_argument("--output", type=Path, default=Path("runs/county"))
    parser.add_argument("--size", type=int, default=6144, help="edge of the county in metres")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--backend", default="local", help="local, dask or spark")
    given = parser.parse_args()
    home: Path = given.output
    shutil.rmtree(home, ignore_errors=True)

    print(f"generating a county of {given.size / 1000:.1f} km on two dates")
    training = write_landscape(home / "training", max(768, given.size // 3), seed=2)
    dates = {
        "before": write_landscape(home / "county" / "before", given.size, seed=1),
        "after": write_landscape(home / "county" / "after", given.size, seed=1, later=Later()),
    }
    model = train(training, home, given.epochs)
    runs = {date: score(scene, model, home / date, given.backend) for date, scene in dates.items()}

    print("\nshare of each class in per cent\n")
    print(shares(dates, runs).round(1).to_string())

    smoothed = {date: run.smooth(home / f"{date}-smooth") for date, run in runs.items()}
    print("\ntiles whose label is the reference's commonest class\n")
    print(accuracies(dates, runs, smoothed).round(3).to_string())

    print("\nnewly developed tiles that were found, and false alarms\n")
    curve = found(dates, runs, home)
    print(curve.to_string(index=False, formatters={"found": "{:.1%}".format}))
    draw_curve(curve, home / "curve.png")

    change = lc.change(
        runs["before"], runs["after"], output=home / "change", after_classes=["Developed"]
    )
    print(f"\n{change.summary['candidates']} candidates: {change.path}/candidates.gpkg")
    panels = {
        "reference, before": dates["before"].reference,
        "before": home / "before-smooth" / "map.tif",
        "after": home / "after-smooth" / "map.tif",
    }
    overview_figure(dates["after"].imagery, panels, CLASSES, home / "county.png")
    references = [scene.reference for scene in dates.values()]
    lc.write_report(list(runs.values()), home / "report.html", change=change, reference=references)
    print(f"the maps: {home}/county.png; everything in one file: {home}/report.html")


def train(landscape: Landscape, home: Path, epochs: int) -> str:
    """Train a small network on labelled tiles of another landscape of the same kind."""
    tiles = lc.prepare(
        {
            "source": {"rasters": str(landscape.imagery), "tile": TILE},
            "reference": {"path": str(landscape.reference), "scheme": CLASSES.name},
            "labels": {"rule": "majority", "share": 0.5},
            "split": {
                "shares": {"train": 0.7, "validation": 0.15, "test": 0.15},
                "block": 4 * TILE,  # metres: small enough for every split to have every class
                "buffer": TILE / 2,
            },
            "draw": {"balance": "none"},
            "output": str(home / "tiles"),
        }
    )
    # Another year has other colours.
    method = {"name": "network", "epochs": epochs, "width": 16, "variation": 0.5}
    trained = lc.train(data=tiles.path, output=home / "model", method=method)
    print(f"{trained.accuracy:.1%} right of {tiles.counts['test'].sum()} tiles of ground apart")
    return trained.model


def score(scene: Landscape, model: str, output: Path, backend: str) -> lc.Run:
    """Label every tile of a date; its probabilities tell changes from errors later."""
    run = lc.score(
        rasters=str(scene.imagery),
        model=model,
        output=output,
        backend=backend,
        overrides={"output.probabilities": True},
    )
    print(f"{run.summary['tiles']['scored']:,} tiles of {output.name}")
    return run


def shares(dates: dict[str, Landscape], runs: dict[str, lc.Run]) -> pd.DataFrame:
    """The table of the guide: what part of the county each class has, by the reference and the maps."""
    columns = {}
    for date, scene in dates.items():
        codes = read(scene.reference)
        known = codes[codes != CLASSES.nodata]
        reference = {one.name: 100 * float((known == one.code).mean()) for one in CLASSES}
        columns[f"reference, {date}"] = pd.Series(reference)
        columns[f"map, {date}"] = 100 * runs[date].areas()["share"]
    return pd.DataFrame(columns)


def accuracies(
    dates: dict[str, Landscape], runs: dict[str, lc.Run], smoothed: dict[str, lc.Run]
) -> pd.DataFrame:
    """What smoothing gains, in six classes and in the guide's three."""
    rows = {}
    for date, scene in dates.items():
        for name, run in ((date, runs[date]), (f"{date}, smoothed", smoothed[date])):
            levels = run.accuracy(scene.reference).levels
            rows[name] = {level: accuracy.overall for level, accuracy in levels.items()}
    return pd.DataFrame(rows).T


def found(dates: dict[str, Landscape], runs: dict[str, lc.Run], home: Path) -> pd.DataFrame:
    """How much of what was built is found, by comparing labels and by probability."""
    planted, before, after = (
        majority(dates["after"].reference) == DEVELOPED,
        read(home / "before" / "map.tif"),
        read(home / "after" / "map.tif"),
    )
    planted &= majority(dates["before"].reference) != DEVELOPED
    known = (before != CLASSES.nodata) & (after != CLASSES.nodata)
    rows = [row("labels that differ", (before != after) & (after == DEVELOPED) & known, planted)]
    for threshold in THRESHOLDS:
        change = lc.change(
            *(runs["before"], runs["after"]),
            output=home / f"change-{threshold}",
            after_classes=["Developed"],
            threshold=threshold,
            chips=0,
        )
        rows.append(row(f"change, threshold {threshold}", developed(change), planted))
    return pd.DataFrame(rows)


def developed(change: lc.Change) -> npt.NDArray[np.bool_]:
    """Which tiles count as newly developed."""
    codes = read(Path(change.path, "change.tif"))
    new = [one.code for one in change.directory.scheme if one.name.endswith("Developed")]
    return np.isin(codes, new)


def row(
    method: str, alarm: npt.NDArray[np.bool_], planted: npt.NDArray[np.bool_]
) -> dict[str, object]:
    """Count what was found of what was planted, and what was not planted."""
    return {
        "method": method,
        "found": float((alarm & planted).sum() / planted.sum()),
        "false alarms": int((alarm & ~planted).sum()),
    }


def draw_curve(table: pd.DataFrame, path: Path) -> None:
    """How much is found against how many false alarms there are, by threshold."""
    labels, change = table.iloc[0], table.iloc[1:]
    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    axes.plot(change["false alarms"], 100 * change["found"], "o-", label="landcover change")
    for _, one in change.iterrows():
        place = one["false alarms"], 100 * one["found"]
        axes.annotate(one["method"].split()[-1], place, (4, -12), textcoords="offset points")
    axes.plot(labels["false alarms"], 100 * labels["found"], "rX", label="labels that differ")
    axes.set(xlabel="false alarms, tiles", ylabel="found of what was built, %", xlim=(0, None))
    axes.legend(loc="lower right")
    figure.savefig(path, dpi=100)


def majority(reference: Path) -> Codes:
    """The commonest class of each tile of a reference raster, dims (tile row, tile column)."""
    codes = read(reference)
    rows, columns = (-(-edge // TILE) for edge in codes.shape)
    whole = np.full((rows * TILE, columns * TILE), CLASSES.nodata, np.uint8)
    whole[: codes.shape[0], : codes.shape[1]] = codes
    tiles = whole.reshape(rows, TILE, columns, TILE)
    kinds = np.array([*CLASSES.codes, CLASSES.nodata], np.uint8)
    found: Codes = kinds[np.stack([(tiles == one).sum((1, 3)) for one in kinds]).argmax(0)]
    return found


def read(path: Path) -> Codes:
    """The codes of a raster, dims (y, x)."""
    with rasterio.open(path) as file:
        codes: Codes = file.read(1)
    return codes


if __name__ == "__main__":
    main()
