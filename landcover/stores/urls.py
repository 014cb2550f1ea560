"""How a path or URL is reached by fsspec, with credentials from the environment alone."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlsplit

from landcover.config import subdataset
from landcover.errors import SourceError
from landcover.small_files import ZIP_FAILURES
from landcover.stores import azure
from landcover.stores.asking import Store

# Seconds until a web server that does not answer, or sends nothing more, is given up.
_CONNECT, _SILENCE = 20.0, 60.0

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
        SourceError: if no file system has this protocol, its library is not installed, or the URL is none
            for it.
    """
    try:
        system, path = _connected(url)
    except (*ZIP_FAILURES, ImportError, TypeError, AttributeError) as error:
        # What fsspec makes of the parts of a URL, and of an archive that it names, has no root in common.
        of_azure = isinstance(error, ValueError) and url.split("://", 1)[0] in azure.PROTOCOLS
        reason = (
            azure.NO_CREDENTIALS
            if of_azure
            else f"cannot be reached: {' '.join(str(error).split())}"
        )
        raise SourceError(url, reason) from error
    return Store(system, store_of(url), lambda: _connected(url)[0]), path


def _connected(url: str) -> tuple[Any, str]:
    """The file system of fsspec for a URL, with the credentials that there are now."""
    from fsspec.core import url_to_fs

    options: dict[str, Any] = {}
    protocol = url.split("://", 1)[0]
    if protocol in azure.PROTOCOLS:
        options = azure.arguments()
        if "@" in url:  # it names the account
            options.pop("account_name", None)
    elif protocol in ("http", "https"):
        urlsplit(url).port  # noqa: B018  (what is no URL is told before a server is asked for it)
        options["client_kwargs"] = {"timeout": _patience()}
    found: tuple[Any, str] = url_to_fs(url, **options)
    return found


def _patience() -> Any:
    """How long a web server may say nothing; aiohttp's own limit is 5 minutes for all of a file."""
    from aiohttp import ClientTimeout

    return ClientTimeout(total=None, sock_connect=_CONNECT, sock_read=_SILENCE)


def store_of(url: str) -> str:
    """The store of a URL: what answers as a whole or not at all."""
    protocol, _, rest = url.partition("://")
    return f"{protocol}://{rest.split('/', 1)[0]}"


def refuse_secrets(path: str) -> None:
    """Check that a URL names no secret: it would travel in tasks and stand in the run directory.

    Raises:
        SourceError: if it holds a password or a signature, or is none.
    """
    if not is_remote(path):
        return
    try:
        parts = urlsplit(path)
    except ValueError as error:
        raise SourceError(path, f"is no URL: {error}") from None
    secret = {key.lower() for key, _ in parse_qsl(parts.query)} & _SIGNATURES
    if secret or parts.password is not None:
        shown = f"{parts.scheme}://{parts.hostname or ''}{parts.path}"
        raise SourceError(
            shown,
            "the URL holds a password or a signature; leave it out and set credentials in the "
            "environment of the workers, such as AZURE_STORAGE_SAS_TOKEN",
        )
