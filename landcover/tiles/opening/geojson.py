"""GeoJSON: whether OGR may read it: it asks the server that a link to a CRS names, and takes any time for columns.

A file is looked through for keys that may say a CRS. Where the value of one may not be read, the brackets of the file
tell whether it stands where OGR looks: the same words in columns and in members that only others know say nothing.
"""

from __future__ import annotations

import json
import mmap
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import rasterio
from rasterio.crs import CRS
from rasterio.errors import CRSError


def _spelled(word: bytes) -> bytes:
    """An expression for a word as readers of JSON take it: in any case, its letters escaped or not."""
    escapes = (rb"(?:%c|\\u00%02x|\\u00%02x)" % (one, one, one - 32) for one in word)
    return b"".join(escapes)


# A member that says the CRS, also as readers take it that are less strict than Python's: in either quotes, and
# up to a letter of 0, where texts in C end.
_CRS_KEY = re.compile(
    rb"[\"'](?:%s|%s)(?:[\"']|\\u0000)" % (_spelled(b"crs"), _spelled(b"coordrefsys")),
    re.IGNORECASE,
)
_KEY_ENDS, _VALUE_ENDS = re.compile(rb"\s*:\s*"), re.compile(rb"\s*([,}\]]|\Z)")
# Its names, of which none is that of a server that would be asked.
_CRS_NAME = re.compile(r"[\w:.+\-]{1,200}|\[?https?://www\.opengis\.net/def/crs/[\w/.\-]{1,200}\]?")
# Characters of what says the CRS, and of a key.
_LONGEST_CRS = _LONGEST_KEY = 10_000
_DECODER, _PLAIN = json.JSONDecoder(), re.compile(rb"\"[^\"\\]{0,200}+\"")
_UNREADABLE = "says its CRS in a way that cannot be read: write it anew (ogr2ogr -f GeoJSON)"
_NO_NAME = "says its CRS by a link, or by a name that is in no register: name it (EPSG:...)"
_UNKNOWN = "names a CRS that GDAL does not know: name it by its code (EPSG:...)"
# What tells how a text of JSON is built: texts, coordinates, other brackets, and whatever only readers take that are
# less strict, or take for the end of a value.
_TOKEN = re.compile(
    rb"(?P<text>\"(?:[^\"\\\x1e]++|\\.)*+\")|(?P<numbers>(?:\[[\d\s.,eE+\-]*+\][\s,]*+)++)|"
    rb"(?P<opens>[{\[])|(?P<closes>[}\]])|[\"'/\\#\x1e]",
    re.DOTALL,
)
# Of a value that is a layer itself; the members of others may be layers.
_KNOWN_TYPE = re.compile(
    rb"\"(Feature(Collection)?|GeometryCollection|(Multi)?(Point|LineString|Polygon))\""
)
_DEEPEST = 500
# What a bracket holds: nothing that says a CRS; what may, as its features may; a geometry, all of which may; a layer,
# if the whole is none.
_NOTHING, _HOLDER, _GEOMETRY, _LAYER = range(4)
_INNER = {"features": _HOLDER, "geometry": _GEOMETRY, "geometries": _GEOMETRY, "place": _GEOMETRY}


# Keys, whatever they are of: OGR takes any time for layers of tens of thousands of columns.
_KEY = re.compile(rb"\"((?:[^\"\\]|\\.){1,200}+)\"\s*:")
_MOST_KEYS, _CHUNK = 20_000, 2**24


def columns_objection(data: bytes | mmap.mmap) -> str | None:
    """Why OGR would take too long for the columns of GeoJSON; None where it would not."""
    found: set[bytes] = set()
    for start in range(0, len(data), _CHUNK):
        found.update(_KEY.findall(data, start, start + _CHUNK))
        if len(found) > _MOST_KEYS:
            return f"has more than {_MOST_KEYS:,} columns: leave them out (ogr2ogr -select)"
    return None


def crs_objection(data: bytes | mmap.mmap) -> str | None:
    """Why OGR may not read GeoJSON as to its CRS; None where it may.

    A key says no CRS by its place only where the file is strictly JSON, one value or each on a line of its own, so
    that no reader takes it to be built otherwise: by lines, with comments, in other quotes.
    """
    doubts, nowhere = _doubts(data), (len(data), "")
    place, reason = next(doubts, nowhere)
    walk = _Walk(data)
    for token in _TOKEN.finditer(data) if reason else ():
        if not walk.goes_on(token):
            return walk.objection or reason or _UNREADABLE
        start, end = token.span()
        while token.lastgroup == "text" and place < end:
            if place < start or (place == start and walk.says(reason)):
                return reason
            place, reason = next(doubts, nowhere)
    return reason or walk.objection or None


