"""What contenders have in common: their arguments, how a tile is read, how labels are written."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

CORES = len(os.sched_getaffinity(0))
BATCH = 32

# Red, green, blue; see benchmarks.workloads.
MEANS = np.array([123.68, 116.779, 103.939], np.float32)


class Asked(NamedTuple):
    """The arguments of a contender."""

    paths: list[str]
    network: str
    output: str


def asked() -> Asked:
    """Read the arguments, and list the tiles."""
    folder, network, count, output = sys.argv[1:5]
    names = sorted(path.name for path in Path(folder).iterdir())[: int(count)]
    return Asked([f"{folder}/{name}" for name in names], network, output)


def pixels_of(content: bytes) -> Any:
    """Decode a tile: uint8, dims (y, x, band)."""
    return np.asarray(Image.open(BytesIO(content)))


def network_input(tiles: Any) -> Any:
    """What the network reads, dims (tile, y, x, band): blue first, less the means."""
    return (np.asarray(tiles, np.float32) - MEANS)[..., ::-1]


def open_network(path: str, threads: int) -> Any:
    """Load the network with so many threads; a process does this once."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    return tf.keras.models.load_model(path, compile=False)


def write_labels(output: str, paths: Sequence[str], labels: Sequence[int]) -> None:
    """Write the labels as one Parquet file."""
    names = [Path(path).name for path in paths]
    pq.write_table(pa.table({"path": names, "label": [int(x) for x in labels]}), output)
