"""Azurite, Microsoft's emulator of Azure storage, in a process of its own (npm install azurite)."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from support.clusters import free_port
from support.colours import blobs, write_scene

# What the emulator's documentation gives to all of its users.
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
CONTAINER = "data"
# Seconds until an emulator that does not listen is given up.
_PATIENCE = 60


@dataclass(frozen=True)
class Azurite:
    """An emulator with one container, which is empty to begin with, and the key that it takes."""

    endpoint: str
    key: str = KEY

    @property
    def connection(self) -> str:
        """The connection string with the account's key."""
        return self.connection_with(f"AccountKey={self.key}")

    def connection_with(self, credential: str) -> str:
        """A connection string with another credential, as in "SharedAccessSignature=..."."""
        return (
            f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};"
            f"BlobEndpoint={self.endpoint};{credential}"
        )

    def signature(self, hours: float = 1.0) -> str:
        """A shared access signature for all of the account, valid for some hours, or no more."""
        from azure.storage.blob import (
            AccountSasPermissions,
            ResourceTypes,
            generate_account_sas,
        )

        now = datetime.now(UTC)
        return str(
            generate_account_sas(
                ACCOUNT,
                self.key,
                ResourceTypes(service=True, container=True, object=True),
                AccountSasPermissions(read=True, write=True, delete=True, list=True, create=True),
                now + timedelta(hours=hours),
                start=now - timedelta(days=2),
            )
        )

    def upload(self, name: str, path: Path) -> None:
        """Put a file into the container."""
        with self._service() as service:
            service.get_blob_client(CONTAINER, name).upload_blob(path.read_bytes(), overwrite=True)

    def make_container(self) -> None:
        """Make the container, unless an earlier emulator in the same folder has."""
        from azure.core.exceptions import ResourceExistsError

        with self._service() as service, suppress(ResourceExistsError):
            service.create_container(CONTAINER)

    def _service(self):  # type: ignore[no-untyped-def]
        from azure.storage.blob import BlobServiceClient

        return BlobServiceClient.from_connection_string(self.connection)


@contextmanager
def azurite(folder: Path, port: int = 0, key: str = KEY) -> Iterator[Azurite]:
    """Start an emulator; skips where there is none.

    Args:
        folder: where it keeps what it holds, for another one to be started there later.
        port: at which it listens; 0: any that is free.
        key: that it takes.
    """
    program = os.environ.get("LANDCOVER_AZURITE") or shutil.which("azurite-blob")
    if program is None:
        pytest.skip(
            "Azurite is absent: npm install -g azurite, or LANDCOVER_AZURITE=.../azurite-blob"
        )
    port = port or free_port()
    command = [program, "--silent", "--disableTelemetry", "--skipApiVersionCheck"]
    command += ["--disableProductStyleUrl", "--location", str(folder)]
    command += ["--blobHost", "127.0.0.1", "--blobPort", str(port)]
    told = {**os.environ, "AZURITE_ACCOUNTS": f"{ACCOUNT}:{key}"}
    with subprocess.Popen(command, cwd=folder, env=told, stdout=subprocess.DEVNULL) as process:
        try:
            _wait_for(port, process)
            started = Azurite(f"http://127.0.0.1:{port}/{ACCOUNT}", key)
            started.make_container()
            yield started
        finally:
            process.terminate()


def fill(emulator: Azurite, folder: Path, model: Path) -> None:
    """Let an emulator hold a scene (written to a folder first), and a network with its sidecar."""
    emulator.upload("naip/scene.tif", write_scene(folder / "scene.tif", blobs(1, 150, 200)))
    for path in (model, model.with_suffix(".yaml")):
        emulator.upload(f"models/{path.name}", path)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert process.poll() is None, "Azurite ended at once"
            assert time.monotonic() < until, "Azurite does not listen"
            time.sleep(0.1)
        else:
            return
