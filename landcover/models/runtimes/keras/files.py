"""Keras models in ``.keras`` and HDF5 files, of Keras 3 and of Keras 2."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from landcover.errors import LandcoverError, MissingExtra, ModelError
from landcover.local_files import scratch
from landcover.models.formats.detection import ModelFile
from landcover.models.formats.keras_config import checked, custom_names
from landcover.models.formats.outputs import choose_head, likely_outputs
from landcover.models.formats.sizes import MOST_READ, check_size, numbers_in
from landcover.models.graph_analysis.facts import Facts
from landcover.models.preprocessing.specification import Signature
from landcover.models.runtimes.keras.errors import reason_of
from landcover.models.runtimes.keras.facts import keras_facts, keras_order, layer_outputs
from landcover.models.runtimes.keras.start import start_keras
from landcover.models.runtimes.keras.stored import (
    hdf5_description,
    hdf5_with,
    zipped_description,
    zipped_weights,
)
from landcover.models.runtimes.keras.weights import as_many_weights, numbers_held
from landcover.models.runtimes.tensorflow.operations import COMPUTING
from landcover.models.runtimes.tensorflow.start import first_import
from landcover.plugins import keras_layer_names, load_keras_layer


@dataclass(frozen=True)
class KerasNetwork:
    """A network that Keras has loaded.

    Args:
        keras: what loaded it.
        model: from a batch of images to the wanted output alone.
        signature: what it reads.
        shown: the model's name in messages.
    """

    keras: Any
    model: Any
    signature: Signature
    shown: str

    def facts(self) -> Facts:
        """What its layers say of it."""
        return keras_facts(self.model)

    def call(self, images: Any) -> Any:
        """From a tensor to the network's output, as it is when nothing is learned."""
        return self.model(images, training=False)


def open_keras(file: ModelFile, head: str | int | None, library: str) -> KerasNetwork:
    """Find the network of a Keras file, after a check that it brings no code along.

    Args:
        file: of the format "keras", "keras2" or "h5".
        head: the wanted output.
        library: what Keras computes with; the name of the runtime.

    Raises:
        ModelError: it would run code, cannot be loaded, or does not read one batch of images; it
            is of Keras 2 and the library is another than TensorFlow.
        MissingExtra: tf_keras is absent, which loads the files of Keras 2.
    """
    shown = str(file.path)
    config, of_keras_2 = _description(file, library, shown)
    custom = _installed(config)
    config = checked(config, shown, custom, COMPUTING)
    keras = _keras_2(library, shown) if of_keras_2 else start_keras(library)
    try:
        # To read HDF5, Keras imports TensorFlow, where there is one.
        with first_import() if file.format == "h5" else nullcontext():
            model = _built(keras, config, file, library, custom)
    except LandcoverError:
        raise
    except Exception as error:  # Keras raises whatever its layers raise
        reason = f"cannot be loaded by {keras.__name__}: {reason_of(error)}"
        raise ModelError(shown, reason) from error
    return _network(keras, model, head, shown)


def _description(file: ModelFile, library: str, shown: str) -> tuple[Any, bool]:
    """What the file says of its layers, and whether Keras 2 wrote it."""
    if file.format == "h5":
        return hdf5_description(file.path, library, shown)
    return zipped_description(file.path, shown), file.format == "keras2"


def _installed(config: Any) -> dict[str, Any]:
    """The layers of a description that the user has installed, by the names it calls them."""
    named = custom_names(config)
    return {name: load_keras_layer(name) for name in keras_layer_names() if name in named}


def _built(
    keras: Any, config: Any, file: ModelFile, library: str, custom: Mapping[str, Any]
) -> Any:
    """The model that a checked description means, with the weights of the file."""
    with scratch() as folder:
        if file.format == "h5":
            path = hdf5_with(config, file.path, folder, library)
            with as_many_weights(keras, numbers_held(path), str(file.path)):
                return keras.models.load_model(
                    str(path), custom_objects=dict(custom), compile=False, safe_mode=True
                )
        weights = zipped_weights(file.path, folder, library, str(file.path))
        with as_many_weights(keras, numbers_held(weights), str(file.path)):
            model = keras.saving.deserialize_keras_object(
                config, custom_objects=dict(custom), safe_mode=True
            )
            if not isinstance(model, keras.Model):
                raise ModelError(str(file.path), f"describes a {type(model).__name__} and no model")
            model.load_weights(str(weights))
        return model


def _keras_2(library: str, shown: str) -> Any:
    if library != "tensorflow":
        raise ModelError(
            shown,
            f"is a file of Keras 2, which knows TensorFlow only and not {library}: set "
            "model.runtime to tensorflow or openvino, or save it again with Keras 3",
        )
    try:
        import tf_keras
    except ModuleNotFoundError:
        raise MissingExtra("a file of Keras 2", "tensorflow", "tf_keras") from None
    return tf_keras


def _network(keras: Any, model: Any, head: str | int | None, shown: str) -> KerasNetwork:
    inputs = getattr(model, "inputs", None) or []
    if len(inputs) != 1:
        listed = ", ".join(repr(i.name) for i in inputs) or "none that is known"
        raise ModelError(
            shown,
            f"must have one input, a batch of images, and no other: export it so; its inputs: {listed}",
        )
    extents = [extent for extent in inputs[0].shape if extent is not None]
    check_size(numbers_in(extents), f"input {inputs[0].name!r}", shown, MOST_READ)
    if (inside := _inside(model, head)) is not None:
        model, head = keras.Model(model.inputs, inside), None
    names = getattr(model, "output_names", None) or [output.name for output in model.outputs]
    likely = likely_outputs([len(output.shape) for output in model.outputs])
    wanted = choose_head(list(names), head, shown, likely)
    if len(model.outputs) > 1:
        model = keras.Model(model.inputs, model.outputs[wanted])
    dtype = inputs[0].dtype
    signature = Signature(
        tuple(inputs[0].shape),
        dtype if isinstance(dtype, str) else dtype.name,
        channels_last=True,
        order=keras_order(model),
    )
    return KerasNetwork(keras, model, signature, shown)


def _inside(model: Any, head: str | int | None) -> Any:
    """What a layer inside returns, where one is named that is no output; None: none is."""
    if not isinstance(head, str) or head in (getattr(model, "output_names", None) or ()):
        return None
    found = layer_outputs(model).get(head, [])
    return found[0] if len(found) == 1 else None
