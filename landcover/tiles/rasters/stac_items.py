"""When scenes were taken, as items of STAC say it: beside each scene, or listed by one document.

https://github.com/radiantearth/stac-spec, version 1; read as plain JSON, since a date is all that is asked of it.
"""

from __future__ import annotations

import os
import posixpath
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from typing import Any, TypeAlias
from urllib.parse import unquote, urlsplit

from landcover.errors import SourceError, StoreError
from landcover.small_files import load_json
from landcover.stores.urls import file_of, in_archive, is_remote, refuse_secrets
from landcover.tiles.opening import Allowed, resolved, text_of

# Of one document: a search that found some 20,000 items.
_MOST_BYTES = 64_000_000
_MOST_DOCUMENTS = 100_000
_REQUESTS = 32  # at a time: each waits some ten milliseconds for its store

Json: TypeAlias = Mapping[str, Any]


def date_beside(file: str) -> str:
    """The date of the item beside a scene: SCENE.json, or FOLDER/FOLDER.json where that names it.

    Args:
        file: of the scene: a path or URL.

    Raises:
        SourceError: there is no such item, or it does not say when the scene was taken.
    """
    place = file_of(file)
    folder, name = posixpath.split(place)
    own = f"{folder}/{PurePosixPath(name).stem}.json"
    shared = f"{folder}/{posixpath.basename(folder)}.json"
    for document in () if in_archive(file) else dict.fromkeys((own, shared)):
        try:
            item = _read(document)
        except FileNotFoundError:
            continue
        named = any(_agreement(file, path) for path in _assets(item, document))
        if item.get("type") == "Feature" and (named or document == own):
            return _date(item, document)
    raise SourceError(
        file,
        f"has no STAC item beside it ({PurePosixPath(own).name}, or a "
        f"{PurePosixPath(shared).name} that names it): put it there, or let source.date.stac be "
        "the document that lists it",
    )


class Items:
    """The items of a document: itself, those that a search found, or those that it links to.

    Args:
        document: a path or URL of an item, a FeatureCollection of items, a collection or a catalog;
            whatever these link to lies in its folder.

    Raises:
        SourceError: it cannot be read, is no such document, or links to what lies elsewhere.
    """

    def __init__(self, document: str) -> None:
        refuse_secrets(document)
        self._document = document if is_remote(document) else os.path.abspath(document)  # noqa: PTH100
        self._naming: dict[str, list[tuple[str, Json, str]]] = defaultdict(list)
        for item, where in _items(self._document):
            for path in _assets(item, where):
                self._naming[posixpath.basename(path)].append((path, item, where))

    def date(self, file: str) -> str:
        """The date of the item one of whose files is called as a scene is, folders included.

        Args:
            file: of the scene: a path or URL. Of several items that name such a file it is that
                with which the path agrees farthest, counted from its end.

        Raises:
            SourceError: no item names it, or several do so alike and have other dates.
        """
        named = self._naming.get(posixpath.basename(_path(file)), [])
        if not named:
            reason = (
                f"is no file of any STAC item of {self._document} (source.date.stac); leave it "
            )
            raise SourceError(file, f"{reason}out, or name the document that lists its item")
        best = max(_agreement(file, path) for path, _, _ in named)
        found = {_date(item, at) for path, item, at in named if _agreement(file, path) == best}
        if len(found) > 1:
            reason = f"is named by STAC items of several dates ({', '.join(sorted(found))}); let "
            raise SourceError(file, f"{reason}its path end as that of the one that is meant")
        return found.pop()


def _items(document: str) -> Iterator[tuple[Json, str]]:
    """Each item of a document, and where it stands."""
    within = Allowed(roots=(posixpath.dirname(document),))
    seen, level = {document}, [document]
    while level:
        later: dict[str, None] = {}
        for where, content in _read_all(level):
            match content.get("type"):
                case "Feature":
                    yield content, where
                case "FeatureCollection":
                    yield from ((one, where) for one in _objects(content.get("features")))
                case "Collection" | "Catalog":
                    later |= dict.fromkeys(_linked(content, where, within))
                case other:
                    reason = f"is no STAC item, collection or catalog: its type is {other!r}"
                    raise SourceError(where, f"{reason} (source.date.stac)")
        level = [one for one in later if one not in seen]
        seen.update(level)
        if len(seen) > _MOST_DOCUMENTS:
            raise SourceError(document, f"links to more than {_MOST_DOCUMENTS:,} documents")


