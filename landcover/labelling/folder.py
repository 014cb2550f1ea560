"""The folder that labelled tiles are written to: whose it is, and where its files lie.

::

    prepare.json                     what was asked for and what came out
    train/CLASS/NAME.png             a tile; likewise validation/ and test/
    manifest.parquet                 a row a tile
    masks/train/CLASS/NAME.png       where asked for: the class of every pixel of a tile, as codes
    tfrecord/, cntk/                 where asked for: what other training scripts read
    counts.png                       how many there are of each class
    parts/                           of a run that is not done: what its tasks have found and written
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from landcover.classes import LandClass, Scheme
from landcover.errors import ConfigError, OutputError, SourceError, StoreError
from landcover.labelling.checking import MASKS, SIZE, Stage, counts_in, manifest_in, table_in
from landcover.labelling.settings import SPLITS, Split
from landcover.plain_parquet import UNREADABLE, told
from landcover.redaction import redacted_values
from landcover.runs.fingerprint import check_same, digest_of, other_keys, whole_of
from landcover.runs.lock import forget_left_over, only_run
from landcover.runs.manifest import MOST_MANIFEST
from landcover.runs.storage import Storage
from landcover.runs.tables import encoded

MANIFEST, TABLE, FIGURE = "prepare.json", "manifest.parquet", "counts.png"
PARTS, TFRECORD, CNTK = "parts", "tfrecord", "cntk"
_STAGES: tuple[Stage, ...] = ("labels", "tiles")
_KEY = b"landcover"
_PART = re.compile(r"part-(\d+)\.parquet")
# What the folder of a class must not hold: it would be read as another folder, or as a pattern.
_STRANGE = re.compile(r"[^\w ,.()&+-]+")


@dataclass(frozen=True)
class Prepared:
    """A folder of labelled tiles, as workers get it: a few bytes that pickle.

    Args:
        path: a local folder or an fsspec URL.
        token: of whoever holds it; "" for others.
    """

    path: str
    token: str = field(default="", compare=False)

    @property
    def storage(self) -> Storage:
        """The files of the folder."""
        return Storage(self.path, self.token)

    def manifest(self) -> dict[str, Any]:
        """What ``prepare.json`` says.

        Raises:
            OutputError: if there is none, or it cannot be read.
        """
        storage = self.storage
        try:
            return manifest_in(storage.read(MANIFEST, MOST_MANIFEST))
        except (FileNotFoundError, NotADirectoryError):
            reason = f"holds no {MANIFEST}: it is no folder of 'landcover prepare'"
            raise OutputError(storage.root, reason) from None
        except StoreError:
            raise
        except (OSError, ValueError) as error:
            raise OutputError(storage.where(MANIFEST), f"cannot be read: {error}") from None

    def write_manifest(self, values: Mapping[str, Any]) -> None:
        """Write ``prepare.json``.

        Raises:
            OutputError: if it cannot be written.
        """
        text = json.dumps(redacted_values(dict(values)), indent=2)
        self.storage.put(MANIFEST, text.encode() + b"\n")

    def put_part(self, stage: Stage, index: int, table: pa.Table, told: Mapping[str, Any]) -> None:
        """Write what a task has found: its presence marks the task as done.

        Args:
            stage: of the work.
            index: of the task.
            table: a row a tile.
            told: what the task has counted, as plain JSON values.

        Raises:
            OutputError: if it cannot be written.
        """
        metadata = {**(table.schema.metadata or {}), _KEY: json.dumps(dict(told)).encode()}
        self.storage.put(_part(stage, index), encoded(table.replace_schema_metadata(metadata)))

    def part(self, stage: Stage, index: int, scheme: Scheme) -> pa.Table:
        """What a task has found.

        Args:
            stage: of the work.
            index: of the task.
            scheme: the classes.

        Raises:
            OutputError: if it cannot be read.
        """
        name = _part(stage, index)
        try:
            return table_in(stage, self.storage.read(name), scheme)
        except UNREADABLE as error:
            raise OutputError(self.storage.where(name), f"cannot be read: {told(error)}") from error

    def finished(self, stage: Stage, scheme: Scheme) -> dict[int, dict[str, Any]]:
        """What the tasks that are done have counted, by index; a damaged part does not count."""
        found = {}
        names = map(_PART.fullmatch, self.storage.names(f"{PARTS}/{stage}"))
        for index in sorted(int(one[1]) for one in names if one):
            try:
                with self.storage.open(_part(stage, index)) as file:
                    counts = counts_in(stage, pq.read_metadata(file).metadata or {}, scheme)
                table = self.part(stage, index, scheme)
            except StoreError:
                raise
            except UNREADABLE:
                continue  # it is done again
            if stage == "labels" or self._holds(table):
                found[index] = counts
        return found

    def _holds(self, table: pa.Table) -> bool:
        """Whether the files of a task are whole: the power may have failed before the disk had them."""
        root = self.storage.local
        if root is None:
            return True
        pairs = zip(table.column("path").to_pylist(), table.column(SIZE).to_pylist(), strict=True)
        return all(_size(root / path) == size for path, size in pairs)

    def done(self, fingerprint: Mapping[str, object], scheme: Scheme) -> dict[str, Any] | None:
        """What ``prepare.json`` says where all is done that is asked for; else None."""
        try:
            found = self.manifest()
        except OutputError:
            return None
        same = not other_keys(_asked(found), whole_of(fingerprint, scheme))
        return found if same and found.get("status") == "done" else None

    @contextmanager
    def claimed(
        self, fingerprint: Mapping[str, object], scheme: Scheme, said: Mapping[str, Any]
    ) -> Iterator[tuple[Prepared, dict[str, Any]]]:
        """Begin to write tiles, or go on where that was interrupted; the folder is ours alone meanwhile.

        Args:
            fingerprint: what decides which tiles there are, as plain JSON values by name.
            scheme: the classes.
            said: what else ``prepare.json`` says from the start.

        Yields:
            the folder, and what ``prepare.json`` says; where all was done by the time that it was
            ours, its status is still "done".

        Raises:
            OutputError: if it cannot be written, holds other files, belongs to another configuration,
                or is being written at this moment.
        """
        whole = whole_of(fingerprint, scheme)
        self.storage.prepare()
        with only_run(self.storage) as token:
            held = replace(self, token=token)
            held._check(whole)
            if (done := held.done(fingerprint, scheme)) is not None:
                yield held, done  # by another command, since whoever calls has looked
                return
            values = {
                "status": "running",
                **said,
                "scheme": scheme.name,
                "classes": [described(item) for item in scheme],
                "asked": scheme.to_json(),
                "fingerprint": {**fingerprint, "digest": digest_of(whole)},
            }
            held.write_manifest(values)
            folders = [f"{PARTS}/{stage}" for stage in _STAGES]
            held.storage.prepare(PARTS, *folders)
            held.storage.sweep("", PARTS, *folders)
            yield held, values

    def _check(self, whole: Mapping[str, Any]) -> None:
        names = [name for name in self.storage.names() if not name.startswith(".")]
        if MANIFEST in names:
            check_same(self.path, _asked(self.manifest()), whole)
        elif names:
            reason = f"holds {names[0]!r} but no {MANIFEST}: name a new or an empty folder"
            raise OutputError(self.path, reason)

    def make_folders(self, wanted: Iterable[tuple[Split, LandClass]], masks: bool) -> None:
        """Make the folders of classes in splits, and remove what was half-written there.

        Args:
            wanted: the splits and classes that have tiles.
            masks: whether the classes of pixels have folders as well.

        Raises:
            OutputError: if one cannot be made.
        """
        tiles = [folder_of(*one) for one in wanted]
        every = [*tiles, *(f"{MASKS}/{folder}" for folder in tiles)] if masks else tiles
        self.storage.prepare(*every)
        self.storage.sweep(*every)

    def forget_parts(self) -> None:
        """Remove what only a run that is not done needs."""
        self.storage.remove_folder(PARTS)

    @contextmanager
    def forgotten_where_refused(self, labelled: bool = False) -> Iterator[None]:
        """Leave nothing where another configuration, or other inputs, are needed before any tile is written.

        Args:
            labelled: all tasks have found their labels; else those of some may be gone on with, and stay.
        """
        try:
            yield
        except (ConfigError, SourceError):
            if labelled or not self.storage.names(f"{PARTS}/labels"):
                self.forget_parts()
                self.storage.remove(MANIFEST)
            raise

    def forget_left_over(self) -> None:
        """Remove the parts and the lock of tiles that are done, where the command that made them could
        not; no error holds that up.
        """
        forget_left_over(self.storage, self._parts_of_done)

    def _parts_of_done(self) -> set[str]:
        done = self.manifest().get("status") == "done"
        return {PARTS} & {*self.storage.names()} if done else set()

    def erase(self) -> None:
        """Remove all that was written, and nothing else, so that another one may begin there.

        Raises:
            OutputError: if somebody is writing there, or something cannot be removed.
        """
        if not self.storage.exists(MANIFEST):
            return
        with only_run(self.storage) as token:
            storage = Storage(self.path, token)
            for folder in (*SPLITS, MASKS, PARTS, TFRECORD, CNTK):
                storage.remove_folder(folder)
            for name in (TABLE, FIGURE, MANIFEST):
                storage.remove(name)


def described(item: LandClass) -> dict[str, Any]:
    """A class as ``prepare.json`` tells it, with the name of its folders."""
    return {"code": item.code, "name": item.name, "color": item.color, "folder": folder_name(item)}


def _asked(found: Mapping[str, Any]) -> dict[str, Any]:
    """A manifest with the classes that were asked for in place of those that have tiles."""
    return {**found, "classes": found.get("asked")}


def folder_of(split: Split, item: LandClass) -> str:
    """Where the tiles of a class in a split lie: a class's name is its folder, as far as it can be."""
    return f"{split}/{folder_name(item)}"


def folder_name(item: LandClass) -> str:
    """What the folder of a class is called."""
    name = _STRANGE.sub("-", item.name).strip(" .-")
    return name or f"class {item.code}"


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None


def _part(stage: Stage, index: int) -> str:
    return f"{PARTS}/{stage}/part-{index:06d}.parquet"
