"""What is stored in a Keras file: its description and its weights, as a loader is to be given them.

A loader of Keras tells by a file's name what it is, and reads the description in it by itself. Here
the content decides, and the loader gets the very description that was checked: of a ``.keras`` file
a model is made of that, and takes the weights from a copy; for HDF5 a file is written that holds it
and the weights.
"""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

from landcover.errors import LandcoverError, MissingExtra, ModelError
from landcover.hdf5 import Elsewhere, datasets, text_of
from landcover.small_files import ZIP_FAILURES, load_json

_DESCRIPTION = "config.json"
_WEIGHTS = "model.weights.h5"
# In HDF5, where Keras writes the whole model.
_HDF5_DESCRIPTION, _HDF5_WEIGHTS = "model_config", "model_weights"

# A network of a hundred thousand layers is described in a tenth of this.
_LONGEST = 2**28
# Weights hardly shrink when they are compressed: what does is there to fill a memory.
_MOST_INFLATED, _SMALL = 50, 2**26


def zipped_description(path: Path, shown: str) -> Any:
    """The description in a ``.keras`` file.

    Raises:
        ModelError: there is none that can be read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _parsed(archive.read(_member(archive, _DESCRIPTION, shown)), shown)
    except LandcoverError:
        raise
    except ZIP_FAILURES as error:
        raise ModelError(shown, f"is damaged: {error}") from error


def zipped_weights(path: Path, folder: Path, library: str, shown: str) -> Path:
    """The weights of a ``.keras`` file, as a file of their own.

    Args:
        path: the file.
        folder: where to write them.
        library: the runtime, for messages.
        shown: the model's name in messages.

    Raises:
        ModelError: they are not there, or no plain weights.
        MissingExtra: h5py is not installed.
    """
    copy = folder / _WEIGHTS
    try:
        with (
            zipfile.ZipFile(path) as archive,
            archive.open(_member(archive, _WEIGHTS, shown)) as source,
            copy.open("wb") as target,
        ):
            shutil.copyfileobj(source, target)
    except LandcoverError:
        raise
    except ZIP_FAILURES as error:
        raise ModelError(shown, f"is damaged: {error}") from error
    try:
        with _h5py(library).File(copy, "r+") as stream:
            _refuse_elsewhere(stream, shown)
            _with_slashes(stream)
    except OSError as error:
        raise ModelError(shown, f"its weights are damaged: {error}") from error
    return copy


def hdf5_description(path: Path, library: str, shown: str) -> tuple[Any, bool]:
    """The description in an HDF5 file, and whether Keras 2 wrote it.

    Raises:
        ModelError: there is none that can be read.
        MissingExtra: h5py is not installed.
    """
    try:
        with _h5py(library).File(path, "r") as stream:
            _refuse_elsewhere(stream, shown)
            config = text_of(stream, _HDF5_DESCRIPTION)
            version = text_of(stream, "keras_version") or "2"
    except (OSError, RuntimeError) as error:
        raise ModelError(shown, f"is damaged: {error}") from error
    if config is None:
        raise ModelError(
            shown,
            "holds weights but no network: save the whole model (model.save), not its weights",
        )
    return _parsed(config, shown), not version.startswith("3")


def hdf5_with(description: Any, path: Path, folder: Path, library: str) -> Path:
    """An HDF5 file with a description in place of the file's own, and its weights.

    Args:
        description: that has been checked.
        path: the file with the weights.
        folder: where to write it.
        library: the runtime, for messages.
    """
    h5py = _h5py(library)
    copy = folder / "model.h5"
    with h5py.File(path, "r") as source, h5py.File(copy, "w") as target:
        text = json.dumps(description).encode()
        # HDF5 has attributes of 64 KB, and longer ones only in files of its later versions.
        target.attrs[_HDF5_DESCRIPTION] = text
        for name in ("keras_version", "backend"):
            if name in source.attrs:
                target.attrs[name] = source.attrs[name]
        if _HDF5_WEIGHTS in source:
            source.copy(_HDF5_WEIGHTS, target)
    return copy


def _member(archive: zipfile.ZipFile, wanted: str, shown: str) -> zipfile.ZipInfo:
    """An entry by its name, also where a Windows program wrote it."""
    found = [each for each in archive.infolist() if _plain(each.filename) == wanted]
    if len(found) != 1:
        raise ModelError(shown, f"has {len(found)} entries {wanted!r} where a Keras file has one")
    (member,) = found
    if member.file_size > max(_SMALL, _MOST_INFLATED * member.compress_size) or (
        wanted == _DESCRIPTION and member.file_size > _LONGEST
    ):
        raise ModelError(
            shown, f"its {wanted} would grow to {member.file_size:,} bytes: it is no network's"
        )
    return member


def _plain(name: str) -> str:
    return name.replace("\\", "/").removeprefix("./")


def _parsed(text: str | bytes, shown: str) -> Any:
    try:
        return load_json(text)
    except ValueError as error:
        raise ModelError(shown, f"its description is damaged: {error}") from error


def _h5py(library: str) -> Any:
    try:
        import h5py
    except ModuleNotFoundError:
        raise MissingExtra("a Keras file", library, "h5py") from None
    return h5py


def _refuse_elsewhere(stream: Any, shown: str) -> None:
    """Refuse weights that lie in other files, or that a few bytes stand for.

    Raises:
        ModelError: naming them.
    """
    grown = held = 0
    try:
        for label, dataset in datasets(stream):
            stored = dataset.id.get_storage_size()
            grown, held = grown + dataset.nbytes, held + stored
            _check_grown(repr(label), dataset.nbytes, stored, shown)
    except Elsewhere as error:
        raise ModelError(shown, f"{error}: a network's weights do not") from None
    _check_grown("what it holds", grown, held, shown)


def _check_grown(what: str, grown: int, stored: int, shown: str) -> None:
    if grown > max(_SMALL, _MOST_INFLATED * stored):
        raise ModelError(shown, f"{what} would grow to {grown:,} bytes: it is no network's")


def _with_slashes(stream: Any) -> None:
    """Keras 2 on Windows joined the names of groups by backslashes."""
    for name in [name for name in stream if "\\" in name]:
        stream.move(name, name.replace("\\", "/"))
