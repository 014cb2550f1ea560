"""Use a network that was trained with CNTK, without CNTK: what is in it, labels of images, plain ONNX.

    python examples/cntk_network.py MODEL IMAGES --classes A,B,C [--mean M] [--scale S] [--output DIRECTORY]

MODEL is a file of CNTK 1 or 2, IMAGES a folder with images of the size that it reads. The file holds its
weights, not what was done to pixels before: classes, mean and scale are those of the training script.
docs/cntk.md tells where to look for them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import landcover as lc
from landcover.models.export import as_onnx, save_onnx
from landcover.models.inspection.inspection import inspect_model


def main() -> None:
    """Look into the file, score images, and write the network as ONNX."""
    parser = argparse.ArgumentParser(description="Use a network that was trained with CNTK.")
    parser.add_argument("model")
    parser.add_argument("images", type=Path)
    parser.add_argument("--classes", required=True, help="names, in the order of the output")
    parser.add_argument("--mean", type=float, default=0.0, help="is subtracted from pixels")
    parser.add_argument("--scale", type=float, default=1.0, help="is multiplied afterwards")
    parser.add_argument("--output", type=Path, default=Path("runs/cntk"))
    given = parser.parse_args()

    network = inspect_model(given.model).network
    for port in (*network.inputs, *network.outputs):
        print(f"{port.name}: {port.shape}")

    run = lc.score(
        images=str(given.images),
        model={
            "path": given.model,
            "classes": given.classes.split(","),
            "mean": given.mean,
            "scale": given.scale,
            "channel_order": "bgr",  # CNTK's image reader delivers blue first
        },
        output=given.output / "run",
    )
    print(run.tiles()["label"].value_counts().to_string())

    onnx = given.output / "network.onnx"
    save_onnx(as_onnx(given.model), onnx, force=True)
    print(f"the same network for other programs: {onnx}")


if __name__ == "__main__":
    main()