def _linked(content: Json, where: str, within: Allowed) -> Iterator[str]:
    """The items, and the catalogs of items, that a catalog links to."""
    for link in _objects(content.get("links")):
        href = link.get("href")
        if link.get("rel") not in ("item", "child") or not isinstance(href, str):
            continue
        try:
            place = resolved(href, where, relative=not is_remote(href))
        except OSError as error:
            raise SourceError(where, str(error)) from None
        if not within.holds(place if is_remote(place) else os.path.realpath(place)):
            reason = f"links to {href}, which lies outside the folder of the first document"
            raise SourceError(where, f"{reason} ({within.roots[0]}): copy it there")
        yield place


def _read_all(documents: Sequence[str]) -> Iterator[tuple[str, Json]]:
    with ThreadPoolExecutor(_REQUESTS) as pool:
        yield from zip(documents, pool.map(_read_there, documents), strict=True)


def _read_there(document: str) -> Json:
    try:
        return _read(document)
    except FileNotFoundError:
        raise SourceError(document, "no such file; correct source.date.stac") from None


def _read(document: str) -> Json:
    """What a document says, as JSON.

    Raises:
        FileNotFoundError: there is none.
        SourceError: it cannot be read, or is no object in JSON.
    """
    try:
        content = load_json(text_of(document, _MOST_BYTES))
    except (FileNotFoundError, StoreError):
        raise
    except OSError as error:
        raise SourceError(document, f"cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        raise SourceError(document, f"is no STAC document: {error}") from None
    if not isinstance(content, dict):
        raise SourceError(document, "is no STAC document: it holds no object")
    return content


def _objects(values: Any) -> list[Json]:
    return [one for one in values if isinstance(one, dict)] if isinstance(values, list) else []


def _assets(item: Json, where: str) -> list[str]:
    """The paths of an item's files, less hosts and queries; relative ones count from the item's."""
    assets = item.get("assets")
    found = _objects(list(assets.values())) if isinstance(assets, dict) else []
    folder = posixpath.dirname(_path(where))
    paths = (unquote(_path(str(one["href"]))) for one in found if "href" in one)
    return [posixpath.normpath(posixpath.join(folder, path)) for path in paths]


def _path(file: str) -> str:
    """A path or URL as a path alone: of an archive, the path in it."""
    if in_archive(file):
        return file.partition("::")[0].partition("://")[2]
    try:
        return urlsplit(file).path if is_remote(file) else file_of(file)
    except ValueError:  # no URL after all, which no file of ours is called like
        return file


def _agreement(file: str, asset: str) -> int:
    """In how many of their last parts, from the file's name up to folders, two paths agree."""
    one, other = (
        [part for part in reversed(path.split("/")) if part] for path in (_path(file), asset)
    )
    same = [left == right for left, right in zip(one, other, strict=False)]
    return [*same, False].index(False)


def _date(item: Json, where: str) -> str:
    """When an item's files were taken: as exact as the beginning and the end of that agree."""
    properties = item.get("properties")
    told = properties if isinstance(properties, dict) else {}
    first, last = _time(told.get("datetime")), _time(told.get("datetime"))
    if told.get("datetime") is None:
        first, last = _time(told.get("start_datetime")), _time(told.get("end_datetime"))
    if first is None or last is None:
        reason = "does not say when it was taken: its datetime, or start_datetime and end_datetime, is no time"
        raise SourceError(where, f"the STAC item {item.get('id')!r} {reason}")
    if last > first:
        last -= timedelta(microseconds=1)  # an end at midnight is that of the day before
    for form in ("%Y-%m-%d", "%Y-%m", "%Y"):
        if first.strftime(form) == last.strftime(form):
            return first.strftime(form)
    reason = f"was taken from {first:%Y-%m-%d} to {last:%Y-%m-%d}, in more than one year"
    raise SourceError(where, f"the STAC item {item.get('id')!r} {reason}: say its date otherwise")


def _time(text: Any) -> datetime | None:
    """A time as RFC 3339 has it, in UTC; None where it is none."""
    try:
        found = datetime.fromisoformat(text)
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (
        TypeError,
        ValueError,
        OverflowError,
    ):  # the last: before the first year, or behind the last
        return None
