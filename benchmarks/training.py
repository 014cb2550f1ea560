"""How well do networks label that were trained on few labels and on many, and at what cost?

    python -m benchmarks.training FOLDER [--labels 10,50,0] [--seeds 5] [--methods probe,network]

FOLDER holds ``train/`` and ``test/``, each with one folder of image files for each class. So many labels
a class (0: all) are drawn from ``train/`` with each seed; ``test/`` only measures, by the shares of its
images that are labelled right. All choices that the methods make, they make within what was drawn.
Results go to ``benchmarks/results/training.json``.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import landcover as lc
from benchmarks.record import write_results


def main() -> None:
    """Train and measure each case, and say what came out."""
    parser = argparse.ArgumentParser(description="Accuracy of trained networks by labels.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--labels", default="10,50,0")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--methods", default="probe,network")
    given = parser.parse_args()
    rows = []
    for labels in map(int, given.labels.split(",")):
        for method in given.methods.split(","):
            # All labels are the same ones with each seed; filters and shuffling still differ.
            found = [measured(given.folder, labels, method, seed) for seed in range(given.seeds)]
            rows.append({"labels": labels or "all", "method": method, **summary(found)})
            print(json.dumps(rows[-1]), flush=True)
    print(write_results("training", rows, ["keras", "tensorflow", "scikit-learn"]))


def measured(folder: Path, labels: int, method: str, seed: int) -> dict[str, float]:
    """Train on some labels a class; accuracy on the test images, processor and wall seconds."""
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        draw(folder, labels, seed, home / "data")
        wall, cpu = time.perf_counter(), time.process_time()
        found = lc.train(data=home / "data", output=home / "out", method=method, seed=seed)
        return {
            "accuracy": found.accuracy,
            "calibration_error": found.summary["judged"][-1]["calibration_error"],
            "cpu_seconds": time.process_time() - cpu,
            "wall_seconds": time.perf_counter() - wall,
        }


def draw(folder: Path, labels: int, seed: int, home: Path) -> None:
    """Make a folder of links to some images a class, and to all test images."""
    generator = np.random.default_rng(seed)
    for source in sorted((folder / "train").iterdir()):
        files = sorted(source.iterdir())
        target = home / "train" / source.name
        target.mkdir(parents=True)
        for place in generator.permutation(len(files))[: labels or None]:
            (target / files[place].name).symlink_to(files[place].resolve())
    (home / "test").symlink_to((folder / "test").resolve())


def summary(found: list[dict[str, float]]) -> dict[str, Any]:
    """Mean and spread over seeds."""
    told: dict[str, Any] = {"seeds": len(found)}
    for key in found[0]:
        values = [one[key] for one in found]
        told[key] = round(statistics.mean(values), 4)
    accuracies = [one["accuracy"] for one in found]
    told["accuracies"] = [round(one, 4) for one in accuracies]
    told["deviation"] = round(statistics.stdev(accuracies), 4) if len(found) > 1 else None
    return told


if __name__ == "__main__":
    main()
