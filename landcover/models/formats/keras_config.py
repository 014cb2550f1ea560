"""Whether a Keras file can be opened without running code that it brings along.

A Keras file describes its layers as nested JSON, and its loaders import what the description names.
So the description is read before any loader sees it, only what networks of Keras are made of is let
through, and the loader is given the description that was checked, not the file.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Any

from landcover.errors import ModelError
from landcover.models.formats.keras_graph import check_layers
from landcover.models.formats.keras_parts import CLASSES, FUNCTIONS, LAYERS, VALUES
from landcover.models.formats.protobuf import Malformed, fields

# Where Keras 2 and 3 say that their own parts come from.
_OWN_MODULES = re.compile(
    r"((tf_)?keras|tensorflow\.python\.keras|tensorflow\.keras)(\.src)?"
    r"(\.(engine|models|applications|layers|initializers|regularizers|constraints|activations|dtype_policies"
    r"|mixed_precision|quantizers)[\w.]*)?|builtins"
)
# Where Keras 3 has its operations: each is a class, and does nothing but compute.
_OPERATIONS = re.compile(r"keras(\.src)?\.ops\.(numpy|nn|math|linalg|image)")
_OPERATION = re.compile(r"[A-Z]\w*")

_NUMBERS = re.compile(r"(bfloat|float|uint|int|complex)\d{1,3}(_\w{1,8})?|bool")

# Layers that people know by these names, and for which there is a better sentence.
_RUN_CODE = {"Lambda", "__lambda__", "TorchModuleWrapper", "TFSMLayer", "JaxLayer", "FlaxLayer"}
_RUN_CODE |= {"ClassMethod", "InstanceMethod", "InstanceProperty"}
_READ_FILES = {"StringLookup", "IntegerLookup", "TextVectorization"}

# Layers that Keras 2 made of calls to TensorFlow functions: which of them only compute.
_CALLS = {"TFOpLambda", "SlicingOpLambda"}
# One that Keras 2 made of an operation; the field of a NodeDef that names it.
_OPERATION_LAYER, _OP = "TensorFlowOpLayer", 2
_COMPUTING = re.compile(
    r"(math|nn|linalg|image|__operators__|compat\.v1\.nn)\.\w+"
    r"|(compat\.v1\.)?(reshape|concat|cast|transpose|squeeze|expand_dims|stack|unstack|split|pad"
    r"|clip_by_value|convert_to_tensor|shape|tile|identity|zeros_like|ones_like|reduce_\w+|add"
    r"|subtract|multiply|divide|maximum|minimum|where|repeat|reverse|strided_slice|constant)"
)

# A layer of Keras 2's own applications, registered as if it were a user's.
_OF_APPLICATIONS = {"Custom>CustomScaleLayer": "CustomScaleLayer"}

_ADVICE = (
    "build the network in Python and export it as a SavedModel or to ONNX, or install a package that "
    "offers the layer as an entry point of the group landcover.keras_layers"
)


def checked(
    config: Any, shown: str, custom: Collection[str] = (), operations: Collection[str] = ()
) -> Any:
    """The description of a model without what training needs, if nothing in it can run code.

    Args:
        config: ``config.json`` of a ``.keras`` file, or ``model_config`` of an HDF5 file.
        shown: the model's name in messages.
        custom: names of layers that the user has installed.
        operations: of TensorFlow that do nothing but compute, for layers of Keras 2 that are one each.

    Returns:
        what is to be given to a loader.

    Raises:
        ModelError: a part of it is none that networks of Keras are made of; it is named.
    """
    try:
        config = _without_training(config)
        parts = [*_nodes(config)]
        for node in parts:
            _check(node, shown, custom, operations)
        check_layers(parts, LAYERS, shown)
    except RecursionError:
        raise ModelError(shown, "describes layers within layers without end") from None
    return config


def custom_names(config: Any) -> set[str]:
    """All names of classes in a description, to look up which of them the user has installed."""
    found: set[str] = set()
    for node in _nodes(config):
        found |= {str(node.get(key)) for key in ("class_name", "registered_name")}
    return found


def _without_training(value: Any) -> Any:
    """How a model was trained is never loaded, and may well name losses of one's own."""
    if isinstance(value, dict):
        return {k: _without_training(v) for k, v in value.items() if k != "compile_config"}
    return [_without_training(each) for each in value] if isinstance(value, list) else value


