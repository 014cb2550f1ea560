"""What errors of stores mean: by their types and the status that a store answered with.

Web servers and object stores fail for moments. Their libraries (aiohttp, azure, botocore, gcsfs) raise
errors of their own kinds, some of which are no OSError. Words tell nothing: they hold names of files.
"""

from __future__ import annotations

import errno
import socket
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from landcover.errors import StoreError, causes

# RFC 9110 and RFC 6585: too slow, too early, too many, and what servers and those before them say.
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_MISSING = frozenset({404, 410})
_DENIED = frozenset({401, 403})

# What local file systems say of a device or a server that is gone for the moment.
PASSING_ERRNOS = frozenset(
    {errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENODEV, errno.EHOSTDOWN, errno.EHOSTUNREACH}
)

_LIBRARIES = frozenset(
    {"aiohttp", "azure", "botocore", "gcsfs", "google", "requests", "s3fs", "urllib3"}
)
# Of azure and botocore: no credentials can be had, or those that there are cannot be used.
_NO_CREDENTIALS = frozenset(
    {"ClientAuthenticationError", "CredentialUnavailableError", "NoCredentialsError"}
)
# What a file system says of a path, and not of its store.
_OF_PATHS = (FileExistsError, IsADirectoryError, NotADirectoryError)


def as_ours(error: Exception, where: str) -> Exception:
    """What a library of a store raised as an error of ours; itself where it has nothing to do with it.

    Args:
        error: which.
        where: what was asked for, for the message.
    """
    if isinstance(error, StoreError):
        return error
    if isinstance(error, _OF_PATHS):
        return error
    chain = list(causes(error))
    status = next((number for one in chain if (number := _status(one)) is not None), None)
    of_store = any(map(_of_library, chain))
    if isinstance(error, KeyError) and where.startswith("zip://"):  # as Python's own reader says it
        return FileNotFoundError(errno.ENOENT, "no such file in the archive", where)
    if status in _MISSING or (isinstance(error, FileNotFoundError) and not (status or of_store)):
        return FileNotFoundError(errno.ENOENT, "no such file or folder", where)
    if not (status or of_store or isinstance(error, OSError)):
        return error
    refused = _refused(chain, status)
    said = _sentence(error, chain, status, refused)
    return StoreError(where, said, _passes(chain, status), status, refused)


def _refused(chain: list[BaseException], status: int | None) -> bool:
    """Whether it is the credentials of this process that a store does not take."""
    if status is not None:
        return status in _DENIED
    denied = isinstance(chain[0], PermissionError)
    return denied or any(type(one).__name__ in _NO_CREDENTIALS for one in chain)


def _passes(chain: list[BaseException], status: int | None) -> bool:
    if status is not None:
        return status in PASSING
    if any(isinstance(one, socket.gaierror) and _unknown_host(one) for one in chain):
        return False
    return not _refused(chain, status)


def _sentence(
    error: Exception, chain: list[BaseException], status: int | None, refused: bool
) -> str:
    codes = (getattr(one, "error_code", None) for one in chain)  # of azure
    code = next((str(getattr(code, "value", code)) for code in codes if code), "")
    if any(isinstance(one, socket.gaierror) and _unknown_host(one) for one in chain):
        return "there is no host of this name: correct the URL, or the name of the account"
    if refused:
        said = f"HTTP {status}{f', {code}' if code else ''}" if status else _words(error)
        return (
            f"the store refuses this process ({said}): set credentials that are right, allow this "
            "and have not run out, in the environment of every worker"
        )
    if status is not None:
        return f"the store answers HTTP {status}" + (f" ({code})" if code else "")
    return f"the store does not answer: {_words(error)}"


def _words(error: Exception) -> str:
    said = str(error).strip().splitlines()
    return " ".join(said[0].split())[:300] if said else type(error).__name__


def _status(error: BaseException) -> int | None:
    """The status of HTTP that an error was made of."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):  # botocore
        told = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    else:
        names = ("status", "status_code", "code")
        told = next((value for name in names if (value := getattr(error, name, None))), None)
        told = told or getattr(response, "status_code", None)
    number = int(told) if isinstance(told, (int, str)) and str(told).isdecimal() else 0
    return number if 300 <= number < 600 else None


def retry_after(error: BaseException) -> float:
    """Seconds that a store asks to be left alone (RFC 9110, 10.2.3); 0 where it does not say."""
    for one in causes(error):
        response = getattr(one, "response", None)
        headers = getattr(one, "headers", None) or getattr(response, "headers", None) or {}
        told = headers.get("Retry-After") if hasattr(headers, "get") else None
        if told is None:
            continue
        try:
            return max(0.0, float(told))
        except ValueError:
            pass
        try:
            return max(0.0, (parsedate_to_datetime(told) - datetime.now(UTC)).total_seconds())
        except (TypeError, ValueError):
            continue
    return 0.0


def _of_library(error: BaseException) -> bool:
    return any(kind.__module__.split(".")[0] in _LIBRARIES for kind in type(error).__mro__)


def _unknown_host(error: socket.gaierror) -> bool:
    return error.errno in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME))
