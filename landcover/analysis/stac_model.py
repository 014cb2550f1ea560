"""The model of a run as STAC's Machine Learning Model extension describes one (version 1.6)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from landcover.classes import Scheme

MODEL = "https://stac-extensions.github.io/mlm/v1.6.0/schema.json"
CLASSIFICATION = "https://stac-extensions.github.io/classification/v2.0.0/schema.json"
# The extension's own names of frameworks; others are called as the format is.
# What the extension calls numbers; others are "other".
_NUMBERS = {f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)} | {
    *("float16", "float32", "float64"),
}
_FRAMEWORKS = {"onnx": "ONNX", "keras": "Keras", "cntk": "CNTK"}


def classes_of_scheme(scheme: Scheme, counts: Sequence[int] | None = None) -> list[dict[str, Any]]:
    """Classes with codes, names and colours, as the Classification extension has them.

    Args:
        scheme: the classes. Names that are more than letters, digits, "-" and "_" stand in
            ``description`` as they are.
        counts: the pixels of a map that have each class, and none: what stands for no class is one
            of the classes of a map.
    """
    found: list[dict[str, Any]] = []
    for item in scheme:
        plain = re.sub(r"[^0-9A-Za-z_-]+", "-", item.name).strip("-") or "class"
        found.append(
            {
                "value": item.code,
                "name": plain,
                "description": item.name,
                "color_hint": item.color.lstrip("#").upper(),
            }
        )
    names = [item["name"] for item in found]
    for one in found:
        if names.count(one["name"]) > 1:
            one["name"] = f"{one['name']}-{one['value']}"
    if counts is None:
        return found
    none = {"value": scheme.nodata, "name": "nodata", "description": "No class", "nodata": True}
    return [
        {**one, "count": count, "percentage": 100 * count / sum(counts)}
        for one, count in zip([*found, none], counts, strict=True)
    ]


def model_item(model: Mapping[str, Any], scheme: Scheme) -> dict[str, Any]:
    """An item of a model, without an id, links and times: it lies nowhere.

    Args:
        model: what ``run.json`` says of it: its recipe.
        scheme: the classes, in the order of its output.
    """
    path = str(model["path"])
    stem = re.sub(r"[^A-Za-z0-9_.-]+", "-", PurePosixPath(path).stem).strip("-._")
    bands = [{"name": f"band-{band}"} for band in model["bands"]]
    task = "semantic-segmentation" if model["output"] == "pixel" else "scene-classification"
    kind = str(model["format"])
    properties = {
        "title": f"Model: {PurePosixPath(path).name}",
        "bands": bands,
        "mlm:name": f"model {stem or 'file'}",
        "mlm:architecture": "convolutional neural network",
        "mlm:framework": _FRAMEWORKS.get(kind.split("-")[0], "TensorFlow"),
        "mlm:tasks": [task],
        "mlm:input": [_input(model, [band["name"] for band in bands])],
        "mlm:output": [_output(model, scheme, task)],
        "landcover:digest": model["digest"],
        "landcover:runtime": model["runtime"],
    }
    file = {
        "href": path,
        "title": "The model's file",
        "type": "application/octet-stream",
        "roles": ["mlm:model"],
        "mlm:artifact_type": kind,
        "bands": bands,  # the core allows those of properties only where an asset has some
    }
    return {
        "stac_extensions": [MODEL],
        "geometry": None,
        "properties": properties,
        "assets": {"model": file},
    }


def _input(model: Mapping[str, Any], bands: list[str]) -> dict[str, Any]:
    """What the network takes: pixels of some bands, less a mean and scaled."""
    height, width = model["input_size"] or (-1, -1)
    sizes = {"N": -1, "C": len(bands), "H": height, "W": width}
    words = {"N": "batch", "C": "bands", "H": "height", "W": "width"}
    layout = str(model["layout"]) if set(str(model["layout"])) == set(sizes) else "NCHW"
    structure = {
        "shape": [sizes[letter] for letter in layout],
        "dim_order": [words[letter] for letter in layout],
        "data_type": model["reads"] if model["reads"] in _NUMBERS else "other",
    }
    found: dict[str, Any] = {"name": "imagery", "bands": bands, "input": structure}
    scaling = list(zip(model["mean"], model["scale"], strict=False))
    if scaling and all(scale for _, scale in scaling) and not model.get("mean_image"):
        found["value_scaling"] = [
            {"type": "z-score", "mean": mean, "stddev": 1 / scale} for mean, scale in scaling
        ]
    return found


def _output(model: Mapping[str, Any], scheme: Scheme, task: str) -> dict[str, Any]:
    """What comes out: a probability a class, of the tile or of each pixel."""
    pixel = model["output"] == "pixel"
    return {
        "name": "probabilities",
        "tasks": [task],
        "result": {
            "shape": [-1, len(scheme), *((-1, -1) if pixel else ())],
            "dim_order": ["batch", "class", *(("height", "width") if pixel else ())],
            "data_type": "float32",
        },
        "classification:classes": classes_of_scheme(scheme),
    }
