"""Labelled tiles as the training scripts of the 2017 guide read them: TFRecords, and map files for CNTK.

See https://github.com/Azure/Embarrassingly-Parallel-Image-Classification, image_set_preparation.ipynb:
names of files, features of an example, and columns of the table are its.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import Any, NamedTuple

from landcover.errors import ConfigError, MissingExtra
from landcover.labelling.chance import key_of
from landcover.labelling.folder import CNTK, TFRECORD, Prepared
from landcover.labelling.images import suffix_of
from landcover.labelling.manifest import read_table
from landcover.labelling.settings import PrepareOutput
from landcover.local_files import scratch

# What the guide's scripts look for: files called NAME_SPLIT_*.tfrecord.
_NAME = "aerial"
_SHARD = 1000  # tiles
_COLUMNS = (
    *("dataset_name", "split_name", "filename", "shard_idx"),
    *("image_idx", "class_name", "class_id"),
)
_CHUNK = 2**22


class Line(NamedTuple):
    """A tile: where its file is, relative to the folder, and its class by name and place."""

    path: str
    name: str
    label: int


def check_exports(wanted: PrepareOutput, bands: int, dtype: str) -> None:
    """Refuse what cannot be exported, before anything is done.

    Args:
        wanted: what is asked for.
        bands: of the tiles.
        dtype: of the tiles.

    Raises:
        ConfigError: if the tiles are none that TensorFlow and CNTK decode.
        MissingExtra: if TensorFlow is asked for and not installed.
    """
    asked = [name for name in ("tfrecord", "cntk") if getattr(wanted, name)]
    if asked and suffix_of(bands, dtype) != ".png":
        reason = (
            f"{asked[0]} holds images of 1 or 3 bands of bytes, and these tiles have {bands} of {dtype}: "
            "name three in source.bands, or leave it out"
        )
        raise ConfigError([reason], "output")
    if wanted.tfrecord and find_spec("tensorflow") is None:
        raise MissingExtra("output.tfrecord", "tensorflow", "tensorflow")


def write_exports(folder: Prepared, wanted: PrepareOutput, summary: Mapping[str, Any]) -> None:
    """Write what is asked for beside the tiles.

    Args:
        folder: of the tiles, with its manifest.
        wanted: what is asked for.
        summary: what ``prepare.json`` says: its classes are counted in their order.

    Raises:
        OutputError: if something cannot be written.
    """
    if not (wanted.tfrecord or wanted.cntk):
        return
    names = [item["name"] for item in summary["classes"]]
    labels = "".join(f"{place}:{name}\n" for place, name in enumerate(names)).encode()
    lines = _lines(folder, names, summary["seed"])
    if wanted.tfrecord:
        folder.storage.prepare(TFRECORD)
        table = [row for split, of in lines.items() for row in _write_records(folder, split, of)]
        folder.storage.put(f"{TFRECORD}/labels.txt", labels)
        folder.storage.put(f"{TFRECORD}/dataset_split_info.csv", _csv(table))
    if wanted.cntk:
        for split, of in lines.items():
            folder.storage.prepare(f"{CNTK}/{split}")
            told = "".join(f"{folder.storage.where(one.path)}\t{one.label}\n" for one in of)
            folder.storage.put(f"{CNTK}/{split}/map.txt", told.encode())
            folder.storage.put(f"{CNTK}/{split}/labels.txt", labels)


def _lines(folder: Prepared, names: Sequence[str], seed: int) -> dict[str, list[Line]]:
    """The tiles of each split, in an order drawn at random: scripts read them one after the other."""
    found: dict[str, list[Line]] = {}
    for table in read_table(folder):
        columns = (table.column(name).to_pylist() for name in ("path", "class", "split"))
        for path, name, split in zip(*columns, strict=True):
            found.setdefault(split, []).append(Line(path, name, names.index(name)))
    return {
        split: sorted(of, key=lambda one: key_of(seed, one.path)) for split, of in found.items()
    }


def _write_records(
    folder: Prepared, split: str, lines: Sequence[Line]
) -> Iterator[tuple[Any, ...]]:
    """Write the shards of a split: a row of the table for each tile."""
    from landcover.models.runtimes.tensorflow.start import tensorflow

    tf = tensorflow()
    shards = -(-len(lines) // _SHARD)
    for shard in range(shards):
        name = f"{_NAME}_{split}_{shard + 1:05d}-of-{shards:05d}.tfrecord"
        first = shard * _SHARD
        with scratch() as made:
            path = made / name
            with tf.io.TFRecordWriter(str(path)) as writer:
                for place, line in enumerate(lines[first : first + _SHARD], first):
                    writer.write(_example(folder.storage.read(line.path), line.label))
                    yield _NAME, split, line.path, shard, place, line.name, line.label
            with path.open("rb") as file:
                folder.storage.put_chunks(
                    f"{TFRECORD}/{name}", iter(lambda: file.read(_CHUNK), b"")
                )


def _example(content: bytes, label: int) -> bytes:
    from PIL import Image

    from landcover.models.runtimes.tensorflow.start import tensorflow

    tf = tensorflow()

    with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
        width, height = image.size

    def number(value: int) -> Any:
        return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))

    def text(value: bytes) -> Any:
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))

    features = {
        "image/encoded": text(content),
        "image/format": text(b"png"),
        "image/class/label": number(label),
        "image/height": number(height),
        "image/width": number(width),
    }
    example = tf.train.Example(features=tf.train.Features(feature=features))
    return bytes(example.SerializeToString(deterministic=True))


def _csv(rows: Sequence[tuple[Any, ...]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows(rows)
    return text.getvalue().encode()
