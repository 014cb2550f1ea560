"""Stand-ins of S3 and Google Cloud Storage, each in a process of its own; their tests are skipped without."""

from __future__ import annotations

import importlib.util
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.clusters import free_port

_PATIENCE = 60


@dataclass(frozen=True)
class ObjectStore:
    """A store with an empty bucket "data".

    Args:
        protocol: of its URLs.
        environment: by which clients find it.
    """

    protocol: str
    environment: Mapping[str, str]


@contextmanager
def s3(folder: Path) -> Iterator[ObjectStore]:
    """Moto as a server: ``pip install 'moto[s3,server]' s3fs``."""
    _require("moto", "s3fs")
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    environment = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "planted-id",
        "AWS_SECRET_ACCESS_KEY": "planted-secret-key",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    with _running(command, port, folder):
        yield ObjectStore("s3", environment)


@contextmanager
def gcs(folder: Path) -> Iterator[ObjectStore]:
    """An emulator, which ignores the conditions of writes: ``pip install gcp-storage-emulator gcsfs``."""
    _require("gcp_storage_emulator", "gcsfs")
    port = free_port()
    command = [sys.executable, "-m", "gcp_storage_emulator", "start", "--in-memory"]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    with _running(command, port, folder):
        yield ObjectStore("gs", {"STORAGE_EMULATOR_HOST": f"http://127.0.0.1:{port}"})


def _require(*modules: str) -> None:
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"absent: pip install {' '.join(missing)}")


@contextmanager
def _running(command: list[str], port: int, folder: Path) -> Iterator[None]:
    with (
        (folder / "said").open("w") as said,
        subprocess.Popen(command, cwd=folder, stdout=said, stderr=said) as process,
    ):
        try:
            until = time.monotonic() + _PATIENCE
            while not _listens(port):
                assert process.poll() is None, (folder / "said").read_text()
                assert time.monotonic() < until, f"{command[0]} does not listen"
                time.sleep(0.1)
            yield
        finally:
            process.terminate()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True
