"""What a model file says of itself in the words of programs that write such notes into ONNX.

Deepness (a plug-in of QGIS) writes ``class_names``, ``resolution`` in centimetres a pixel, ``tiles_size``,
``standardization_mean`` and ``standardization_std``, which are for pixels divided by 255
(https://qgis-plugin-deepness.readthedocs.io, "Model metadata"). Ultralytics writes ``names``.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Any, Final

import onnx

from landcover.models.formats.detection import ModelFile
from landcover.small_files import load_json

_LONGEST: Final = 100_000  # characters of one note
_OF_BYTES: Final = 255  # by which Deepness divides pixels of one byte before it standardizes them


def stated_in(file: ModelFile) -> dict[str, Any]:
    """What the notes in a file mean as keys of a sidecar; what cannot be read is left out.

    Args:
        file: of any format; only ONNX files have such notes.

    Returns:
        some of ``classes`` (names), ``resolution`` (metres), ``input_size`` (pixels), ``mean`` and
        ``scale`` (a number a band: the network gets (pixel - mean) * scale).
    """
    if file.format != "onnx":
        return {}
    model = onnx.load(str(file.path), load_external_data=False)
    notes = {p.key: _parsed(p.value) for p in model.metadata_props if len(p.value) <= _LONGEST}
    names = _names(notes.get("class_names", notes.get("names")))
    found: dict[str, Any] = {"classes": names} if names else {}
    if _is_number(notes.get("resolution")):
        found["resolution"] = notes["resolution"] / 100
    if _is_number(notes.get("tiles_size")):
        found["input_size"] = int(notes["tiles_size"])
    mean: Any = notes.get("standardization_mean")
    std: Any = notes.get("standardization_std")
    if _are_numbers(mean) and _are_numbers(std) and len(mean) == len(std) and all(std):
        found["mean"] = tuple(round(each * _OF_BYTES, 6) for each in mean)
        found["scale"] = tuple(float(f"{1 / (each * _OF_BYTES):.9g}") for each in std)
    return found


def _parsed(text: str) -> Any:
    """JSON, or a literal of Python; None for anything else."""
    try:
        return load_json(text)
    except ValueError:
        pass
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return None


def _names(value: Any) -> tuple[str, ...]:
    """Names of classes by their numbers, where these run from 0."""
    if isinstance(value, Mapping):
        try:
            by_number = {int(number): name for number, name in value.items()}
        except (ValueError, TypeError):
            return ()
        value = [by_number.get(at) for at in range(len(by_number))]
    if not isinstance(value, Sequence) or isinstance(value, str):
        return ()
    named = all(isinstance(name, str) and name for name in value)
    return tuple(value) if named and len({*value}) == len(value) else ()


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < 1e6


def _are_numbers(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(each, (int, float)) and abs(each) < 1e6 for each in value
    )
