"""Parts: what tasks write, whole or not at all, with the same bytes for the same results.

A part is written once: of several copies of a task (an engine may start another one where the first
is slow) the first to end has written it, and the others bring home what that one has found.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Literal

import pyarrow as pa

from landcover.errors import OutputError, StoreError
from landcover.plain_parquet import UNREADABLE, told
from landcover.runs.counts import Counts, counts_of, read_counts
from landcover.runs.directory import MANIFEST, Kind, RunDirectory
from landcover.runs.part_tables import failures_read, tiles_columns, tiles_read
from landcover.runs.pixels import encode_pixels
from landcover.runs.tables import Part, failures_table, tiles_table

_AGAIN = "the command that made the run does again what is missing"
# What may lie beside the table of a task.
_BESIDE: tuple[Kind, ...] = ("quarantine", "pixels")


def write_part(run: RunDirectory, part: Part) -> Counts:
    """Write what a task brought, unless another copy of the task has done so.

    What lies beside the table (failures, pixels) comes first, under names that no other content
    has. The table says which of these belong to it: once it is there, the task is done.

    Args:
        run: the directory, whose scheme ``part.labels`` counts.
        part: the results.

    Returns:
        What became of the tiles, as the directory says from now on.

    Raises:
        OutputError: if something cannot be written; the task is not done then.
    """
    beside = _beside(run, part)
    counts = replace(part.counts, mark=_mark(beside))
    if beside and (first := _of_a_copy(run, part)):
        return first
    for kind, content in beside.items():
        run.storage.put(run.part(kind, part.index, counts.mark), content)
    name, table = run.part("tiles", part.index), tiles_table(part, counts, run.scheme)
    if not run.storage.put_new(name, table):
        if first := _of_a_copy(run, part):
            if first.mark != counts.mark:
                _remove_beside(run, part.index, counts.mark)
            return first
        run.storage.put(name, table)  # what is there is damaged, or of other inputs
    return counts


def remove_part(run: RunDirectory, index: int) -> None:
    """Remove all that a task has written.

    Raises:
        OutputError: if something cannot be removed.
    """
    counts = counts_of(run, index)
    run.storage.remove(run.part("tiles", index))  # without its tiles, the task is not done
    if counts is not None:
        _remove_beside(run, index, counts.mark)


def remove_strays(run: RunDirectory) -> None:
    """Remove what lies beside tables and belongs to none: of copies and attempts that were killed.

    All tasks have ended: whatever is half-written is of a worker that was killed, or of a copy that
    nobody waits for.

    Raises:
        OutputError: if something cannot be removed.
    """
    run.storage.sweep("tiles", *_BESIDE)
    for kind in _BESIDE:
        there = run.marked_parts(kind)
        often = Counter(index for index, _ in there)
        for index, mark in there:
            # All tables of pixel networks have pixels beside them, but for those without a tile.
            if kind == "quarantine" or often[index] > 1:
                counts = counts_of(run, index)
                if counts is None or counts.mark != mark:
                    run.storage.remove(run.part(kind, index, mark))


def finished(run: RunDirectory) -> dict[int, Counts]:
    """The counts of all tasks that are done, by index; a part that is damaged does not count."""
    indices = run.parts("tiles")
    if run.storage.local is not None:
        found = {index: counts_of(run, index) for index in indices}
    else:  # 32 requests at a time: each waits some ten milliseconds for the store
        with ThreadPoolExecutor(32) as pool:
            found = dict(zip(indices, pool.map(lambda i: counts_of(run, i), indices), strict=True))
    return {index: counts for index, counts in found.items() if counts is not None}


def read_parts(
    run: RunDirectory,
    kind: Literal["tiles", "quarantine"] = "tiles",
    columns: Sequence[str] | None = None,
) -> Iterator[pa.Table]:
    """The tables of the tasks that are done, one after the other, in the order of the plan.

    Args:
        run: the directory; where it is of a date, only tiles of that date are read.
        kind: scored tiles, or those that failed.
        columns: all, unless some are named.

    Raises:
        OutputError: if a part cannot be read.
    """
    for index in all_parts(run) if kind == "tiles" else run.parts(kind):
        if kind == "tiles":
            yield read_part(run, index, columns)
        elif (counts := counts_of(run, index)) and (rows := counts.quarantined):
            name = run.part(kind, index, counts.mark)
            with _reading(run, name):
                yield failures_read(run.storage.read(name), rows, columns, run.date)


def all_parts(run: RunDirectory) -> list[int]:
    """The indices of the tables of a run, in ascending order: of one that is done, of all of them.

    Raises:
        OutputError: if the run is done, and a table is damaged, or they do not have the tiles that
            were scored. (A smoothed run of pixels has no tables.)
    """
    indices = run.parts("tiles")
    said = run.manifest() if run.storage.exists(MANIFEST) else {}
    scored = (said.get("tiles") or {}).get("scored")
    if said.get("status") != "done" or scored is None or ("smoothed" in said and not indices):
        return indices
    with ThreadPoolExecutor(1 if run.storage.local is not None else 32) as pool:
        found = sum(pool.map(partial(_scored, run), indices))
    if found != scored:
        reason = f"has tables of {found:,} tiles, and {scored:,} were scored: {_AGAIN}"
        raise OutputError(run.path, reason)
    return indices


def _scored(run: RunDirectory, index: int) -> int:
    try:
        return read_counts(run, index).scored
    except StoreError:
        raise
    except UNREADABLE as error:
        where = run.storage.where(run.part("tiles", index))
        raise OutputError(where, f"cannot be read ({told(error)}): {_AGAIN}") from error


def read_part(run: RunDirectory, index: int, columns: Sequence[str] | None = None) -> pa.Table:
    """The scored tiles of one task that is done.

    Args:
        run: the directory.
        index: of the task.
        columns: all, unless some are named.

    Raises:
        OutputError: if they cannot be read.
    """
    name = run.part("tiles", index)
    with _reading(run, name):
        return tiles_read(run.storage.read(name), run.scheme, columns, run.date)


def columns_of(run: RunDirectory, index: int) -> list[str]:
    """The columns that a task which is done has written of its tiles.

    Raises:
        OutputError: if they cannot be read.
    """
    name = run.part("tiles", index)
    with _reading(run, name), run.storage.open(name) as file:
        return tiles_columns(file)


@contextmanager
def _reading(run: RunDirectory, name: str) -> Iterator[None]:
    """Say which part it is that cannot be read."""
    try:
        yield
    except UNREADABLE as error:
        raise OutputError(run.storage.where(name), f"cannot be read: {told(error)}") from error


def _beside(run: RunDirectory, part: Part) -> dict[Kind, bytes]:
    """What lies beside the table of a task."""
    beside: dict[Kind, bytes] = {}
    if part.failures:
        beside["quarantine"] = failures_table(part)
    if part.pixels is not None:
        beside["pixels"] = encode_pixels(part.pixels, run.scheme)
    return beside


def _mark(beside: Mapping[Kind, bytes]) -> str:
    """Differs where contents do."""
    return hashlib.blake2b(b"".join(beside.values()), digest_size=4).hexdigest() if beside else ""


def _of_a_copy(run: RunDirectory, part: Part) -> Counts | None:
    """What another copy of the same task has written, if there is one."""
    counts = counts_of(run, part.index)
    return counts if counts is not None and counts.digest == part.digest else None


def _remove_beside(run: RunDirectory, index: int, mark: str) -> None:
    for kind in _BESIDE:
        run.storage.remove(run.part(kind, index, mark))
