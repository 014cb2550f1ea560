"""What wrote a model file, as the file itself says."""

from __future__ import annotations

import zipfile
from io import BytesIO
from typing import Final

import onnx

from landcover.hdf5 import text_of
from landcover.models.formats.detection import ModelFile
from landcover.small_files import MOST_BYTES, load_json

# The version of functions that releases of CNTK write, as far as it is known.
_CNTK_RELEASES: Final = {24: "CNTK 2.7"}


def written_by(file: ModelFile) -> str:
    """The format of a model file in words, with the version of what wrote it."""
    if file.format in ("cntk", "cntk-v1"):
        return _cntk(file)
    if file.format == "onnx":
        return _onnx(file)
    if file.format in ("keras", "keras2"):
        return _keras(file)
    if file.format == "h5":
        return _hdf5(file)
    return _tensorflow(file)


def _cntk(file: ModelFile) -> str:
    from landcover.models.cntk import mapped, read

    graph = read(mapped(file.path), str(file.path))
    release = _CNTK_RELEASES.get(graph.version) if file.format == "cntk" else None
    named = f" ({release})" if release else ""
    of = "functions of version" if file.format == "cntk" else "file version"
    return f"{graph.format}, {of} {graph.version}{named}"


def _onnx(file: ModelFile) -> str:
    model = onnx.load(str(file.path), load_external_data=False)
    producer = " ".join(filter(None, (model.producer_name, model.producer_version)))
    sets = ", ".join(f"{s.domain or 'ai.onnx'} {s.version}" for s in model.opset_import)
    by = f" by {producer}" if producer else ""
    return f"ONNX{by}, IR version {model.ir_version}, operators {sets}"


def _keras(file: ModelFile) -> str:
    with zipfile.ZipFile(file.path) as archive:
        names = archive.namelist()
        about = archive.open("metadata.json") if "metadata.json" in names else BytesIO(b"{}")
        with about as stream:
            text = stream.read(MOST_BYTES)
    try:
        said = load_json(text)
    except ValueError:
        said = {}
    said = said if isinstance(said, dict) else {}
    saved = f", saved {said['date_saved']}" if "date_saved" in said else ""
    return f"Keras {said.get('keras_version', 'of unknown version')}{saved}"


def _hdf5(file: ModelFile) -> str:
    import h5py  # type: ignore[import-untyped, unused-ignore]

    with h5py.File(file.path, "r") as stream:
        return f"Keras {text_of(stream, 'keras_version') or 'of unknown version'} in HDF5"


def _tensorflow(file: ModelFile) -> str:
    from landcover.models.runtimes.tensorflow.start import tensorflow
    from landcover.models.runtimes.tensorflow.tf1_graphs import parsed

    tf, shown = tensorflow(), str(file.path)
    if file.format == "graphdef":
        graph = parsed(tf.compat.v1.GraphDef, file.path, shown)
        return f"frozen TensorFlow graph, graph version {graph.versions.producer}"
    if file.format == "savedmodel":
        from tensorflow.core.protobuf import saved_model_pb2  # type: ignore[import-untyped, unused-ignore]

        saved = parsed(saved_model_pb2.SavedModel, file.files[0], shown)
        versions = [meta.meta_info_def.tensorflow_version for meta in saved.meta_graphs[:1]]
        return f"SavedModel of TensorFlow {''.join(versions) or 'of unknown version'}"
    meta = parsed(tf.compat.v1.MetaGraphDef, file.files[0], shown)
    return (
        f"TensorFlow 1 checkpoint of version {meta.meta_info_def.tensorflow_version or 'unknown'}"
    )
