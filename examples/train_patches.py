"""Train a network on folders of labelled images, then score images that it never saw.

    python examples/train_patches.py FOLDER [--output DIRECTORY] [--epochs N]

FOLDER holds ``train/`` and ``test/``, each with one folder of image files for each class. The files
of ``test/`` are only used to measure the finished network.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import landcover as lc


def main() -> None:
    """Train, score and say how good the labels are."""
    parser = argparse.ArgumentParser(description="Train on folders of labelled images.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--output", type=Path, default=Path("runs/patches"))
    parser.add_argument("--epochs", type=int, default=30)
    given = parser.parse_args()
    if not (given.folder / "train").is_dir() or not (given.folder / "test").is_dir():
        parser.error(f"{given.folder} must hold the folders train and test")

    home = given.output / time.strftime("%Y%m%d-%H%M%S")  # a run never overwrites another one
    # The images to be scored may come from other places and other flights, with other colours.
    method = {"name": "network", "epochs": given.epochs, "variation": 0.5}
    trained = lc.train(data=given.folder, output=home, method=method)
    for judged in trained.summary["judged"]:
        print(f"{judged['overall']:.1%} right of {judged['of']}")

    run = lc.score(
        images=str(given.folder / "test"),
        model=trained.model,
        output=home / "test",
        overrides={"source.labels": "parent"},  # the name of an image's folder is its true label
    )
    print(run.summary["accuracy"]["text"])
    print(f"where they differ: {run.path}/confusion.png; of the network: {home}/CARD.md")


if __name__ == "__main__":
    main()
