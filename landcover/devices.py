"""Which GPUs this process may see, and which of them it holds: a GPU is one process's at a time.

A process that holds a GPU keeps it until it ends, as the libraries that compute on GPUs do. What it
holds is a lock on a file in a folder that all processes of a user on a host share, which the kernel
gives back however the process ends.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from landcover.errors import LandcoverError
from landcover.small_files import open_lock

# A worker of a run that has just ended may need a moment to die.
_PATIENCE = 5.0
_PAUSE = 0.1

_GPU_LINE = re.compile(r"GPU (\d+): (.*?) *\(UUID: ([^)]+)\)")
_MIG_LINE = re.compile(r"\s+MIG (\S+)\s.*\(UUID: ([^)]+)\)")


@dataclass(frozen=True)
class Gpu:
    """A GPU, or an instance of a divided one (MIG), that CUDA shows to this process.

    Args:
        uuid: the same for all processes of the host.
        name: what its maker calls it.
        ordinal: the number by which CUDA knows it in this process.
        index: the number by which nvidia-smi knows the card.
    """

    uuid: str
    name: str
    ordinal: int
    index: int


def visible_gpus(
    environment: Mapping[str, str] = os.environ, listing: str | None = None
) -> list[Gpu]:
    """The GPUs that this process may use, in the order in which it should try them.

    ``CUDA_VISIBLE_DEVICES`` counts as it does for CUDA: numbers or (beginnings of) UUIDs, in this
    order, up to the first one that there is not. dask-cuda gives each of its workers a list that
    begins with another GPU. Inside a Spark task that was given GPUs (``spark.task.resource.gpu``)
    only those count. Numbers are those of nvidia-smi, as for CUDA with
    ``CUDA_DEVICE_ORDER=PCI_BUS_ID``.

    Args:
        environment: where ``CUDA_VISIBLE_DEVICES`` may stand.
        listing: what ``nvidia-smi -L`` says; None: it is asked. Without it there are no GPUs.
    """
    there = _parsed(_nvidia_smi() if listing is None else listing)
    told = environment.get("CUDA_VISIBLE_DEVICES")
    if told is None:
        # Of the instances of divided GPUs, CUDA shows one by itself.
        whole = [gpu for gpu in there if not gpu.uuid.startswith("MIG-")]
        found = [_numbered(gpu, at) for at, gpu in enumerate(whole or there[:1])]
    else:
        found = _named(there, [entry.strip() for entry in told.split(",")])
    addresses = _spark_addresses()
    if addresses is None:
        return found
    return [gpu for gpu in found if {str(gpu.index), gpu.uuid} & set(addresses)]


def hold(
    gpus: Sequence[Gpu], folder: Path | None = None, patience: float | None = None
) -> Gpu | None:
    """The GPU that this process holds; where it holds none yet, it takes the first free one.

    Args:
        gpus: those to try, in this order.
        folder: where the locks lie; None: the folder that all processes of this user share.
        patience: seconds to wait for one to become free; None: a few.

    Returns:
        None where other processes hold all of them.

    Raises:
        LandcoverError: the folder of the locks cannot be used.
    """
    global _mine
    until = time.monotonic() + (_PATIENCE if patience is None else patience)
    with _taking:
        while _mine is None:
            for gpu in gpus:
                file = _locked(_checked(folder or _shared_folder()) / f"{gpu.uuid}.lock")
                if file is not None:
                    _mine = _Held(gpu, file)
                    return gpu
            if time.monotonic() >= until:
                return None
            time.sleep(_PAUSE)
        return _mine.gpu


def holders(gpus: Sequence[Gpu], folder: Path | None = None) -> list[int]:
    """The process ids that hold some of these GPUs, as far as they left word; for messages."""
    found = []
    for gpu in gpus:
        try:
            found.append(int(((folder or _shared_folder()) / f"{gpu.uuid}.lock").read_text()))
        except (OSError, ValueError):
            continue
    return found


def let_go() -> None:
    """Give back the GPU that this process holds; what has been loaded on it stays loaded."""
    global _mine
    with _taking:
        if _mine is not None:
            os.close(_mine.file)
            _mine = None


@dataclass(frozen=True)
class _Held:
    gpu: Gpu
    file: int


_mine: _Held | None = None
_taking = threading.Lock()


def _forget() -> None:
    """A forked child shares its parent's lock: it must not keep it when the parent dies."""
    global _mine, _taking
    _taking = threading.Lock()
    if _mine is not None:
        os.close(_mine.file)
        _mine = None


