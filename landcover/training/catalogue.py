"""A trained network as an item of a STAC catalogue, by the Machine Learning Model extension."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from landcover.analysis.stac_model import model_item
from landcover.classes import classes_of, scheme
from landcover.config import ModelSettings, checked
from landcover.models.recipe import make_recipe


def item_of(model: str, file: str, summary: Mapping[str, Any]) -> dict[str, Any]:
    """The item, once the network's file and its sidecar are written: it is opened to find out.

    Args:
        model: where the network is.
        file: its name in the folder where the item goes too.
        summary: what ``training.json`` says.

    Raises:
        ModelError: the network cannot be used.
    """
    recipe = make_recipe(checked(ModelSettings, {"path": model}), here=False)
    classes = scheme(recipe.scheme) if recipe.scheme else classes_of(recipe.classes)
    found = model_item(recipe.as_dict(), classes)
    found["assets"]["model"]["href"] = f"./{file}"
    when = str(summary["created"]).replace("+00:00", "Z")
    found["properties"] |= {
        "title": f"Land cover: {summary['method']}",
        "datetime": when,
        "mlm:accelerator_constrained": False,
        "mlm:pretrained": True,
        "landcover:accuracy": summary["judged"][-1]["overall"],
    }
    if summary["settings"].get("license"):
        found["properties"]["license"] = summary["settings"]["license"]
    head = {"stac_version": "1.1.0", "type": "Feature", "id": f"model-{recipe.digest[:12]}"}
    return {**head, **found, "links": []}
