"""The files of a TensorFlow checkpoint: ``PREFIX.meta``, ``PREFIX.index`` and its data shards."""

from __future__ import annotations

import re
from pathlib import Path

from landcover.errors import ModelError
from landcover.models.formats.checkpoint_table import bytes_of_tensors, readable
from landcover.models.formats.sizes import check_unread

_PART = re.compile(r"\.(meta|index|data-\d{5}-of-\d{5})$")

# What SavedModels call the prefix of theirs.
_OF_SAVED_MODELS = "variables"

# Bytes of the file that names the latest checkpoint, in its first line, and those before it.
_LONGEST_STATE = 2**20

# The last eight bytes of a table file, as TensorFlow's lib/io/format.h defines them.
_TABLE_END = (0xDB4775248B80FB57).to_bytes(8, "little")


def prefix_of(path: Path) -> Path | None:
    """The prefix of the checkpoint that a path belongs to, or None if it belongs to none.

    Args:
        path: the prefix itself, one of the checkpoint's files, or a folder that holds one
            checkpoint (or several, of which the file ``checkpoint`` names the latest).
    """
    if path.is_dir():
        return _latest(path)
    prefix = prefix_in(path.name)
    if prefix is not None and path.is_file():
        return path.with_name(prefix)
    there = path.with_name(path.name + ".meta"), path.with_name(path.name + ".index")
    return path if not path.exists() and any(p.is_file() for p in there) else None


def prefix_in(name: str) -> str | None:
    """The prefix in the name of one of a checkpoint's files, or None if it is not such a name."""
    prefix = _PART.sub("", name)
    return prefix if prefix != name else None


def files_of(prefix: Path, shown: str) -> tuple[Path, ...]:
    """Every file of a checkpoint, the graph first.

    Raises:
        ModelError: one of them is absent, empty or cut short.
    """
    meta, index = (prefix.with_name(prefix.name + end) for end in (".meta", ".index"))
    if not meta.is_file():
        raise ModelError(
            shown,
            f"has weights but no network: {meta.name} is missing (a TensorFlow 2 checkpoint never "
            "has one: save the model as a SavedModel instead)",
        )
    if not index.is_file():
        raise ModelError(shown, f"has a network but no weights: {index.name} is missing")
    for part in (meta, index):
        if part.stat().st_size == 0:
            raise ModelError(shown, f"{part.name} is empty: copy it again")
    with index.open("rb") as stream:
        stream.seek(max(index.stat().st_size - 8, 0))
        end = stream.read(8)
    if end != _TABLE_END:
        raise ModelError(shown, f"{index.name} is cut short or damaged: copy it again")
    shards = _shards(prefix, shown)
    _check_unread(index, shards, shown)
    return (meta, index, *shards)


def weights_in(folder: Path, shown: str) -> tuple[Path, ...]:
    """The files of the weights of a SavedModel: nothing else of it is read.

    Args:
        folder: its ``variables``; there may be none.
        shown: the model's name in messages.

    Raises:
        ModelError: they hold much that its index does not list.
    """
    if not folder.is_dir():
        return ()
    found = sorted(p for p in folder.iterdir() if prefix_in(p.name) == _OF_SAVED_MODELS)
    _check_unread(folder / f"{_OF_SAVED_MODELS}.index", found, shown)
    return tuple(found)


def _check_unread(index: Path, files: list[Path], shown: str) -> None:
    there = sum(file.stat().st_size for file in files if file.is_file())
    with readable(index, shown):
        check_unread(there, lambda: bytes_of_tensors(index) if index.is_file() else 0, shown)


def _latest(folder: Path) -> Path | None:
    if (folder / "saved_model.pb").exists():
        return None
    prefixes = {p.with_suffix("") for p in folder.glob("*.meta")}
    prefixes |= {p.with_suffix("") for p in folder.glob("*.index")}
    state = folder / "checkpoint"
    if len(prefixes) > 1 and state.is_file():
        with state.open("rb") as stream:
            text = stream.read(_LONGEST_STATE).decode("utf-8", "replace")
        told = re.search(r'^model_checkpoint_path:\s*"([^"]+)"', text, re.MULTILINE)
        # The path inside is that of the machine that trained; only its last part is of use.
        named = folder / told[1].replace("\\", "/").split("/")[-1] if told else folder
        return named if named in prefixes else None
    return prefixes.pop() if len(prefixes) == 1 else None


def _shards(prefix: Path, shown: str) -> list[Path]:
    found = {
        p.name.removeprefix(prefix.name): p
        for p in prefix.parent.iterdir()
        if p.name.startswith(prefix.name + ".data-") and _PART.search(p.name)
    }
    total = max((int(end.split("-of-")[1]) for end in found), default=1)
    ends = [f".data-{i:05}-of-{total:05}" for i in range(total)]
    for end in ends:
        if end not in found:
            raise ModelError(shown, f"has no weights: {prefix.name}{end} is missing")
    return [found[end] for end in ends]