os.register_at_fork(after_in_child=_forget)


def _locked(path: Path) -> int | None:
    """Lock a file, and keep it open; None where another process holds it."""
    try:
        file = open_lock(path)
    except OSError as error:
        raise _no_locks(path, error) from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(file)
        if isinstance(error, BlockingIOError):
            return None
        raise _no_locks(path, error) from error
    with suppress(OSError):  # where the disk is full, others are not told whose GPU it is
        os.ftruncate(file, 0)
        os.write(file, str(os.getpid()).encode())
    return file


def _no_locks(path: Path, error: OSError) -> LandcoverError:
    helps = "mend that, or work without GPUs (CUDA_VISIBLE_DEVICES='')"
    return LandcoverError(f"{path}: no locks of GPUs can be kept here ({error}): {helps}")


def _shared_folder() -> Path:
    # Not the folder of TMPDIR, which may be a job's own, nor the home, which hosts may share.
    return Path("/tmp") / f"landcover-gpus-{os.getuid()}"


def _checked(folder: Path) -> Path:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        owner = folder.lstat().st_uid
    except OSError as error:
        raise _no_locks(folder, error) from error
    if owner != os.getuid() or folder.is_symlink():
        raise LandcoverError(
            f"{folder}: belongs to another user, so no locks of GPUs are kept here"
        )
    return folder


def _parsed(listing: str) -> list[Gpu]:
    """GPUs in the order of nvidia-smi; instances of divided ones in place of the whole."""
    found: list[Gpu] = []
    for line in listing.splitlines():
        if card := _GPU_LINE.match(line):
            found.append(Gpu(card[3], card[2], -1, int(card[1])))
        elif found and (part := _MIG_LINE.match(line)):
            last = found[-1]
            if not last.uuid.startswith("MIG-"):
                found.pop()
            name = last.name.split(" MIG ")[0]
            found.append(Gpu(part[2], f"{name} MIG {part[1]}", -1, last.index))
    return found


def _named(there: Sequence[Gpu], entries: Sequence[str]) -> list[Gpu]:
    found: list[Gpu] = []
    for entry in entries:
        match = [
            gpu
            for gpu in there
            if (entry.startswith(("GPU-", "MIG-")) and gpu.uuid.startswith(entry))
            or (entry == str(gpu.index) and not gpu.uuid.startswith("MIG-"))
        ]
        if len(match) != 1 or match[0].uuid in {gpu.uuid for gpu in found}:
            break
        found.append(_numbered(match[0], len(found)))
        if match[0].uuid.startswith("MIG-"):
            break  # CUDA shows a process one instance, whatever else is named
    return found


def _numbered(gpu: Gpu, ordinal: int) -> Gpu:
    return Gpu(gpu.uuid, gpu.name, ordinal, gpu.index)


@cache
def _nvidia_smi() -> str:
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return ""
    try:
        said = subprocess.run([tool, "-L"], check=False, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return said.stdout if said.returncode == 0 else ""


def _spark_addresses() -> list[str] | None:
    """The GPUs that Spark gave to the task that this process works on; None where it gave none."""
    module: Any = sys.modules.get("pyspark.taskcontext")
    context = module.TaskContext.get() if module else None
    given = context.resources().get("gpu") if context else None
    return list(given.addresses) if given else None
