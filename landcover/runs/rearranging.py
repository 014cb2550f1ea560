"""Parts of a run to which inputs were added: each gets the place of its task in the new plan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from landcover.local_files import TEMPORARY
from landcover.runs.counts import Counts
from landcover.runs.directory import Kind, RunDirectory
from landcover.runs.parts import read_part, remove_part
from landcover.runs.tables import encoded

# Swept away where a run is killed meanwhile: what was moved is then scored again.
_FOLDER: Final = f"{TEMPORARY}moved"
_BESIDE: tuple[Kind, ...] = ("quarantine", "pixels")


def rearrange(
    run: RunDirectory, found: Mapping[int, Counts], wanted: Iterable[tuple[int, str]]
) -> dict[int, Counts]:
    """Move the parts of tasks that have another place in the plan than when they were done.

    Args:
        run: the directory, which is this run's alone.
        found: what became of the tasks that are done, by their former places.
        wanted: place and digest of each task of the plan.

    Returns:
        what became of them, by their places in the plan; parts of no task stay where they are,
        unless another one comes there.

    Raises:
        OutputError: if something cannot be written.
    """
    places = {counts.digest: index for index, counts in found.items()}
    pairs = ((new, places.get(digest)) for new, digest in wanted)
    moves = {new: old for new, old in pairs if old is not None and old != new}
    if not moves:
        return dict(found)
    run.storage.prepare(*(f"{_FOLDER}/{kind}" for kind in ("tiles", *_BESIDE)))
    names = [name for new, old in moves.items() for name in _copied(run, found[old], old, new)]
    gone = {*moves, *moves.values()} & found.keys()
    for index in sorted(gone):
        remove_part(run, index)
    for name in names:  # of each part the table last: once it is there, the task is done
        run.storage.put(name, run.storage.read(f"{_FOLDER}/{name}"))
    run.storage.remove_folder(_FOLDER)
    left = {index: counts for index, counts in found.items() if index not in gone}
    return left | {new: found[old] for new, old in moves.items()}


def _copied(run: RunDirectory, counts: Counts, old: int, new: int) -> list[str]:
    """Put the files of a part aside, under its new name; which files these are."""
    names = []
    for kind in _BESIDE:
        if (old, counts.mark) in run.marked_parts(kind):
            name = run.part(kind, new, counts.mark)
            run.storage.put(f"{_FOLDER}/{name}", run.storage.read(run.part(kind, old, counts.mark)))
            names.append(name)
    read_part(run, old)  # which looks at it
    table = pq.read_table(pa.BufferReader(run.storage.read(run.part("tiles", old))))
    metadata = {**(table.schema.metadata or {}), **counts.metadata(new)}
    name = run.part("tiles", new)
    run.storage.put(f"{_FOLDER}/{name}", encoded(table.replace_schema_metadata(metadata)))
    return [*names, name]
