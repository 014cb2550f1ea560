"""What a model file is, told by its content and not by its name."""

from __future__ import annotations

import hashlib
import io
import mmap
import os
import re
import zipfile
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from landcover.errors import ModelError
from landcover.models.formats import checkpoints, hdf5, protobuf_kinds
from landcover.models.formats.onnx_file import weight_files
from landcover.models.formats.sizes import check_bytes, check_unread, check_whole_file
from landcover.small_files import ZIP_FAILURES

Format: TypeAlias = Literal[
    "cntk",
    "cntk-v1",
    "onnx",
    "keras",
    "keras2",
    "h5",
    "savedmodel",
    "graphdef",
    "tf1-checkpoint",
]
"""The formats of networks that can be opened.

cntk: CNTK 2; cntk-v1: CNTK 1 ("BrainScript"); keras: a ``.keras`` file of Keras 3; keras2: one of Keras 2; h5: a whole Keras model
in HDF5; savedmodel: TensorFlow's folder; graphdef: a frozen TensorFlow 1 graph; tf1-checkpoint:
``.meta``, ``.index`` and ``.data`` of one prefix.
"""

FORMATS: tuple[Format, ...] = get_args(Format)

# Formats whose first file is read whole.
_READ_WHOLE: tuple[Format, ...] = (
    *("cntk", "cntk-v1", "onnx"),
    *("savedmodel", "graphdef", "tf1-checkpoint"),
)

_MOST_METADATA = 2**20

_CNTK_1 = "BCN\0".encode("utf-16-le")

KNOWN = (
    "CNTK, ONNX, Keras (.keras or .h5), TensorFlow SavedModel, "
    "frozen TensorFlow graph and TensorFlow 1 checkpoint"
)

_TFLITE = b"TFL3"  # behind the offset of the root table: flatbuffers call it the file's identifier

# Files that people mistake for a model: how they begin, and what to do instead.
_LOOKALIKES = {
    b"version https://git-lfs": "is a Git LFS pointer, not the model: run 'git lfs pull'",
    b"\x80\x02": "is a Python pickle, which is never opened: export the network to ONNX",
    b"\x80\x04": "is a Python pickle, which is never opened: export the network to ONNX",
}


@dataclass(frozen=True)
class ModelFile:
    """A model on the local disk.

    Args:
        path: the file; the folder of a SavedModel; the prefix of a TensorFlow 1 checkpoint.
        format: one of :data:`Format`.
        files: every file that the model consists of, sorted.
    """

    path: Path
    format: Format
    files: tuple[Path, ...]

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of the content in hexadecimal digits; where the files lie does not count."""
        total = hashlib.sha256()
        root = self.path if self.format == "savedmodel" else self.path.parent
        for file in self.files:
            state = file.stat()
            content = _digest(file, (state.st_size, state.st_mtime_ns, state.st_ino))
            name = file.relative_to(root).as_posix() if len(self.files) > 1 else ""
            total.update(os.fsencode(f"{name}\0{content}\n"))
        return total.hexdigest()


@lru_cache(maxsize=1024)
def _digest(file: Path, state: tuple[int, ...]) -> str:
    """SHA-256 of a file, read once for each state that it is in: a run asks several times."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def detect(path: Path, shown: str | None = None) -> ModelFile:
    """Find out what a model file is.

    Args:
        path: a file or folder, or the prefix or any file of a TensorFlow 1 checkpoint.
        shown: the name of the model in messages; default: the path.

    Raises:
        ModelError: it is absent, empty, cut short, not a model, of a format that is not read, of files that
            are none (pipes, devices, links to nothing), or of more bytes than any network for images has.
    """
    found = _detected(path, shown or str(path))
    for file in found.files:
        if not file.is_file():
            reason = f"consists of {file.name} among others, which is no regular file"
            raise ModelError(shown or str(path), reason)
    check_bytes(sum(file.stat().st_size for file in found.files), shown or str(path))
    if found.format in _READ_WHOLE:
        graph = found.files[0]
        check_whole_file(graph.stat().st_size, graph.name, shown or str(path))
    return found


