"""What became of the tiles of a task: it stands in the table that the task writes."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import pyarrow.parquet as pq

from landcover.errors import StoreError
from landcover.plain_parquet import UNREADABLE
from landcover.runs.directory import RunDirectory
from landcover.small_files import load_json

_log = logging.getLogger(__name__)
_KEY = b"landcover"
_MARK = re.compile(r"\w*", re.ASCII)


@dataclass(frozen=True)
class Counts:
    """What became of the tiles of a task.

    Args:
        planned: tiles of the task.
        scored: those in the table.
        quarantined: those that failed.
        skipped: those that hold nothing but nodata.
        digest: tells the task from another in its place.
        retryable: how many of those that failed may not when they are tried again.
        undefined_pixels: pixels of scored tiles for which the network returned no probabilities.
        mark: of the files that lie beside the table; "" where there are none.
    """

    planned: int
    scored: int
    quarantined: int
    skipped: int
    digest: str
    retryable: int = 0
    undefined_pixels: int = 0
    mark: str = ""

    def metadata(self, index: int) -> dict[bytes, bytes]:
        """As it stands in the table of a task."""
        return {_KEY: json.dumps({"index": index, **asdict(self)}).encode()}


def counts_of(run: RunDirectory, index: int) -> Counts | None:
    """What a task has made of its tiles; None where it is not done, or its table is damaged."""
    try:
        return read_counts(run, index)
    except FileNotFoundError:
        return None
    except StoreError:
        raise  # whether the task is done is not known
    except UNREADABLE as error:
        name = run.storage.where(run.part("tiles", index))
        _log.warning("%s is damaged, its task is done again: %s", name, error)
        return None


def read_counts(run: RunDirectory, index: int) -> Counts:
    """What a task has made of its tiles.

    Raises:
        FileNotFoundError: if it has no table.
        Exception: one of :data:`landcover.plain_parquet.UNREADABLE`, if that is none that a task
            writes.
    """
    with run.storage.open(run.part("tiles", index)) as file:
        said = pq.read_metadata(file)
    return counts_in(said.metadata or {}, said.num_rows)


def counts_in(metadata: Mapping[bytes, bytes], rows: int) -> Counts:
    """What the table of a task says of its tiles: counts that fit together, and a mark that leads nowhere else.

    Args:
        metadata: of the table, which may come from anyone.
        rows: of the table.

    Raises:
        LookupError, TypeError, ValueError: (of :data:`landcover.plain_parquet.UNREADABLE`) it says
            nothing that can be.
    """
    if _KEY not in metadata:
        raise ValueError("it does not say what became of the tiles of its task")
    values = load_json(metadata[_KEY])
    del values["index"]
    counts = _checked(Counts(**values))
    if counts.scored != rows:
        raise ValueError(f"it has {rows:,} rows, and says that {counts.scored:,} tiles were scored")
    return counts


def _checked(counts: Counts) -> Counts:
    ended = (counts.scored, counts.quarantined, counts.skipped)
    for number in (counts.planned, *ended, counts.retryable, counts.undefined_pixels):
        if type(number) is not int or not 0 <= number < 2**62:
            raise ValueError(f"{number!r} is no count")
    if sum(ended) != counts.planned or counts.retryable > counts.quarantined:
        raise ValueError(f"the counts {ended} are not those of {counts.planned} tiles")
    if not all(isinstance(text, str) for text in (counts.digest, counts.mark)):
        raise TypeError("digest and mark are no texts")
    if not _MARK.fullmatch(counts.mark):
        raise ValueError(f"{counts.mark!r} is no mark of a file")
    return counts
