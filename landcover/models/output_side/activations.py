"""Whether what a network returns are probabilities, or what makes them of it."""

from __future__ import annotations

import logging

import numpy as np

from landcover.config import ModelSettings
from landcover.errors import ModelError
from landcover.models.graph_analysis.ending import Ending
from landcover.models.preprocessing.specification import Activation, Output, Probabilities

log = logging.getLogger(__name__)

# How far the probabilities of an image may be from a sum of 1: rounding of half precision.
_TOLERANCE = 1e-3


def activation_of(
    raw: Probabilities, output: Output, ending: Ending, told: ModelSettings, shown: str
) -> tuple[Activation, bool]:
    """What is still to be done to what a network returns, so that it is probabilities.

    The last operations of its graph say it. Where they do not, only numbers that sum to 1 over the
    classes for any noise are taken for what they look like; anything else is asked for.

    Args:
        raw: what it returned for noise.
        output: what its axes are.
        ending: what its last operations say.
        told: what is told about it.
        shown: the model's name in messages.

    Returns:
        that, and whether it is told otherwise than it looks, which is warned of.

    Raises:
        ModelError: it cannot be found out, or what is told cannot be.
    """
    if output.form == "numbers":
        return _no_activation(told, shown), False
    single = output.form == "probability"
    if single and told.activation == "softmax":
        raise ModelError(
            shown, "returns one number, whose softmax is always 1: set activation to 'sigmoid'"
        )
    found: Activation | None = None
    if ending.kind in ("softmax", "sigmoid"):
        found = "none"
    elif ending.kind == "logits":
        found = "sigmoid" if single else "softmax"
    elif not single and _sums_to_one(raw, output):
        found = "none"
    if told.activation is not None:
        doubted = found == "none" and told.activation != "none"
        if doubted:
            word = told.activation
            log.warning("%s: activation is %r, but it ends in probabilities already", shown, word)
        return told.activation, doubted
    if found is None:
        ends = (
            f"ends in {ending.operation}" if ending.operation else "has no graph that is read here"
        )
        raise ModelError(
            shown,
            f"{ends}: whether it returns probabilities or logits cannot be told: set activation to "
            "none, sigmoid or softmax in the sidecar or the configuration",
        )
    return found, False


def _no_activation(told: ModelSettings, shown: str) -> Activation:
    if told.activation in ("softmax", "sigmoid"):
        raise ModelError(
            shown, f"returns the numbers of classes: take activation {told.activation!r} out"
        )
    return "none"


def _sums_to_one(raw: Probabilities, output: Output) -> bool:
    """Whether all that can be seen are probabilities; a network may divide by zero here and there."""
    sums = raw.sum(axis=output.class_axis)
    seen = np.isfinite(sums)
    least = np.nanmin(raw) if seen.any() else -1.0
    return bool(seen.any() and least >= 0 and np.abs(sums[seen] - 1).max() <= _TOLERANCE)
