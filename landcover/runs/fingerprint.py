"""Whose a directory is: what decides which files somebody writes there, held against what stands in it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from landcover.classes import Scheme
from landcover.errors import OutputError
from landcover.redaction import redacted_values

# Characters of a value that a message tells.
_LONGEST = 40


def whole_of(fingerprint: Mapping[str, object], scheme: Scheme) -> dict[str, Any]:
    """A fingerprint with the classes, as it comes back from a manifest.

    Args:
        fingerprint: plain JSON values by name, none of them "digest".
        scheme: the classes.
    """
    if "digest" in fingerprint:
        raise ValueError(
            "'digest' stands for the whole fingerprint: call what goes into it otherwise"
        )
    values = {**fingerprint, "classes": scheme.to_json()}
    whole: dict[str, Any] = redacted_values(json.loads(json.dumps(values)))
    return whole


def digest_of(whole: Mapping[str, Any]) -> str:
    """Some characters that two fingerprints share only if they are the same."""
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()


def other_keys(found: Mapping[str, Any], whole: Mapping[str, Any]) -> list[str]:
    """What is another in a manifest than in a fingerprint.

    Args:
        found: a manifest, with the keys "fingerprint" and "classes".
        whole: as :func:`whole_of` makes it.
    """
    theirs = _theirs(found)
    keys = {*theirs, *whole} - {"digest"}
    return sorted(key for key in keys if _differ(theirs, whole, key))


def check_same(
    path: str, found: Mapping[str, Any], whole: Mapping[str, Any], extended: Collection[str] = ()
) -> None:
    """Check that a directory belongs to whom a fingerprint is of.

    Args:
        path: of the directory, for messages.
        found: its manifest.
        whole: the fingerprint.
        extended: what of it may be another.

    Raises:
        OutputError: if it belongs to another one; the sentence says in what they differ.
    """
    other = [key for key in other_keys(found, whole) if key not in extended]
    if not other:
        return
    told = "; ".join(
        f"{key}: {was} there, {new} here"
        for key, was, new in _differences(_theirs(found), whole, other)
    )
    reason = (
        f"belongs to another run, with another {', '.join(other)}{told and f' ({told})'}: name "
        "another output, or begin this one anew (--restart)"
    )
    raise OutputError(path, reason)


def _theirs(found: Mapping[str, Any]) -> dict[str, Any]:
    """The fingerprint that a manifest tells, with the classes."""
    return {**found.get("fingerprint", {}), "classes": found.get("classes")}


def _differences(
    one: Mapping[str, Any], other: Mapping[str, Any], keys: Iterable[str]
) -> Iterator[tuple[str, str, str]]:
    """Key by key, what it is in one and in another; digests and lists say nothing to people."""
    for key in keys:
        was, new = one.get(key), other.get(key)
        if isinstance(was, Mapping) and isinstance(new, Mapping):
            inner = sorted(k for k in {*was, *new} if was.get(k) != new.get(k))
            for name, before, now in _differences(was, new, inner):
                yield f"{key}.{name}", before, now
        elif all(len(str(value)) <= _LONGEST for value in (was, new)):
            yield key, _word(was), _word(new)


def _word(value: object) -> str:
    return "nothing" if value is None else json.dumps(value)


def _differ(one: Mapping[str, Any], other: Mapping[str, Any], key: str) -> bool:
    return key not in one or key not in other or one[key] != other[key]
