"""Whether what a network returns are probabilities, or what makes them of it."""

from __future__ import annotations

import logging

import numpy as np

from landcover.config import ModelSettings
from landcover.errors import ModelError
from landcover.models.graph_analysis.ending import Ending, head_for
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
    if ending.kind == "ranked":
        reason = (
            f"ends in {ending.operation}, which returns the largest scores and not whose they are"
        )
        raise ModelError(shown, f"{reason}: {head_for(ending.source)}, which it chooses from")
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
        made = "ends in" if found == "none" else "makes what it returns of"
        doubted = told.activation != "none" and (found == "none" or ending.probabilities != "")
        if doubted:
            word = told.activation
            log.warning("%s: activation is %r, but it %s probabilities already", shown, word, made)
        return told.activation, doubted
    if found is None:
        raise ModelError(shown, _not_told(raw, ending))
    return found, False


def _not_told(raw: Probabilities, ending: Ending) -> str:
    """That what a network returns may be anything, with what settles it."""
    ends = f"ends in {ending.operation}" if ending.operation else "has no graph that is read here"
    seen = raw[np.isfinite(raw)]
    low, high = (float(seen.min()), float(seen.max())) if seen.size else (0.0, 0.0)
    bounded = low >= 0 and high <= 1
    if ending.probabilities:
        still = ", or, if they are probabilities all the same, activation to none"
        return (
            f"{ends}, which follows probabilities ({ending.probabilities!r}), and returned numbers "
            f"from {low:.3g} to {high:.3g} for noise: {head_for(ending.probabilities)}"
            f"{still if bounded else ''} in the sidecar or the configuration"
        )
    words = "none, sigmoid or softmax" if bounded else "sigmoid or softmax"
    return (
        f"{ends}, and returned numbers from {low:.3g} to {high:.3g} for noise: whether they are "
        f"probabilities or logits cannot be told: set activation to {words}, or head to a layer "
        "before it, in the sidecar or the configuration"
    )


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
