"""Azurite, Microsoft's emulator of Azure storage, in a process of its own (npm install azurite)."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from support.clusters import free_port

# What the emulator's documentation gives to all of its users.
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
CONTAINER = "data"
# Seconds until an emulator that does not listen is given up.
_PATIENCE = 60


@dataclass(frozen=True)
class Azurite:
    """An emulator with one container, which is empty to begin with."""

    endpoint: str

    @property
    def connection(self) -> str:
        """The connection string with the account's key."""
        return self.connection_with(f"AccountKey={KEY}")

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
                KEY,
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
        with self._service() as service:
            service.create_container(CONTAINER)

    def _service(self):  # type: ignore[no-untyped-def]
        from azure.storage.blob import BlobServiceClient

        return BlobServiceClient.from_connection_string(self.connection)


@contextmanager
def azurite(folder: Path) -> Iterator[Azurite]:
    """Start an emulator; skips where there is none."""
    program = os.environ.get("LANDCOVER_AZURITE") or shutil.which("azurite-blob")
    if program is None:
        pytest.skip(
            "Azurite is absent: npm install -g azurite, or LANDCOVER_AZURITE=.../azurite-blob"
        )
    port = free_port()
    command = [program, "--silent", "--skipApiVersionCheck", "--disableProductStyleUrl"]
    command += ["--inMemoryPersistence", "--blobHost", "127.0.0.1", "--blobPort", str(port)]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL) as process:
        try:
            _wait_for(port, process)
            started = Azurite(f"http://127.0.0.1:{port}/{ACCOUNT}")
            started.make_container()
            yield started
        finally:
            process.terminate()


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
