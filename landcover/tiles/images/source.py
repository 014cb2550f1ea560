"""Tiles from image files: every PNG, JPEG or TIFF is a tile; its folder may be its label."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby, islice
from operator import itemgetter
from pathlib import PurePosixPath
from time import perf_counter
from typing import Literal, NamedTuple

from landcover.classes import Scheme
from landcover.config import Alpha, Palette, Resize
from landcover.contracts import Failure, Read, Strip, Tile
from landcover.errors import ConfigError, SourceError
from landcover.stores.urls import in_archive, is_remote
from landcover.tiles import buffers
from landcover.tiles.grid import Size, plain
from landcover.tiles.images.decoding import FORMATS, Expected, Unusable, Wanted, decode, expected_of
from landcover.tiles.images.fetching import Unreachable, fetch
from landcover.tiles.listing import (
    IMAGES,
    Found,
    common_root,
    parse,
    placed_files,
    relative,
    told,
)
from landcover.tiles.spared import spared_read
from landcover.tiles.states import digest_of, states_of

# Bytes of pixels that one read aims at, and how many images it has at least.
_READ_BYTES, _FEWEST = 2 * 2**20, 8
# How many usable images are the measure of all others, and how many are tried to find them.
_MEASURES, _PROBED = 9, 100

_COLOURS = ("red", "green", "blue", "nir")


class ImageSource:
    """Image files, each a tile; implements :class:`landcover.contracts.Source`.

    The files are listed anew whenever the plan is asked for; their list is never held. The first
    ones that can be used say what dtype all must have (the one that most of them have), and, where
    nothing else does, how many bands. A name that is not UTF-8 is told with escapes, as caf\\xe9.

    Args:
        entries: paths, globs, folders or fsspec URLs.
        tile: what the network sees, in pixels: its edge, or rows and columns.
        bands: bands in the order of the network: from 1, or red, green, blue, nir; None: all, less
            an alpha band that is opaque everywhere.
        band_count: how many bands the network reads; None: as many as the first image has.
        labels: "parent": the true label of an image is the name of its folder.
        known: the classes that a true label may name; None: any.
        task_tiles: how many images a task has.
        alpha: what a band that is declared alpha is; None: imagery if it is read, else a mask,
            which must be opaque everywhere.
        resize: what to do with images of another size than the window.
        palette: "expand": TIFFs of indices into a palette are read as their colours.
        formats: what they may be beyond PNG, JPEG and TIFF, as Pillow calls it.

    Raises:
        ConfigError: if the bands do not fit together, or a format is none of :data:`FORMATS`.
        SourceError: if nothing is found where an entry points.
    """

    def __init__(
        self,
        entries: Sequence[str],
        *,
        tile: int | Size,
        bands: Sequence[int | str] | None = None,
        band_count: int | None = None,
        labels: Literal["parent"] | None = None,
        known: Scheme | None = None,
        task_tiles: int = 64,
        alpha: Alpha | None = None,
        resize: Resize = "none",
        palette: Palette | None = None,
        formats: Sequence[str] = (),
    ) -> None:
        if bands is not None and band_count is not None and len(bands) != band_count:
            raise ConfigError(
                [f"{len(bands)} bands are named, the network reads {band_count}"], "source.bands"
            )
        strange = sorted({*map(str.upper, formats)} - FORMATS)
        if strange:
            there = ", ".join(sorted(FORMATS))
            raise ConfigError(
                [f"{strange[0]} is no format that images are read in ({there})"], "source.formats"
            )
        self._entries = [parse(entry) for entry in entries]
        self._root = common_root(self._entries)
        if archived := [entry.text for entry in self._entries if in_archive(entry.text)]:
            raise SourceError(archived[0], "is an image in an archive: unpack it")
        if not self._root and any(is_remote(entry.root) for entry in self._entries):
            raise SourceError(
                self._entries[-1].text,
                "lies elsewhere than the other images; score each place in a run of its own",
            )
        self._labels, self._task_tiles = labels, task_tiles
        self._known = known if labels else None
        numbers = None if bands is None else tuple(_numbered(band) for band in bands)
        self._wanted = Wanted(
            *(Size.of(tile), numbers, band_count, alpha, resize, palette),
            formats=tuple(map(str.upper, formats)),
        )
        self._expected: Expected | None = None

    @property
    def task_tiles(self) -> int:
        """About how many tiles a task has."""
        return self._task_tiles

    def divided(self, task_tiles: int) -> ImageSource:
        """The same images cut into larger or smaller tasks."""
        other = copy(self)
        other._task_tiles = task_tiles
        return other

    def tasks(self) -> Iterator[ImageTask]:
        """The plan: images in the order of their folders and names."""
        listed = self._files()
        index = 0
        while part := list(islice(listed, self._task_tiles)):
            split = [relative(found.path, self._root).rpartition("/") for found in part]
            groups = tuple(
                (folder or ".", tuple(name for *_, name in together))
                for folder, together in groupby(split, key=itemgetter(0))
            )
            labelled, state = self._labels == "parent", _state(part)
            yield ImageTask(index, self._root, groups, self._expect(), labelled, state)
            index += 1

    def count(self) -> int:
        """How many images the plan has; lists them.

        Raises:
            SourceError: if folders are to be labels, and one is none that is known.
        """
        if self._known is None:
            return sum(1 for _ in self._files())
        folders = Counter(told(found.path.rpartition("/")[0]) for found in self._files())
        _check_labels(folders, self._known)
        return folders.total()

    def paths(self) -> Iterator[str]:
        """The image files, in the order of the plan."""
        return (found.path for found in self._files())

    def fingerprint(self) -> dict[str, object]:
        """What decides which tiles there are: where they are looked for, and their size."""
        wanted = self._wanted
        return {
            "kind": "images",
            "images": ["/".join((entry.root, *entry.segments)) for entry in self._entries],
            "tile": plain(wanted.tile),
            "task": self._task_tiles,
            "labels": self._labels,
            **({"alpha": wanted.alpha} if wanted.alpha else {}),
            **({"resize": wanted.resize} if wanted.resize != "none" else {}),
            **({"palette": wanted.palette} if wanted.palette else {}),
            "bands": None if wanted.bands is None else list(wanted.bands),
        }

    def _files(self) -> Iterator[Found]:
        return placed_files(self._entries, IMAGES)

    def _expect(self) -> Expected:
        """What all images must be like, found out once."""
        if self._expected is None:
            self._expected = self._probe()
        return self._expected

    def _probe(self) -> Expected:
        """The dtype that most of the first usable images have; of images that are no use, any."""
        usable, decoded, last = list[Expected](), list[Expected](), ""
        for _, path, _ in islice(self._files(), _PROBED):
            [content] = fetch([path])
            try:
                decoded.append(expected_of(content, self._wanted))
                decode(content, decoded[-1])
                usable.append(decoded[-1])
            except (Unusable, Unreachable) as error:
                last = f"{path}: {error}"
            if len(usable) == _MEASURES:
                break
        if not decoded:
            raise SourceError(self._entries[0].text, f"its first images cannot be read; {last}")
        [(expected, _)] = Counter(usable or decoded[:1]).most_common(1)
        return expected


class _Image(NamedTuple):
    """A planned image: its path or URL, and its tile."""

    path: str
    tile: Tile


@dataclass(frozen=True, slots=True)
class ImageTask:
    """Some images; implements :class:`landcover.contracts.Task`.

    Args:
        index: place in the plan.
        root: the folder or URL that all paths count from.
        groups: folders below it ("." for itself), and the names of files in each.
        expected: what all images are like.
        labelled: the name of an image's folder is its true label.
        state: tells the files from others of the same names.
        spared: places, among the images of the task, of those that are not read.
    """

    index: int
    root: str
    groups: tuple[tuple[str, tuple[str, ...]], ...]
    expected: Expected
    labelled: bool
    state: str
    spared: tuple[int, ...] = ()

    @property
    def digest(self) -> str:
        """Tells the task from another: by its images, what is asked of them, and their state."""
        return digest_of(self.groups, self.expected, self.labelled, self.state)

    @property
    def tiles(self) -> int:
        """How many images the task has."""
        return sum(len(names) for _, names in self.groups)

    def reads(self) -> Sequence[Read]:
        """Reads of a few images each."""
        every, left_out, expected = list(self._images()), set(self.spared), self.expected
        images = (image for place, image in enumerate(every) if place not in left_out)
        few = max(_FEWEST, _READ_BYTES // expected.bytes)
        reads = [
            Read(partial(_strip, part, expected), partial(_tiles, part))
            for part in iter(lambda: [*islice(images, few)], [])
        ]
        if self.spared:
            reads.append(spared_read([every[place].tile for place in self.spared]))
        return reads

    def sparing(self, places: tuple[int, ...]) -> ImageTask:
        """The same task, of which the images in some places are not read."""
        return replace(self, spared=places)

    def planned(self) -> Iterator[Tile]:
        """The tiles of all images, in the order of the plan."""
        return (image.tile for image in self._images())

    def _images(self) -> Iterator[_Image]:
        for folder, names in self.groups:
            below = "" if folder == "." else f"{folder}/"
            parent = PurePosixPath(f"{self.root}/{below}").name
            label = told(parent) if self.labelled else None
            for name in names:
                path = below + name
                tile = Tile(told(path), told(path), 0, 0, None, label)
                yield _Image(f"{self.root}/{path}", tile)


def _state(part: Sequence[Found]) -> str:
    """What tells files from others of the same names; looked up where no listing has said it."""
    unknown = [found.path for found in part if not found.state]
    looked_up = iter(states_of(unknown))
    return digest_of([found.state or next(looked_up) for found in part])


def _tiles(images: list[_Image]) -> list[Tile]:
    return [image.tile for image in images]


def _strip(images: list[_Image], expected: Expected) -> Strip:
    """Fetch and decode a few images; those that cannot be used are failures."""
    start = perf_counter()
    tiles: list[Tile] = []
    failures: list[Failure] = []
    pixels = buffers.empty((len(images), *expected.shape), expected.dtype)
    decoding = 0.0
    for image, content in zip(images, fetch([image.path for image in images]), strict=True):
        fetched = perf_counter()
        try:
            pixels[len(tiles)] = decode(content, expected)
            tiles.append(image.tile)
        except Unusable as error:
            failures.append(Failure(image.tile, str(error), retryable=False))
        except Unreachable as error:
            failures.append(Failure(image.tile, str(error), error.retryable, True))
        decoding += perf_counter() - fetched
    taken = perf_counter() - start
    return Strip(tiles, pixels[: len(tiles)], None, failures, 0, taken, decoding)


def _check_labels(folders: Collection[str], known: Scheme) -> None:
    """Refuse folders that are to be true labels and name no class, before anything is scored."""
    strange = [one for one in folders if PurePosixPath(one).name.casefold() not in known.by_label]
    if not strange:
        return
    one, more = strange[0], f", and {len(strange) - 1} more are none" if strange[1:] else ""
    raise SourceError(
        one,
        f"source.labels takes folders for true labels, but {PurePosixPath(one).name!r} is no class "
        f"of the model{more} (there are: {', '.join(known.names)}); rename it, name other images, "
        "or set model.classes",
    )


def _numbered(band: int | str) -> int:
    text = str(band).lower()
    if text in _COLOURS:
        return _COLOURS.index(text) + 1
    if text.isdecimal() and int(text) > 0:
        return int(text)
    raise ConfigError(
        [f"{band!r} is no band of an image: give a number from 1, or {', '.join(_COLOURS)}"],
        "source.bands",
    )
