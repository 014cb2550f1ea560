"""Whether a Keras file can be opened without running code that it brings along.

A Keras file describes its layers as nested JSON, and its loaders import what the description names.
So the description is read before any loader sees it, and only Keras's own classes are let through.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from landcover.errors import ModelError

_OWN_MODULES = re.compile(
    r"(tf_)?keras(\.src)?"
    r"(\.(engine|models|layers|initializers|regularizers|constraints|activations"
    r"|dtype_policies|mixed_precision|ops|optimizers|losses|metrics)[\w.]*)?"
)

# Layers that hold Python code, or that read other files or models when they are made or called.
_RUN_CODE = {
    "Lambda",
    "__lambda__",
    "TorchModuleWrapper",
    "TFSMLayer",
    "JaxLayer",
    "FlaxLayer",
    "ClassMethod",
    "InstanceMethod",
    "InstanceProperty",
}
_READ_FILES = {"StringLookup", "IntegerLookup", "TextVectorization"}

# Layers that Keras 2 made of calls to TensorFlow functions: which of them only compute.
_CALLS = {"TFOpLambda", "SlicingOpLambda"}
_COMPUTING = re.compile(
    r"(math|nn|linalg|image|__operators__|compat\.v1\.nn)\.\w+"
    r"|(compat\.v1\.)?(reshape|concat|cast|transpose|squeeze|expand_dims|stack|unstack|split|pad"
    r"|clip_by_value|convert_to_tensor|shape|tile|identity|zeros_like|ones_like|reduce_\w+|add"
    r"|subtract|multiply|divide|maximum|minimum|where|repeat|reverse|strided_slice|constant)"
)

_ADVICE = "build the network in Python and export it as a SavedModel or to ONNX"


def check_safe(config: Any, shown: str) -> None:
    """Refuse a description of a model that would run code or read other files.

    Args:
        config: ``config.json`` of a ``.keras`` file, or ``model_config`` of an HDF5 file.
        shown: the model's name in messages.

    Raises:
        ModelError: naming the layer.
    """
    # How a model was trained is never loaded, and may well name losses of one's own.
    if isinstance(config, dict):
        config = {key: value for key, value in config.items() if key != "compile_config"}
    for node in _nodes(config):
        _check(node, shown)


def _nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Every part of the description that names a class or a function to be made."""
    if isinstance(value, dict):
        if "class_name" in value or "registered_name" in value or "module" in value:
            yield value
        for inner in value.values():
            yield from _nodes(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _nodes(inner)


def _check(node: dict[str, Any], shown: str) -> None:
    kind = str(node.get("class_name") or node.get("registered_name"))
    inner = node.get("config")
    layer = inner.get("name") if isinstance(inner, dict) else None
    label = f"{kind} {layer!r}" if layer else kind
    if kind in _RUN_CODE:
        raise ModelError(
            shown, f"layer {label} holds Python code, which is never run from a file: {_ADVICE}"
        )
    if kind in _READ_FILES:
        raise ModelError(shown, f"layer {label} may read other files: no network for images")
    if kind in _CALLS:
        _check_call(inner, label, shown)
    if _is_foreign(node, kind):
        origin = node.get("module") or node.get("registered_name") or kind
        raise ModelError(
            shown, f"{label} is no part of Keras but custom code ({origin}): {_ADVICE}"
        )


def _check_call(config: Any, label: str, shown: str) -> None:
    function = str(config.get("function")) if isinstance(config, dict) else "?"
    if not _COMPUTING.fullmatch(function):
        raise ModelError(
            shown, f"layer {label} calls tf.{function}, which may do more than compute: {_ADVICE}"
        )


def _is_foreign(node: dict[str, Any], kind: str) -> bool:
    """Whether a part comes from elsewhere than Keras; HDF5 files name no modules."""
    module, registered = node.get("module"), str(node.get("registered_name") or "")
    if ">" in registered + kind and registered.partition(">")[0].lower() != "keras":
        return True
    if kind.startswith("__") or (module == "builtins" and kind != "function"):
        return False
    return bool(registered) if module is None else not _OWN_MODULES.fullmatch(str(module))
