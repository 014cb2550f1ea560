"""How a path or URL is reached, by fsspec and by GDAL, with credentials from the environment alone."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import rasterio
from rasterio.errors import NotGeoreferencedWarning

from landcover.errors import SourceError

# Object stores that GDAL reads by itself, by the protocol of fsspec.
# https://gdal.org/en/stable/user/virtual_file_systems.html
_STORES = {
    "abfs": "/vsiaz/",
    "abfss": "/vsiaz/",
    "az": "/vsiaz/",
    "s3": "/vsis3/",
    "s3a": "/vsis3/",
    "gs": "/vsigs/",
    "gcs": "/vsigs/",
}

# The block cache is shared by the process: enough for the blocks that neighbouring reads share,
# where GDAL's own default is 5 % of the machine's memory in each process. Folders are not listed on
# opening, yet sidecars (.msk, .aux.xml, .ovr) are still looked for by their names.
_ALWAYS = {"GDAL_CACHEMAX": 128 * 2**20, "GDAL_DISABLE_READDIR_ON_OPEN": "TRUE"}

_REMOTE = {
    "GDAL_HTTP_MAX_RETRY": "3",
    "GDAL_HTTP_RETRY_DELAY": "1",
    "GDAL_HTTP_CONNECTTIMEOUT": "20",
    "GDAL_HTTP_TIMEOUT": "120",
    "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES",
    "GDAL_HTTP_MULTIPLEX": "YES",
    "GDAL_INGESTED_BYTES_AT_OPEN": "32768",
    "VSI_CACHE": "TRUE",
}

# What GDAL calls an account or a key, what adlfs calls it, and the argument of adlfs for it.
_AZURE_NAMES = (
    ("AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_ACCOUNT_NAME", "account_name"),
    ("AZURE_STORAGE_ACCESS_KEY", "AZURE_STORAGE_ACCOUNT_KEY", "account_key"),
)

_SIGNATURES = {"sig", "signature", "token", "access_token", "x-amz-signature", "x-goog-signature"}


_FILTERS = threading.Lock()


class Address(NamedTuple):
    """A file as GDAL opens it.

    Args:
        path: a local path, or a path of one of GDAL's virtual file systems.
        account: the Azure storage account that the URL names, if it names one.
        url: the fsspec URL, where GDAL has no file system of its own for it.
    """

    path: str
    account: str | None = None
    url: str | None = None

    def opener(self) -> dict[str, Any]:
        """Arguments of ``rasterio.open``: the fsspec file system, where GDAL needs it."""
        if self.url is None:
            return {}
        return {"opener": file_system(self.url)[0]}


def is_remote(path: str) -> bool:
    """Whether a path is a URL of something else than the local file system."""
    return "://" in path


def file_system(url: str) -> tuple[Any, str]:
    """The fsspec file system of a URL, and the path inside it.

    Raises:
        SourceError: if no file system has this protocol, or its library is not installed.
    """
    from fsspec.core import url_to_fs

    options: dict[str, str] = {}
    if _STORES.get(url.split("://", 1)[0]) == "/vsiaz/":
        for gdal, adlfs, argument in _AZURE_NAMES:
            if gdal in os.environ and adlfs not in os.environ:
                options[argument] = os.environ[gdal]
        if "@" in url:
            options.pop("account_name", None)
    try:
        system, path = url_to_fs(url, **options)
    except (ImportError, ValueError) as error:
        raise SourceError(url, f"cannot be reached: {error}") from error
    return system, path


def address(path: str) -> Address:
    """How GDAL opens a local path or an fsspec URL.

    Raises:
        SourceError: if the URL holds a password or a signature, which a task must not carry.
    """
    if not is_remote(path):
        return Address(path)
    protocol, rest = path.split("://", 1)
    if protocol in ("http", "https"):
        return Address(f"/vsicurl/{path}")
    if protocol not in _STORES:
        return Address(file_system(path)[1], url=path)
    place, _, key = rest.partition("/")
    container, _, host = place.partition("@")
    return Address(f"{_STORES[protocol]}{container}/{key}", host.split(".")[0] or None)


def refuse_secrets(path: str) -> None:
    """Check that a URL names no secret: it would travel in tasks and stand in the run directory.

    Raises:
        SourceError: if it holds a password or a signature.
    """
    if not is_remote(path):
        return
    parts = urlsplit(path)
    secret = {key.lower() for key, _ in parse_qsl(parts.query)} & _SIGNATURES
    if secret or parts.password is not None:
        shown = f"{parts.scheme}://{parts.hostname or ''}{parts.path}"
        raise SourceError(
            shown,
            "the URL holds a password or a signature; leave it out and set credentials in the "
            "environment of the workers, such as AZURE_STORAGE_SAS_TOKEN",
        )


@contextmanager
def unplaced_allowed() -> Iterator[None]:
    """Open files without a place on earth and no warning; held for the opening only.

    Filters of warnings belong to the process: threads take turns.
    """
    with _FILTERS, warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        yield


def gdal_settings(file: Address) -> AbstractContextManager[Any]:
    """GDAL's options for opening and reading a file, for the ``with`` block in this thread.

    What the environment of the process sets stays as it is. Credentials come from the environment
    alone.
    """
    options: dict[str, Any] = dict(_ALWAYS)
    if file.path.startswith("/vsi"):
        options |= _REMOTE
    if file.path.startswith("/vsiaz/"):
        for gdal, adlfs, _ in _AZURE_NAMES:
            if adlfs in os.environ:
                options[gdal] = os.environ[adlfs]
    options = {key: value for key, value in options.items() if key not in os.environ}
    if file.account:
        options["AZURE_STORAGE_ACCOUNT"] = file.account
    return rasterio.Env(**options)  # type: ignore[no-any-return]