class _Walk:
    """A walk through JSON, bracket by bracket.

    Attributes:
        objection: of a key that may say a CRS, if nothing that comes says that the whole is one layer.
    """

    def __init__(self, data: bytes | mmap.mmap) -> None:
        self.objection = ""
        self._data = data
        self._open: list[int] = []
        self._key, self._value = "", -1  # the last one, and where its value begins
        self._types: list[bool] = []  # whether each that a value says of itself is known
        self._began, self._values, self._several_lines = 0, 0, False

    def goes_on(self, token: re.Match[bytes]) -> bool:
        """Take a step; False where readers may differ in how the file is built, or a layer says its CRS."""
        start, end = token.span()
        match token.lastgroup:
            case "text":
                return self._text(start, end)
            case "opens":
                if not self._open:
                    self._began, self._types = start, []
                    self._values += 1
                self._open.append(self._inner(start))
                return len(self._open) <= _DEEPEST
            case "closes" if self._open:
                self._open.pop()
                return bool(self._open) or self._ended(end)
        return token.lastgroup == "numbers"

    def says(self, reason: str) -> bool:
        """Whether a key says a CRS here; where that is not known yet, the reason is kept as objection."""
        if self._open and self._open[-1] == _NOTHING:
            return False
        if _LAYER in self._open[1:2]:
            self.objection = reason
            return False
        return True

    def _text(self, start: int, end: int) -> bool:
        if key := _KEY_ENDS.match(self._data, end):
            if end - start > _LONGEST_KEY:
                return False
            self._key, self._value = _name(self._data[start:end]), key.end()
            if len(self._open) == 1 and self._key == "type":
                self._types.append(_KNOWN_TYPE.match(self._data, key.end()) is not None)
        return True

    def _inner(self, start: int) -> int:
        """What a bracket holds that begins here."""
        outer = self._open[-1] if self._open else _HOLDER
        if start != self._value or outer in (_NOTHING, _GEOMETRY):
            return outer  # of a list, or as all that is in it
        layer = len(self._open) == 1 and self._data[start : start + 1] == b"{"
        return _INNER.get(self._key, _LAYER if layer else _NOTHING)

    def _ended(self, end: int) -> bool:
        """The end of a value, of which there are several only where each is a line."""
        self._several_lines |= self._data.find(b"\n", self._began, end) >= 0
        if self._types and all(self._types):
            self.objection = ""
        return not self.objection and not (self._several_lines and self._values > 1)


@lru_cache(maxsize=256)
def _name(key: bytes) -> str:
    """A key as readers in C take it."""
    try:
        return str(json.loads(key, strict=False)).partition("\0")[0].lower()
    except ValueError:
        return "features"  # which may be any


def _doubts(data: bytes | mmap.mmap) -> Iterator[tuple[int, str]]:
    """Where keys that may say a CRS begin whose values OGR may not read as one, and why."""
    for key in _CRS_KEY.finditer(data):
        if _VALUE_ENDS.match(data, key.end()):  # the word is a value, and says nothing
            continue
        if key.group().endswith(b"0"):
            yield key.start(), _UNREADABLE
            continue
        found = _KEY_ENDS.match(data, key.end())
        start = found.end() if found else key.end()
        plain = _PLAIN.match(data, start)
        if reason := _doubt(plain.group() if plain else data[start : start + _LONGEST_CRS]):
            yield key.start(), reason


@lru_cache(maxsize=256)
def _doubt(value: bytes) -> str | None:
    try:
        told, _ = _DECODER.raw_decode(value.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return _UNREADABLE
    if not all(map(_CRS_NAME.fullmatch, _texts_in(told))):
        return _NO_NAME
    said = told.get("properties") if isinstance(told, dict) else None
    name = said.get("name") if isinstance(said, dict) else None
    try:
        with rasterio.Env():  # which keeps what GDAL says of it
            return None if name is None or CRS.from_user_input(name) else _UNKNOWN
    except CRSError:  # where OGR would take degrees for it
        return _UNKNOWN


def _texts_in(value: Any) -> Iterator[str]:
    """The texts in a value of JSON."""
    if isinstance(value, str):
        yield value
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for one in inner:
        yield from _texts_in(one)
