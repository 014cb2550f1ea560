"""Train a network on folders of labelled images, then score images that it never saw.

    python examples/train_patches.py FOLDER [--output DIRECTORY] [--epochs N]

FOLDER holds ``train/`` and ``test/``, each with one folder of image files for each class. The files
of ``test/`` are only used to measure the finished network.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

import landcover as lc
from landcover.training.classifier import Epoch, train_classifier


def main() -> None:
    """Train, score and say how good the labels are."""
    parser = argparse.ArgumentParser(description="Train on folders of labelled images.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--output", type=Path, default=Path("runs/patches"))
    parser.add_argument("--epochs", type=int, default=30)
    given = parser.parse_args()
    if not (given.folder / "train").is_dir() or not (given.folder / "test").is_dir():
        parser.error(f"{given.folder} must hold the folders train and test")

    classes = sorted(path.name for path in (given.folder / "train").iterdir() if path.is_dir())
    pixels, labels = read_images(given.folder / "train", classes)
    print(f"training on {len(labels):,} images of {', '.join(classes)}")
    home = given.output / time.strftime("%Y%m%d-%H%M%S")  # a run never overwrites another one
    history = train_classifier(
        pixels,
        labels,
        classes,
        home / "patches.keras",
        epochs=given.epochs,
        # The images to be scored may come from other places and other flights, with other colours.
        variation=0.5,
        progress=show,
    )
    print(f"{history.held_out_accuracy:.1%} of {history.held_out} images held out of training")

    run = lc.score(
        images=str(given.folder / "test"),
        model=history.path,
        output=home / "test",
        overrides={"source.labels": "parent"},  # the name of an image's folder is its true label
    )
    print(run.summary["accuracy"]["text"])
    print(f"where they differ: {run.path}/confusion.png")


def read_images(
    folder: Path, classes: list[str]
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Read a folder per class: pixels with dims (tile, band, y, x), and an index for each."""
    paths = [path for name in classes for path in sorted((folder / name).iterdir())]
    pixels = np.stack([np.asarray(Image.open(path).convert("RGB")) for path in paths])
    labels = np.array([classes.index(path.parent.name) for path in paths])
    return pixels.transpose(0, 3, 1, 2), labels


def show(epoch: Epoch) -> None:
    """Say how far the training has come."""
    print(f"  epoch {epoch.number:2} of {epoch.epochs}: {epoch.accuracy:.1%} right in training")


if __name__ == "__main__":
    main()