def _detected(path: Path, shown: str) -> ModelFile:
    prefix = checkpoints.prefix_of(path)
    if prefix is not None:
        return ModelFile(prefix, "tf1-checkpoint", checkpoints.files_of(prefix, shown))
    if path.is_dir():
        return _folder(path, shown)
    if not path.exists():
        raise ModelError(shown, "no such file or folder")
    if not path.is_file():
        raise ModelError(shown, "is no regular file")
    if path.stat().st_size == 0:
        raise ModelError(shown, "is empty: copy or save it again")
    format = _format_of(path, shown)
    if format == "savedmodel":
        if path.name != "saved_model.pb":
            raise ModelError(shown, "is a SavedModel's graph, which must be named saved_model.pb")
        return _folder(path.parent, shown)
    return ModelFile(path, format, _with_external_weights(path, shown, format))


def _folder(path: Path, shown: str) -> ModelFile:
    graph = path / "saved_model.pb"
    if not graph.is_file():
        raise ModelError(
            shown,
            "is a folder with neither a saved_model.pb (a SavedModel) nor the .meta file of a "
            "TensorFlow 1 checkpoint in it: name the model file itself",
        )
    if graph.stat().st_size == 0:
        raise ModelError(str(graph), "is empty: copy or save it again")
    if _format_of(graph, str(graph)) != "savedmodel":
        raise ModelError(str(graph), "is not the graph of a SavedModel")
    return ModelFile(
        path, "savedmodel", (graph, *checkpoints.weights_in(path / "variables", shown))
    )


def _format_of(path: Path, shown: str) -> Format:
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for magic, reason in _LOOKALIKES.items():
            if data[: len(magic)] == magic:
                raise ModelError(shown, reason)
        if data[4 : 4 + len(_TFLITE)] == _TFLITE:
            raise ModelError(
                shown,
                "is a TensorFlow Lite file, which no runtime here reads: name the network that it was "
                "made from (Keras or SavedModel), or turn it into ONNX (python -m tf2onnx.convert "
                "--tflite FILE --output OUT.onnx)",
            )
        if data[: len(_CNTK_1)] == _CNTK_1:
            return "cntk-v1"
        if data[:4] == b"PK\x03\x04":
            return _zipped(path, shown)
        if data[:8] == hdf5.MAGIC:
            hdf5.check_whole(data, shown)
            return "h5"
        found = protobuf_kinds.kind_of(data, shown)
        if found is None:
            raise ModelError(
                shown, f"is of no known format (it begins with {data[:8]!r}); known are {KNOWN}"
            )
        assert found in FORMATS
        return found


def _zipped(path: Path, shown: str) -> Format:
    try:
        with zipfile.ZipFile(path) as archive:
            # Windows programs write names with backslashes.
            names = {n.replace("\\", "/").removeprefix("./"): n for n in archive.namelist()}
            held = sum(member.compress_size for member in archive.infolist())
            about = names.get("metadata.json")
            with archive.open(about) if about else io.BytesIO() as stream:
                metadata = stream.read(_MOST_METADATA)
    except ZIP_FAILURES:
        raise ModelError(
            shown, "is cut short or damaged (its ZIP directory is missing): copy it again"
        ) from None
    check_unread(path.stat().st_size, lambda: held, shown)
    if any(name.endswith("data.pkl") for name in names):
        raise ModelError(shown, "is a PyTorch file, a pickle that is never opened: export to ONNX")
    if "config.json" not in names:
        raise ModelError(shown, f"is a ZIP file without a Keras config.json; known are {KNOWN}")
    return "keras2" if re.search(rb'"keras_version":\s*"[012]\.', metadata) else "keras"


def _with_external_weights(path: Path, shown: str, format: Format) -> tuple[Path, ...]:
    """An ONNX file may keep its weights in other files of its folder; they are part of the model."""
    if format != "onnx":
        return (path,)
    return (path, *sorted(weight_files(path, shown)))
