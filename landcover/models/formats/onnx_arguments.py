"""What operators of ONNX are given, held against what ONNX says that they take: libraries may count on it unseen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import onnx

from landcover.errors import ModelError

_OWN = ("", "ai.onnx")


def check_arguments(node: onnx.NodeProto, versions: Mapping[str, int], shown: str) -> None:
    """Refuse a node of too few or too many inputs or outputs, or with attributes of other types.

    Args:
        node: of any operator; of those that are not ONNX's own nothing is known.
        versions: of operators, by their domains.
        shown: the model's name in messages.

    Raises:
        ModelError: naming the node.
    """
    texts = (*node.input, *node.output, node.name, node.op_type, node.domain)
    if not all(isinstance(text, str) for text in texts):
        raise ModelError(shown, "is not valid ONNX: names in it are no text (UTF-8)")
    version = next((versions[domain] for domain in _OWN if domain in versions), 0)
    schema = _schema(node.op_type, version) if node.domain in _OWN else None
    if schema is None:
        return
    if strange := _strange(node, schema):
        label = f"{node.op_type} {node.name or next(iter(node.output), '')!r}"
        raise ModelError(shown, f"is not valid ONNX: its {label} {strange}")


def _strange(node: onnx.NodeProto, schema: Any) -> str | None:
    """What a node is given that its operator does not take."""
    if not _fits(node.input, schema.min_input, schema.max_input):
        return f"has {len(node.input)} inputs, and takes {schema.min_input} or more"
    single = schema.FormalParameterOption.Single
    for name, taken in zip(node.input, schema.inputs, strict=False):
        if not name and taken.option == single:
            return f"lacks its input {taken.name!r}"
    if not _fits(node.output, schema.min_output, schema.max_output):
        return f"has {len(node.output)} outputs, and makes {schema.min_output} to {schema.max_output:,}"
    given = {attribute.name: attribute for attribute in node.attribute}
    for name, told in schema.attributes.items():
        attribute = given.get(name)
        if attribute is None and told.required:
            return f"lacks its attribute {name!r}"
        if attribute is not None and attribute.type != told.type.value:
            return f"has an attribute {name!r} of another type"
    parts = given.get("num_outputs")
    if parts is not None and parts.i != len(node.output):
        return f"has {len(node.output)} outputs, and says that they are {parts.i:,}"
    return None


def _fits(names: Sequence[str], least: int, most: int) -> bool:
    return least <= len(names) <= most


@lru_cache(maxsize=1024)
def _schema(operator: str, version: int) -> Any:
    try:
        return onnx.defs.get_schema(operator, version, "")
    except onnx.defs.SchemaError:
        return None
