"""Faults of stores: how often they are asked, what they answer, with which credentials."""

from __future__ import annotations

from mutants.faults import planted

_TESTS = "tests/stores/test_asking.py"

ASKING = planted(
    "landcover/stores/asking.py",
    _TESTS,
    (
        "a store that answered is down",
        "        else:\n            _down.discard(store)\n            return result",
        "        else:\n            return result",
    ),
    (
        "all of a file is its part",
        "content = content[start:stop]",
        "content = content[: stop - start]",
    ),
    ("a head is all of a file", "return content[:most]", "return content"),
    (
        "a store may ask for hours",
        "max(wait, min(retry_after(error), _LONGEST))",
        "max(wait, retry_after(error))",
    ),
    (
        "credentials that are the same are asked again",
        "            return False\n        if system is not self.system",
        "            return True\n        if system is not self.system",
    ),
)

ERRORS = planted(
    "landcover/stores/errors.py",
    _TESTS,
    ("too early is final", "{408, 425, 429,", "{408, 429,"),
    ("forbidden is no matter of credentials", "frozenset({401, 403})", "frozenset({401})"),
    (
        "a host that is unknown may come",
        "        return False\n    return not _refused",
        "        return True\n    return not _refused",
    ),
    (
        "a day of Retry-After is none",
        "(parsedate_to_datetime(told) - datetime.now(UTC))",
        "(datetime.now(UTC) - parsedate_to_datetime(told))",
    ),
    (
        "what an archive lacks is an error of Python",
        'isinstance(error, KeyError) and where.startswith("zip://")',
        "False",
    ),
)

AZURE = planted(
    "landcover/stores/azure.py",
    _TESTS,
    (
        "GDAL's names win for adlfs",
        "if (value := _value(adlfs, gdal))",
        "if (value := _value(gdal, adlfs))",
    ),
    ("a question mark is part of a signature", 'told.removeprefix("?")', "told"),
)
