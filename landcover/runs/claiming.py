"""Whose a run directory is: begun, gone on with, found to be done, or emptied, by one command at a time."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

from landcover.classes import Scheme
from landcover.errors import OutputError, StoreError
from landcover.runs.directory import MANIFEST, SUFFIX, RunDirectory, read_manifest
from landcover.runs.fingerprint import check_same, digest_of, other_keys, whole_of
from landcover.runs.lock import BEAT, only_run
from landcover.runs.manifest import now
from landcover.runs.storage import Storage

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


class Overtaken(Exception):
    """Another command has changed a directory since it was looked at: what was decided may be wrong."""


def looked_at(path: str) -> bytes:
    """What stands in ``run.json`` at this moment, for :func:`claim`; nothing where there is none.

    Args:
        path: of the directory.

    Raises:
        OutputError: if it cannot be read.
        StoreError: the store does not answer.
    """
    storage = Storage(path)
    try:
        return storage.read(MANIFEST)
    except (FileNotFoundError, NotADirectoryError):
        return b""
    except StoreError:
        raise
    except OSError as error:
        raise OutputError(storage.where(MANIFEST), f"cannot be read: {error}") from None


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
    looked: bytes | None = None,
    at_once: bool = False,
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
        looked: what ``run.json`` said (:func:`looked_at`) when it was decided what is to be done;
            None: nothing was decided by it.
        at_once: whether nothing that is written stays where the block fails, in a directory that
            was new: for what cannot be gone on with.

    Raises:
        OutputError: if the directory cannot be written, holds other files, belongs to another run,
            or is being written by another run at this moment.
        Overtaken: another command has written ``run.json`` since it was looked at; nothing is written.
    """
    run = RunDirectory(path, scheme)
    whole = whole_of(fingerprint, scheme)
    run.storage.prepare()
    with _no_empty_folder(run.storage, at_once), only_run(run.storage, beat) as token:
        run = replace(run, token=token)
        if looked is not None and looked_at(path) != looked:
            raise Overtaken(path)
        started = _started(run, whole, extended)
        with _whole_or_nothing(run.storage, at_once):
            run.write(
                {
                    "status": "running",
                    "started": started or now(),
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
    with only_run(storage) as token:
        storage = Storage(path, token)
        found = read_manifest(storage)
        # Whoever wrote run.json must not choose what else is removed.
        files = [name for name in map(str, found.get("files", ())) if _A_MAP.fullmatch(name)]
        for folder in (*SUFFIX, "maps"):
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


@contextmanager
def _whole_or_nothing(storage: Storage, wanted: bool) -> Iterator[None]:
    """Empty a directory that is held and was new, where what is written there cannot be finished."""
    new = wanted and not storage.exists(MANIFEST)
    try:
        yield
    except BaseException:
        if new:
            with suppress(OutputError):  # the first error is what people must know of
                storage.clear()
        raise


@contextmanager
def _no_empty_folder(storage: Storage, wanted: bool) -> Iterator[None]:
    """Remove an empty folder where what was to be written there failed, once nobody holds it."""
    try:
        yield
    except BaseException:
        if wanted and storage.local is not None:
            with suppress(OSError):  # it holds something: another command's, or what was there
                storage.local.rmdir()
        raise