def _nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Every part of the description that names a class or a function to be made."""
    if isinstance(value, dict):
        if "class_name" in value or "registered_name" in value:
            yield value
        for inner in value.values():
            yield from _nodes(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _nodes(inner)


def _check(
    node: dict[str, Any], shown: str, custom: Collection[str], operations: Collection[str]
) -> None:
    kind = str(node.get("class_name") or node.get("registered_name"))
    registered = str(node.get("registered_name") or "")
    inner = node.get("config")
    layer = inner.get("name") if isinstance(inner, dict) else None
    label = f"{kind} {layer!r}" if layer else kind
    if kind in _RUN_CODE:
        raise ModelError(
            shown, f"layer {label} holds Python code, which is never run from a file: {_ADVICE}"
        )
    if kind in _READ_FILES:
        raise ModelError(shown, f"layer {label} may read other files: no network for images")
    if kind in VALUES:
        _check_value(inner, kind, shown)
        return
    if {kind, registered} & {*custom}:
        return
    if kind in _CALLS:
        _check_call(inner, label, shown)
    if kind.rpartition(">")[2] == _OPERATION_LAYER:
        _check_operation(inner, label, shown, operations)
    if not _is_own(node, kind, registered):
        origin = node.get("module") or registered or kind
        raise ModelError(
            shown, f"{label} is no part of Keras but custom code ({origin}): {_ADVICE}"
        )


def _check_value(config: Any, kind: str, shown: str) -> None:
    """A type of NumPy may stand for any number of bytes, or for what is no number."""
    told = config.get("dtype", "float32") if isinstance(config, dict) else "float32"
    if not (isinstance(told, str) and _NUMBERS.fullmatch(told)):
        raise ModelError(shown, f"{kind} of type {str(told)[:80]!r} holds no numbers")


def _check_call(config: Any, label: str, shown: str) -> None:
    function = str(config.get("function")) if isinstance(config, dict) else "?"
    if not _COMPUTING.fullmatch(function):
        raise ModelError(
            shown, f"layer {label} calls tf.{function}, which may do more than compute: {_ADVICE}"
        )


def _check_operation(config: Any, label: str, shown: str, operations: Collection[str]) -> None:
    named = _operations_in(config.get("node_def") if isinstance(config, dict) else None)
    if not named or not {*named} <= {*operations}:
        told = named[0][:80] if named else "nothing that can be read"
        raise ModelError(
            shown, f"layer {label} is operation {told!r}, which may do more than compute: {_ADVICE}"
        )


def _operations_in(definition: Any) -> list[str]:
    """The operations that a ``NodeDef`` names, in either of the forms that Keras 2 reads."""
    if isinstance(definition, dict):
        return [str(definition.get("op", ""))]
    try:
        found = [*fields(memoryview(str(definition).encode()))]
    except (Malformed, UnicodeEncodeError):
        return []
    return [
        bytes(value).decode("utf-8", "replace")
        for at, _, value in found
        if at == _OP and isinstance(value, memoryview)
    ]


def _is_own(node: dict[str, Any], kind: str, registered: str) -> bool:
    """Whether a part is one of Keras's; HDF5 files name no modules."""
    kind, registered = (_OF_APPLICATIONS.get(one, one) for one in (kind, registered))
    package, mark, name = kind.rpartition(">")
    if mark and package.lower() != "keras":
        return False
    module = str(node.get("module") or "keras")
    if kind == "function":
        name = str(node.get("config"))
        known = name in FUNCTIONS and registered in ("", "function", name)
        return known and _OWN_MODULES.fullmatch(module) is not None
    plain = registered.rpartition(">")
    if registered and (plain[2] != name or plain[0].lower() not in ("", "keras")):
        return False
    if _OPERATIONS.fullmatch(module):
        return _OPERATION.fullmatch(name) is not None
    return name in CLASSES and _OWN_MODULES.fullmatch(module) is not None
