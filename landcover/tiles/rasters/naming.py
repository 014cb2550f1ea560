"""Which scenes the entries of ``source.rasters`` stand for, and what each is called."""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Sequence
from operator import itemgetter
from pathlib import PurePosixPath
from typing import NamedTuple

from landcover.errors import SourceError
from landcover.stores.urls import file_of, in_archive, is_remote
from landcover.tiles.listing import RASTERS, Entry, common_root, parse, placed_files, relative, told
from landcover.tiles.opening import below

# Files that GDAL opens by a name of the local file system alone, or whose names lead to others.
_BY_NAME = (".vrt", ".nc", ".h5")


class Listed(NamedTuple):
    """The scenes of some entries.

    Args:
        scenes: (name, files) of each, in the order of entries and file names.
        folders: folders and URLs that the entries name.
    """

    scenes: list[tuple[str, tuple[str, ...]]]
    folders: tuple[str, ...]


def named_scenes(entries: Sequence[str | tuple[str, ...]]) -> Listed:
    """List the scenes of all entries with their names.

    A name is the path below the folder that all entries share, without the suffix (with it, where
    two files differ in nothing else; in an archive, the path there); a scene with a file per band goes by its first file.
    Bytes of names that are not UTF-8 are told with escapes, as caf\\xe9.

    Args:
        entries: paths, globs, folders or fsspec URLs; a tuple names the files of one scene.

    Raises:
        SourceError: if an entry brings nothing, a scene is given twice, or a name is not UTF-8 where
            GDAL needs it to be.
    """
    single = {place: parse(one) for place, one in enumerate(entries) if isinstance(one, str)}
    several = {p: _bandwise(one) for p, one in enumerate(entries) if not isinstance(one, str)}
    parts = [parse(path) for paths in several.values() for path in paths]
    every = [*single.values(), *parts]
    root = common_root(every)
    places, found = list(single), placed_files(list(single.values()), RASTERS)
    placed = [(places[one.place], (one.path,)) for one in found] + list(several.items())
    scenes = [paths for _, paths in sorted(placed, key=itemgetter(0))]
    for path in (path for paths in scenes for path in paths):
        if path != told(path) and _is_opened_by_name(path):
            reason = "its name is not UTF-8, as GDAL needs it for files of this kind: rename it"
            raise SourceError(told(path), reason)
    whole = [told(_below(paths[0], root)) for paths in scenes]
    plain = [str(PurePosixPath(path).with_suffix("")) for path in whole]
    often = Counter(plain)
    names = [
        name if often[name] == 1 else told(relative(paths[0], root)).lstrip("/")
        for name, paths in zip(plain, scenes, strict=True)
    ]
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        raise SourceError(twice[0], "is given twice; leave one of them out")
    return Listed(list(zip(names, scenes, strict=True)), below(map(_folder, every)))


def _is_opened_by_name(path: str) -> bool:
    return is_remote(path) or path != file_of(path) or path.lower().endswith(_BY_NAME)


def _folder(entry: Entry) -> str:
    """The folder or URL that an entry names: that of the file, where it is the name of one."""
    if not entry.literal:
        return entry.root
    return posixpath.dirname(file_of(f"{entry.root}/{entry.segments[0]}"))


def _below(path: str, root: str) -> str:
    """A path below the folder that all entries share; of an archive, the path in it."""
    if in_archive(path):
        return path.partition("::")[0].partition("://")[2].lstrip("/")
    return relative(path, root).lstrip("/")


def _bandwise(entry: tuple[str, ...]) -> tuple[str, ...]:
    """The files of a scene that keeps a file per band."""
    found = []
    for text in entry:
        parsed = parse(text)
        if not parsed.literal:
            raise SourceError(text, "stands in the list of one scene's files, and is no file")
        found.append(f"{parsed.root}/{parsed.segments[0]}")
    return tuple(found)
