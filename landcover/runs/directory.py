"""A run directory: what it says of itself, and where its files lie.

::

    run.json                      what was asked for and what came out
    tiles/part-000123.parquet     the tiles of task 123: its presence marks the task as done
    quarantine/part-000123-MARK.parquet  those of its tiles that failed, where any did
    pixels/part-000123-MARK.tif   labels of pixels, from networks that label pixels
    map.tif, maps/NAME.tif        made of the parts at the end
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from landcover.classes import Scheme
from landcover.errors import ConfigError, OutputError, StoreError
from landcover.redaction import redacted_values
from landcover.runs.manifest import MOST_MANIFEST, now, parsed_manifest
from landcover.runs.storage import Storage

MANIFEST = "run.json"
Kind = Literal["tiles", "quarantine", "pixels"]
_PART = re.compile(r"part-(\d+)(?:-(\w+))?\.(\w+)")
SUFFIX: Mapping[Kind, str] = {"tiles": "parquet", "quarantine": "parquet", "pixels": "tif"}


@dataclass(frozen=True)
class RunDirectory:
    """Where a run writes, as workers get it: a few bytes that pickle.

    Args:
        path: a local folder or an fsspec URL.
        scheme: the classes, in the order of the model's output.
        token: of the run that holds it; "" for others.
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
            return cls(path, Scheme.from_json(read_manifest(storage)["classes"]))
        except (ConfigError, KeyError, TypeError, ValueError) as error:
            reason = f"is not what landcover writes: its classes cannot be read ({error!r})"
            raise OutputError(storage.where(MANIFEST), reason) from error

    @property
    def storage(self) -> Storage:
        """The files of the directory."""
        return Storage(self.path, self.token)

    @property
    def state(self) -> str:
        """Tells what lies here from what another run has written to the same place before.

        Raises:
            OSError: there is no ``run.json``, or it cannot be read.
        """
        content = self.storage.read(MANIFEST, MOST_MANIFEST)
        return hashlib.blake2b(content, digest_size=8).hexdigest()

    def part(self, kind: Kind, index: int, mark: str = "") -> str:
        """The name of the part that a task writes, relative to the directory.

        Args:
            kind: which of its files.
            index: of the task.
            mark: of what lies beside its tiles (:class:`landcover.runs.parts.Counts`).
        """
        return f"{kind}/part-{index:06d}{mark and '-'}{mark}.{SUFFIX[kind]}"

    def parts(self, kind: Kind) -> list[int]:
        """The indices of the parts that are there, in ascending order."""
        return sorted({index for index, _ in self.marked_parts(kind)})

    def marked_parts(self, kind: Kind) -> list[tuple[int, str]]:
        """Index and mark of all parts that are there: copies of a task may have left several."""
        found = map(_PART.fullmatch, self.storage.names(kind))
        return [(int(one[1]), one[2] or "") for one in found if one and one[3] == SUFFIX[kind]]

    def manifest(self) -> dict[str, Any]:
        """What ``run.json`` says.

        Raises:
            OutputError: if there is none, or it cannot be read.
        """
        return read_manifest(self.storage)

    def check_there(self) -> None:
        """Look whether somebody has removed the directory of a run that goes on, or a part of it.

        Behind URLs that shows by the lock.

        Raises:
            OutputError: it has no ``run.json`` any more.
        """
        if self.storage.local is not None and not self.storage.exists(MANIFEST):
            reason = (
                f"its {MANIFEST} is gone, so somebody has removed this directory, or a part of it, while "
                "the run was writing to it: remove what is left, then the same command begins it anew"
            )
            raise OutputError(self.path, reason)

    def finish(self, summary: Mapping[str, Any], status: str = "done") -> None:
        """Add to ``run.json`` what came out.

        Args:
            summary: plain JSON values; they win over those of the manifest.
            status: "done" where nothing is left to do; with any other word the run may go on.

        Raises:
            OutputError: if it cannot be written.
        """
        self.check_there()
        self.write({**self.manifest(), **summary, "status": status, "finished": now()})

    def write(self, values: Mapping[str, Any]) -> None:
        """Write ``run.json``, without the secrets that are in the values.

        Raises:
            OutputError: if it cannot be written.
        """
        text = json.dumps(redacted_values(values), indent=2)
        self.storage.put(MANIFEST, text.encode() + b"\n")


def read_manifest(storage: Storage) -> dict[str, Any]:
    """What ``run.json`` says.

    Raises:
        OutputError: if there is none, or it cannot be read.
        StoreError: the store does not answer, so that nobody knows whether there is one.
    """
    try:
        return parsed_manifest(storage.read(MANIFEST, MOST_MANIFEST))
    except (FileNotFoundError, NotADirectoryError):
        raise OutputError(storage.root, f"holds no {MANIFEST}: it is no run directory") from None
    except StoreError:
        raise
    except (OSError, ValueError) as error:
        raise OutputError(storage.where(MANIFEST), f"cannot be read: {error}") from None
