"""How a path or URL is reached by fsspec, with credentials from the environment alone."""

from __future__ import annotations

import os
from urllib.parse import parse_qsl, urlsplit

from landcover.config import subdataset
from landcover.errors import SourceError
from landcover.stores import Store

AZURE_PROTOCOLS = frozenset({"abfs", "abfss", "az"})

# What GDAL calls an account or a key, what adlfs calls it, and the argument of adlfs for it.
AZURE_NAMES = (
    ("AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_ACCOUNT_NAME", "account_name"),
    ("AZURE_STORAGE_ACCESS_KEY", "AZURE_STORAGE_ACCOUNT_KEY", "account_key"),
)

_NO_AZURE = (
    "cannot be reached, as this process has no credentials that Azure takes: set "
    "AZURE_STORAGE_ACCOUNT_NAME with AZURE_STORAGE_ACCOUNT_KEY or AZURE_STORAGE_SAS_TOKEN, or "
    "AZURE_STORAGE_CONNECTION_STRING, in the environment of every worker"
)

_SIGNATURES = {"sig", "signature", "token", "access_token", "x-amz-signature", "x-goog-signature"}


def is_remote(path: str) -> bool:
    """Whether a path is a URL, and not of the local file system, or the name of a subdataset."""
    return "://" in path and subdataset(path) is None


def in_archive(path: str) -> bool:
    """Whether a path names a file of an archive: ``zip://INSIDE.tif::ARCHIVE.zip``."""
    return path.startswith(("zip://", "tar://")) and "::" in path


def file_of(path: str) -> str:
    """The file that a path names: of a subdataset, the one that holds it."""
    found = subdataset(path)
    return path if found is None else found.file


def file_system(url: str) -> tuple[Store, str]:
    """The file system of a URL, and the path inside it.

    Raises:
        SourceError: if no file system has this protocol, or its library is not installed.
    """
    from fsspec.core import url_to_fs

    options: dict[str, str] = {}
    protocol = url.split("://", 1)[0]
    if protocol in AZURE_PROTOCOLS:
        for gdal, adlfs, argument in AZURE_NAMES:
            if gdal in os.environ and adlfs not in os.environ:
                options[argument] = os.environ[gdal]
        if "@" in url:
            options.pop("account_name", None)
    try:
        system, path = url_to_fs(url, **options)
    except (ImportError, ValueError) as error:
        azure = isinstance(error, ValueError) and protocol in AZURE_PROTOCOLS
        reason = _NO_AZURE if azure else f"cannot be reached: {error}"
        raise SourceError(url, reason) from error
    return Store(system, store_of(url)), path


def store_of(url: str) -> str:
    """The store of a URL: what answers as a whole or not at all."""
    protocol, _, rest = url.partition("://")
    return f"{protocol}://{rest.split('/', 1)[0]}"


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
