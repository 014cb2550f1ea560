"""What may be shown and written down of text in which secrets may stand.

Everything that leaves the package as text passes here: messages, logs, what ``run.json`` and the
quarantine say. What a secret looks like is known from where it stands: user info and query of a
URL, an assignment to a name that stands for one, an environment variable with such a name.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

HIDDEN = "***"

# Names of options and variables whose values are secrets, as Azure, AWS, Google, Spark and HTTP
# have them: account_key, AccountKey, sas_token, SharedAccessSignature, fs.azure.account.key...
_SECRET_NAME = re.compile(
    r"account[._\-]?key|access[._\-]?key|api[._\-]?key|secret|token|passw(?:or)?d|passwd|pwd|credential"
    r"|connection[._\-]?string|^(?:sig|sas|auth|sharedaccesssignature)$",
    re.IGNORECASE,
)
_SECRET_VARIABLE = re.compile(
    r"(?:.*_)?(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD|SAS|CREDENTIALS?|CONNECTION_STRING)",
    re.IGNORECASE,
)
# Texts may be long and made to be slow: no expression here begins again within what it has read.
_ASSIGNED = re.compile(r"(?<![\w.\-])([\w.\-]+)=")
_VALUE = re.compile(r"\"[^\"]*\"|'[^']*'|[^\s&;,'\"]+")
_BEARER = re.compile(r"\b(Bearer|Basic|SharedKey|SharedAccessSignature)\s+[\w+/=.:~\-]{8,}")
# A user and a password, which people may have written with slashes and quotes in it; a number there is a port.
_USER_INFO = r"[^\s/:@]{0,200}:(?!\d{1,5}(?:[/'\"\s]|$))[^\s@]{0,200}@"
# Taken for a path, a URL has one slash.
_URL = re.compile(rf"[a-zA-Z][a-zA-Z0-9+.\-]{{0,30}}:/{{1,2}}(?:{_USER_INFO})?[^\s'\"<>]+")
# Their user info is the name of a container.
_CONTAINER_BEFORE_AT = frozenset({"abfs", "abfss", "az", "wasb", "wasbs"})
# C0 and C1 controls but for tab and line feed, overrides of direction, separators, surrogates.
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
# Variables that end so name a file, which has no more characters of use than these.
_FILE, _MOST = "_FILE", 65536
# Shorter values of variables stand in texts by chance.
_LEAST = 8


def redacted(text: str) -> str:
    """A text without the secrets in it, for a message, a log or a record.

    Of every URL user info and query go (``https://me:secret@host/m.onnx?sig=x`` is
    ``https://host/m.onnx``); a value that is assigned to a name of a secret, or that an environment
    variable of such a name holds, becomes ``***``.
    """
    for value in _known():
        text = text.replace(value, HIDDEN)
    text = _URL.sub(lambda found: _bare(found[0]), text)
    text = _unassigned(text)
    return _BEARER.sub(rf"\1 {HIDDEN}", text)


def printable(text: str) -> str:
    """A text that does nothing to a terminal: control characters stand there as escapes.

    Names in files may hold them, bidirectional overrides and halves of surrogate pairs included
    (bytes of file names that are not UTF-8). Line ends stay.
    """
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def shortened(text: str, most: int) -> str:
    """A text of at most so many characters, and how many there were more."""
    more = len(text) - most
    return text if more <= 0 else f"{text[:most]}... ({more:,} more characters)"


def redacted_values(value: Any, name: str = "") -> Any:
    """Plain JSON values without the secrets in their texts, and without those under such names.

    Args:
        value: text, a number, None, or lists and mappings of them.
        name: of the value; a text under the name of a secret is one.
    """
    if isinstance(value, str):
        return HIDDEN if value and _SECRET_NAME.search(name) else redacted(value)
    if isinstance(value, Mapping):
        return {key: redacted_values(item, str(key)) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [redacted_values(item, name) for item in value]
    return value


def _unassigned(text: str) -> str:
    """A text without the values that are assigned to names of secrets."""
    kept, at = [], 0
    while found := _ASSIGNED.search(text, at):
        kept.append(text[at : found.end()])
        at = found.end()
        if _SECRET_NAME.search(found[1]) and (value := _VALUE.match(text, at)):
            kept.append(HIDDEN)
            at = value.end()
    return "".join([*kept, text[at:]])


def _bare(url: str) -> str:
    """A URL without user info and query, and without ``;key=value`` (Spark Connect has them)."""
    scheme, slashes, rest = re.split(r"(:/{1,2})", url, maxsplit=1)
    rest = re.sub(f"^{_USER_INFO}", "", rest)
    # A question mark of a pattern, as in abfs://c/tile-?.tif, is no query.
    query = r"\?.*" if scheme.startswith("http") else r"\?[^?]*=.*"
    rest = re.sub(rf"(?:{query}|;\w[\w.\-]*=.*)$", "", rest)
    host, slash, path = rest.partition("/")
    user, at, host = host.rpartition("@")
    if scheme.lower() in _CONTAINER_BEFORE_AT and ":" not in user:
        host = f"{user}{at}{host}"
    return f"{scheme}{slashes}{host}{slash}{path}"


def variable(name: str) -> str:
    """What the environment says under a name: by itself, or by a file that ``NAME_FILE`` names.

    That is how Docker and Kubernetes hand secrets over; such a file is read each time, as it may be
    renewed. "" where neither is there.
    """
    if told := os.environ.get(name):
        return told
    path = os.environ.get(f"{name}{_FILE}")
    if not path:
        return ""
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123
            return file.read(_MOST).strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _known() -> list[str]:
    """Values of this process's environment that are secrets, the longest first."""
    names = {name.removesuffix(_FILE) for name in os.environ}
    held = (variable(name) for name in names if _SECRET_VARIABLE.fullmatch(name))
    return sorted({value for value in held if len(value) >= _LEAST}, key=len, reverse=True)
