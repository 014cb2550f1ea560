"""Virtual rasters: which files they name, and whether these may be opened.

GDAL opens what a virtual raster names with whatever driver takes it, and reads its XML more freely
than an XML parser does. So all of it is checked before: elements, attributes and each file.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from landcover.stores.urls import is_remote
from landcover.tiles.opening.allowed import Allowed, Refused, is_virtual, url_of
from landcover.tiles.opening.content import heads_of, is_direct, is_waitless, text_of
from landcover.tiles.opening.virtual_parts import ATTRIBUTES, ELEMENTS, FILES

# Of a VRT file: some 60,000 sources.
_MOST_BYTES = 64_000_000
_MOST_DEPTH = 8
# GDAL starts as many as it is asked for.
_THREADS = re.compile(r"ALL_CPUS|\d{1,3}", re.IGNORECASE)
# What GDAL would take for a name of another kind (DRIVER:..., vrt://..., XML) in place of a path.
_NO_PATH = re.compile(r"[:<>\"\x00-\x1f]|^\s|\s$")


def check_virtual(file: str, allowed: Allowed, opens: Callable[[str], bool]) -> None:
    """Check that a virtual raster names only files that may be opened.

    Args:
        file: a local path or a URL.
        allowed: what they may be and where they may lie.
        opens: whether one of the drivers that are allowed opens a file, asked of those that do not
            show by their first bytes what they are.

    Raises:
        Refused: naming what it holds that may not be.
    """
    check = _Check(allowed, opens)
    check.virtual(file)
    check.direct(file)


@dataclass
class _Check:
    allowed: Allowed
    opens: Callable[[str], bool]
    named: dict[str, None] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)

    def virtual(self, file: str, above: tuple[str, ...] = ()) -> None:
        """Check what a virtual raster holds, and those that it names.

        Args:
            file: a path or URL.
            above: those that led to it.
        """
        if file in above:
            raise Refused(f"{file} names itself, or one that names it")
        if file in self.seen:
            return
        self.seen.add(file)
        if len(above) > _MOST_DEPTH:
            raise Refused(f"names virtual rasters that name others, more than {_MOST_DEPTH} deep")
        for name in dict.fromkeys(_names(text_of(file, _MOST_BYTES), file)):
            self._check_place(name, file)
            if is_virtual(name):
                self.virtual(name, (*above, file))
            else:
                self.named[name] = None

    def direct(self, file: str) -> None:
        """Check that the files that are named are rasters themselves."""
        for name, head in heads_of(list(self.named)):
            # One that is not there is missed when it is read.
            if head is not None and not is_direct(head) and not self.opens(name):
                raise Refused(
                    f"{file} names {name}, which is no raster of a format that is allowed "
                    "(source.formats)"
                )

    def _check_place(self, name: str, file: str) -> None:
        there = name if is_remote(name) else os.path.realpath(name)
        if not self.allowed.holds(there):
            raise Refused(
                f"{file} names {name}, which lies outside the folders that are asked for "
                f"({', '.join(self.allowed.roots)}); if that is meant, set source.outside: true"
            )
        if not is_remote(name) and not is_waitless(there):
            raise Refused(f"{file} names {name}, which is no regular file")


def _names(content: bytes, file: str) -> Iterator[str]:
    """The files that a virtual raster names, as absolute paths or URLs."""
    for element in _elements(content, file):
        if element.tag not in FILES:
            continue
        text = "".join(element.itertext())
        relative = element.get("relativeToVRT", element.get("relativetoVRT", "0")).strip()
        if relative not in ("0", "1"):
            raise Refused(f"{file} says relativeToVRT={relative!r}, which is neither 0 nor 1")
        yield resolved(text, file, relative == "1")


def _elements(content: bytes, file: str) -> Iterator[Element]:
    """All elements of a virtual raster, each checked."""
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        raise Refused(f"{file} declares entities, which virtual rasters do not need")
    if content.count(b"<?") > content.lstrip().startswith(b"<?xml "):
        raise Refused(f"{file} holds processing instructions, which virtual rasters do not need")
    try:
        root = ElementTree.fromstring(content)
    except (ElementTree.ParseError, ValueError, LookupError, RecursionError) as error:
        reason = f"{file} is no virtual raster: its XML cannot be read ({error})"
    else:
        reason = (
            "" if root.tag == "VRTDataset" else f"{file} is no virtual raster, but {root.tag!r}"
        )
    if reason:
        raise Refused(reason)
    pending = [root]
    while pending:
        element = pending.pop()
        _check_element(element, file)
        yield element
        if not (element.tag == "Metadata" and element.get("format") == "xml"):
            pending += element
            continue
        if any(one.tag in FILES for one in element.iter()):
            raise Refused(f"{file} names files in its metadata")


def _check_element(element: Element, file: str) -> None:
    if element.tag not in ELEMENTS:
        raise Refused(
            f"{file} holds <{element.tag}>, which virtual rasters of others are not opened with"
        )
    strange = {*element.keys()} - ATTRIBUTES
    if strange:
        raise Refused(f"{file} holds <{element.tag} {min(strange)}=...>, which means nothing")
    told = (element.get("name") or element.get("key") or "").upper()
    of_threads = element.tag == "NumThreads" or told == "NUM_THREADS"
    if of_threads and not _THREADS.fullmatch((element.text or "").strip()):
        raise Refused(f"{file} asks for {(element.text or '')[:20]!r} threads")
    if element.tag == "PixelFunctionLanguage" and (element.text or "").strip() != "C":
        raise Refused(f"{file} holds a program ({element.text}), which is not run")


def resolved(text: str, file: str, relative: bool) -> str:
    """A name that stands in a file, as GDAL resolves it: an absolute path, or a URL.

    Args:
        text: the name.
        file: that holds it, a path or URL.
        relative: it counts from the folder of the file, unless it is absolute.

    Raises:
        Refused: it is no path of a file.
    """
    name = url_of(text)
    if is_remote(name) and not relative and "/.." not in name:
        return name
    if _NO_PATH.search(text) or text.startswith("/vsi") or not text:
        raise Refused(f"{file} names {text[:200]!r}, which is no path of a file")
    if not relative or text.startswith("/"):
        return os.path.abspath(text)  # noqa: PTH100  (links are followed later)
    folder, joined = posixpath.dirname(file), posixpath.join(posixpath.dirname(file), text)
    if not is_remote(file):
        return posixpath.normpath(joined)
    scheme, rest = folder.split("://", 1)
    container, _, below = rest.partition("/")
    return f"{scheme}://{container}{posixpath.normpath(posixpath.join('/', below, text))}"
