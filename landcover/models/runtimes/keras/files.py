"""Keras models in ``.keras`` and HDF5 files, of Keras 3 and of Keras 2."""

from __future__ import annotations

import json
import zipfile
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from landcover.errors import MissingExtra, ModelError
from landcover.models.formats.detection import ModelFile
from landcover.models.formats.keras_config import check_safe
from landcover.models.formats.outputs import choose_head, likely_outputs
from landcover.models.graph_analysis.facts import Facts
from landcover.models.preprocessing.specification import Signature
from landcover.models.runtimes.keras.facts import keras_facts, keras_order
from landcover.models.runtimes.keras.start import start_keras
from landcover.models.runtimes.tensorflow.start import chatter_logged


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
    check_safe(config, shown)
    keras = _keras_2(library, shown) if of_keras_2 else start_keras(library)
    try:
        # To read HDF5, Keras imports TensorFlow, where there is one.
        with chatter_logged() if file.format == "h5" else nullcontext():
            model = keras.models.load_model(str(file.path), compile=False, safe_mode=True)
    except Exception as error:  # Keras raises whatever its layers raise
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise ModelError(shown, f"cannot be loaded by {keras.__name__}: {reason}") from error
    return _network(keras, model, head, shown)


def _description(file: ModelFile, library: str, shown: str) -> tuple[Any, bool]:
    """What the file says of its layers, and whether Keras 2 wrote it."""
    try:
        if file.format == "h5":
            return _of_hdf5(file, library, shown)
        with zipfile.ZipFile(file.path) as archive:
            return json.loads(archive.read("config.json")), file.format == "keras2"
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise ModelError(shown, f"is damaged: {error}") from error


def _of_hdf5(file: ModelFile, library: str, shown: str) -> tuple[Any, bool]:
    try:
        import h5py
    except ModuleNotFoundError:
        raise MissingExtra("a Keras file in HDF5", library, "h5py") from None
    with h5py.File(file.path, "r") as stream:
        config, version = stream.attrs.get("model_config"), stream.attrs.get("keras_version", "2")
    if config is None:
        raise ModelError(
            shown,
            "holds weights but no network: save the whole model (model.save), not its weights",
        )
    config, version = (v.decode() if isinstance(v, bytes) else v for v in (config, version))
    return json.loads(config), not str(version).startswith("3")


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
        raise ModelError(shown, f"must have one input, a batch of images; its inputs: {listed}")
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
