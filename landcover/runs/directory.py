"""A run directory: whose it is, what it says of itself, and where its files lie.

::

    run.json                      what was asked for and what came out
    tiles/part-000123.parquet     the tiles of task 123: its presence marks the task as done
    quarantine/part-000123-MARK.parquet  those of its tiles that failed, where any did
    pixels/part-000123-MARK.tif   labels of pixels, from networks that label pixels
    map.tif, maps/NAME.tif        made of the parts at the end
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal

from landcover.classes import Scheme
from landcover.errors import ConfigError, OutputError
from landcover.redaction import redacted_values
from landcover.runs.fingerprint import check_same, digest_of, other_keys, whole_of
from landcover.runs.lock import BEAT, only_run
from landcover.runs.manifest import parsed_manifest
from landcover.runs.storage import Storage

MANIFEST = "run.json"
Kind = Literal["tiles", "quarantine", "pixels"]
_PART = re.compile(r"part-(\d+)(?:-(\w+))?\.(\w+)")
_SUFFIX: Mapping[Kind, str] = {"tiles": "parquet", "quarantine": "parquet", "pixels": "tif"}


# What lies in a run's folder beside what its run.json lists.
_BESIDE_PARTS = (
    "map.tif",
    "map.tif.aux.xml",
    "map.vrt",
    "map.png",
    "confusion.png",
    "region.parquet",
    "network.i8",
)

_ERASED = "erased"
_A_MAP = re.compile(r"map[\w.\-]*\.(tif|vrt|png)")


@dataclass(frozen=True)
class RunDirectory:
    """Where a run writes, as workers get it: a few bytes that pickle.

    Args:
        path: a local folder or an fsspec URL.
        scheme: the classes, in the order of the model's output.
        token: of the run that holds it, behind a URL; "" for others.
        date: which of its maps is meant, of a run over scenes of several dates.
    """

    path: str
    scheme: Scheme
    token: str = field(default="", compare=False)
    date: str = ""

    @classmethod
    def open(cls, path: str) -> RunDirectory:
        """Open a directory that a run has written or is writing.

        Raises:
            OutputError: if it is no run directory.
        """
        storage = Storage(path)
        try:
            return cls(path, Scheme.from_json(_manifest(storage)["classes"]))
        except (ConfigError, KeyError, TypeError, ValueError) as error:
            reason = f"is not what landcover writes: its classes cannot be read ({error!r})"
            raise OutputError(storage.where(MANIFEST), reason) from error

    @property
    def storage(self) -> Storage:
        """The files of the directory."""
        return Storage(self.path, self.token)

    def part(self, kind: Kind, index: int, mark: str = "") -> str:
        """The name of the part that a task writes, relative to the directory.

        Args:
            kind: which of its files.
            index: of the task.
            mark: of what lies beside its tiles (:class:`landcover.runs.parts.Counts`).
        """
        return f"{kind}/part-{index:06d}{mark and '-'}{mark}.{_SUFFIX[kind]}"

    def parts(self, kind: Kind) -> list[int]:
        """The indices of the parts that are there, in ascending order."""
        return sorted({index for index, _ in self.marked_parts(kind)})

    def marked_parts(self, kind: Kind) -> list[tuple[int, str]]:
        """Index and mark of all parts that are there: copies of a task may have left several."""
        found = map(_PART.fullmatch, self.storage.names(kind))
        return [(int(one[1]), one[2] or "") for one in found if one and one[3] == _SUFFIX[kind]]

    def manifest(self) -> dict[str, Any]:
        """What ``run.json`` says.

        Raises:
            OutputError: if there is none, or it cannot be read.
        """
        return _manifest(self.storage)

    def finish(self, summary: Mapping[str, Any], status: str = "done") -> None:
        """Add to ``run.json`` what came out.

        Args:
            summary: plain JSON values; they win over those of the manifest.
            status: "done" where nothing is left to do; with any other word the run may go on.

        Raises:
            OutputError: if it cannot be written.
        """
        self._write({**self.manifest(), **summary, "status": status, "finished": _now()})

    def _write(self, values: Mapping[str, Any]) -> None:
        text = json.dumps(redacted_values(values), indent=2)
        self.storage.put(MANIFEST, text.encode() + b"\n")


def ended_run(path: str, fingerprint: Mapping[str, object], scheme: Scheme) -> RunDirectory | None:
    """The directory of a run that is done, with no tile left that may be tried again.

    Args:
        path: where it would be.
        fingerprint: as for :func:`claim`.
        scheme: likewise.

    Returns:
        None where there is no such run: none at all, another one, or one that is not done.
    """
    run = RunDirectory(path, scheme)
    try:
        found = run.manifest()
    except OutputError:
        return None
    if found.get("status") != "done" or found.get("retryable"):
        return None
    if other_keys(found, whole_of(fingerprint, scheme)):
        return None
    run.storage.settle_names("")  # else a run that says so may not be done after a power cut
    return run


@contextmanager
def claim(
    path: str,
    fingerprint: Mapping[str, object],
    scheme: Scheme,
    manifest: Mapping[str, Any],
    beat: float = BEAT,
    extended: Collection[str] = (),
) -> Iterator[RunDirectory]:
    """Begin a run in a directory, or go on with one that was interrupted.

    The directory is this run's alone until the ``with`` block ends. ``run.json`` is there from the
    start with status "running", and stays so when the run is killed: it can be claimed again then.

    Args:
        path: a local folder, made where there is none, or an fsspec URL.
        fingerprint: what decides what the run writes (model, recipe, grid, inputs), as plain JSON
            values by name, none of them "digest"; the scheme and a digest of all are added.
        scheme: the classes, in the order of the model's output.
        manifest: what else ``run.json`` says from the start (configuration, versions), no secrets.
        beat: seconds between signs of life behind URLs.
        extended: what of the fingerprint may be another than it was: the run goes on with that.

    Raises:
        OutputError: if the directory cannot be written, holds other files, belongs to another run,
            or is being written by another run at this moment.
    """
    run = RunDirectory(path, scheme)
    whole = whole_of(fingerprint, scheme)
    run.storage.prepare()
    with only_run(run.storage, beat) as token:
        run = replace(run, token=token)
        started = _started(run, whole, extended)
        run._write(
            {
                "status": "running",
                "started": started or _now(),
                **manifest,
                "classes": scheme.to_json(),
                "fingerprint": {**fingerprint, "digest": digest_of(whole)},
            }
        )
        # Not before run.json: whose a directory is must be known, wherever a run is killed.
        run.storage.prepare("tiles", "quarantine", "pixels")
        run.storage.sweep("", "tiles", "quarantine", "pixels", "maps")
        run.storage.settle_names("", "tiles", "quarantine", "pixels")
        yield run


def erase(path: str) -> None:
    """Remove all that a run has written, and nothing else, so that any run may begin there.

    Args:
        path: of its directory; where there is no run, nothing is done.

    Raises:
        OutputError: if a run is writing there, or something cannot be removed.
    """
    storage = Storage(path)
    if not storage.exists(MANIFEST):
        return
    with only_run(storage):
        found = _manifest(storage)
        # Whoever wrote run.json must not choose what else is removed.
        files = [name for name in map(str, found.get("files", ())) if _A_MAP.fullmatch(name)]
        for folder in (*_SUFFIX, "maps"):
            storage.remove_folder(folder)
        for name in (*files, *(f"{name}.aux.xml" for name in files), *_BESIDE_PARTS):
            storage.remove(name)
        # Last, as parts without it would be those of another run; what else lies there is no run's.
        left = {"status": _ERASED, "classes": found["classes"]}
        storage.put(MANIFEST, json.dumps(left).encode() + b"\n")


def _started(
    run: RunDirectory, fingerprint: Mapping[str, Any], extended: Collection[str]
) -> str | None:
    """When the interrupted run in the directory began; None where there was none."""
    names = [name for name in run.storage.names() if not name.startswith(".")]
    if MANIFEST not in names:
        if names:
            reason = f"holds {names[0]!r} but no {MANIFEST}: name a new or an empty directory"
            raise OutputError(run.path, reason)
        return None
    found = run.manifest()
    if found.get("status") == _ERASED:
        return None
    check_same(run.path, found, fingerprint, extended)
    return str(found.get("started", "")) or None


def _manifest(storage: Storage) -> dict[str, Any]:
    try:
        return parsed_manifest(storage.read(MANIFEST))
    except (FileNotFoundError, NotADirectoryError):
        raise OutputError(storage.root, f"holds no {MANIFEST}: it is no run directory") from None
    except (OSError, ValueError) as error:
        raise OutputError(storage.where(MANIFEST), f"cannot be read: {error}") from None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
