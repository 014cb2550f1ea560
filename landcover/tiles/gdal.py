"""How GDAL opens a path or URL, its settings, and what it says when it fails."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, NamedTuple
from urllib.parse import quote, unquote_to_bytes, urlsplit

import rasterio
from rasterio._err import CPLE_BaseError, CPLE_HttpResponseError, CPLE_OutOfMemoryError
from rasterio.errors import NotGeoreferencedWarning, RasterioError

from landcover.errors import SourceError, causes
from landcover.stores import azure
from landcover.stores.urls import file_system, is_remote

FAILURES = (RasterioError, CPLE_BaseError, OSError)
"""What rasterio raises where a file cannot be opened or its pixels cannot be read."""

STORES = {
    "abfs": "/vsiaz/",
    "abfss": "/vsiaz/",
    "az": "/vsiaz/",
    "s3": "/vsis3/",
    "s3a": "/vsis3/",
    "gs": "/vsigs/",
    "gcs": "/vsigs/",
}
"""Object stores that GDAL reads by itself, by the protocol of fsspec.

https://gdal.org/en/stable/user/virtual_file_systems.html
"""

# The block cache is shared by the process: enough for the blocks that neighbouring reads share,
# where GDAL's own default is 5 % of the machine's memory in each process. Folders are not listed on
# opening, yet sidecars (.msk, .aux.xml, .ovr) are still looked for by their names.
_ALWAYS = {"GDAL_CACHEMAX": 128 * 2**20, "GDAL_DISABLE_READDIR_ON_OPEN": "TRUE"}

# A file whose name is not UTF-8, which is what rasterio hands over: here it stands percent-encoded.
# https://gdal.org/en/stable/user/virtual_file_systems.html#vsicached-file-caching
_ENCODED = "/vsicached?file="

# Whatever the environment says: files run no code.
_NEVER = {"GDAL_VRT_ENABLE_PYTHON": "NO"}

_REMOTE = {
    "GDAL_HTTP_MAX_RETRY": "3",
    "GDAL_HTTP_RETRY_DELAY": "1",
    "GDAL_HTTP_CONNECTTIMEOUT": "20",
    "GDAL_HTTP_TIMEOUT": "120",
    "GDAL_HTTP_LOW_SPEED_TIME": "30",  # of a store that has answered and then sends nothing
    "GDAL_HTTP_LOW_SPEED_LIMIT": "1",
    "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES",
    "GDAL_HTTP_MULTIPLEX": "YES",
    "GDAL_INGESTED_BYTES_AT_OPEN": "32768",
    "VSI_CACHE": "TRUE",
    # Else GDAL keeps what it has read of a file, and which files there are, as long as the process
    # lives, and never asks whether it is still so: it is to know that while the file is open.
    "CPL_VSIL_CURL_NON_CACHED": ":".join(sorted({*STORES.values(), "/vsicurl/"})),
}

# Filters of warnings belong to the process: threads take turns.
_FILTERS = threading.Lock()


class Address(NamedTuple):
    """A file as GDAL opens it.

    Args:
        path: a local path, or a path of one of GDAL's virtual file systems.
        account: the Azure storage account that the URL names, if it names one.
        url: the fsspec URL, where GDAL has no file system of its own for it.
        stored: the fsspec URL, where GDAL reads an object store by itself.
    """

    path: str
    account: str | None = None
    url: str | None = None
    stored: str | None = None

    def opener(self) -> dict[str, Any]:
        """Arguments of ``rasterio.open``: the fsspec file system, where GDAL needs it."""
        if self.url is None:
            return {}
        return {"opener": file_system(self.url)[0].system}


def address(path: str) -> Address:
    """How GDAL opens a local path or an fsspec URL.

    Raises:
        SourceError: if no file system has the URL's protocol.
    """
    if not is_remote(path):
        return Address(path if _is_utf8(path) else _ENCODED + quote(os.fsencode(path)))
    protocol, rest = path.split("://", 1)
    if protocol in ("http", "https"):
        return Address(f"/vsicurl/{path}")
    if protocol not in STORES:
        return Address(file_system(path)[1], url=path)
    place, _, key = rest.partition("/")
    container, _, host = place.partition("@")
    return Address(f"{STORES[protocol]}{container}/{key}", host.split(".")[0] or None, stored=path)


def local_path(name: str) -> str:
    """The path of a local file that GDAL tells by the name of an :class:`Address`; others as they are."""
    if not name.startswith(_ENCODED):
        return name
    return os.fsdecode(unquote_to_bytes(name.removeprefix(_ENCODED)))


def _is_utf8(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:  # bytes that are no text, as os.fsdecode gives them
        return False
    return True


@contextmanager
def without_warnings(kind: type[Warning]) -> Iterator[None]:
    """Leave out warnings of a kind; to be held briefly, since threads take turns."""
    with _FILTERS, warnings.catch_warnings():
        warnings.simplefilter("ignore", kind)
        yield


def unplaced_allowed() -> AbstractContextManager[None]:
    """Open files that have no georeference without a warning; to be held for the opening only."""
    return without_warnings(NotGeoreferencedWarning)


def gdal_settings(file: Address, bare: bool = False) -> AbstractContextManager[Any]:
    """GDAL's options for opening and reading a file, for the ``with`` block in this thread.

    What the environment of the process sets stays as it is. Credentials come from the environment
    alone.

    Args:
        file: which.
        bare: nothing lies beside it, so that nothing is looked for.
    """
    options: dict[str, Any] = dict(_ALWAYS)
    encoded = file.path.startswith(_ENCODED)
    if file.path.startswith("/vsi") and not encoded:
        options |= _REMOTE | _endpoint(file.path)
    if bare:
        options["GDAL_DISABLE_READDIR_ON_OPEN"] = "EMPTY_DIR"
    options = {key: value for key, value in options.items() if key not in os.environ}
    if encoded:  # names in a list of the folder are not encoded: sidecars would not be found there
        options["GDAL_DISABLE_READDIR_ON_OPEN"] = "TRUE"
    if file.path.startswith("/vsiaz/"):
        options |= azure.gdal_options()
    if file.account:
        options["AZURE_STORAGE_ACCOUNT"] = file.account
    return rasterio.Env(**options, **_NEVER)  # type: ignore[no-any-return]


def is_bare(file: Address) -> bool:
    """Whether an object store holds nothing that is called as a file is, and more, beside it.

    That takes one request, where GDAL would ask for each of some forty names that sidecars have.
    """
    if file.stored is None:
        return False
    folder, _, name = file.stored.rpartition("/")
    stem = name.rpartition(".")[0] or name
    try:
        system, path = file_system(folder)
        found = [one.rpartition("/")[2] for one in system.find(path, maxdepth=1, prefix=stem)]
    except (OSError, SourceError, TypeError):  # may not be listed, or not by a prefix
        return False
    return all(one == name or one[len(stem) : len(stem) + 1] not in {".", "_"} for one in found)


def _endpoint(path: str) -> dict[str, str]:
    """Where a store lies that is not its maker's own (MinIO, an emulator), as fsspec is told it."""
    s3 = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if s3 and path.startswith("/vsis3/"):
        where = urlsplit(s3)
        https = "NO" if where.scheme == "http" else "YES"
        host = where.netloc + where.path.rstrip("/")
        return {"AWS_S3_ENDPOINT": host, "AWS_HTTPS": https, "AWS_VIRTUAL_HOSTING": "FALSE"}
    google = os.environ.get("STORAGE_EMULATOR_HOST")
    if google and path.startswith("/vsigs/"):
        return {"CPL_GS_ENDPOINT": f"{google.rstrip('/')}/", "GS_NO_SIGN_REQUEST": "YES"}
    return {}


def short_of_memory(error: BaseException) -> bool:
    """Whether GDAL had no memory to read with, which says nothing of the file."""
    return any(isinstance(one, CPLE_OutOfMemoryError) for one in causes(error))


def broke_off(error: BaseException) -> bool:
    """Whether a request over a network ended without an answer, or with one that is none."""
    return any(isinstance(one, CPLE_HttpResponseError) for one in causes(error))


def cause(error: BaseException) -> str:
    """What GDAL said, of an error that may only point to "the previous exception"."""
    *_, last = causes(error)
    said = str(last).strip() or str(error).strip()
    return " ".join(said.split()) or type(error).__name__
