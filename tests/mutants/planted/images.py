"""Faults of image files as tiles."""

from __future__ import annotations

from mutants.faults import planted

SOURCE = planted(
    "landcover/tiles/images/source.py",
    "tests/tiles/images/test_source.py",
    (
        "images after an unusable one get its place",
        "pixels[len(tiles)] = decode(content, expected)",
        "pixels[len(tiles) + len(failures)] = decode(content, expected)",
    ),
    (
        "pixels of unusable images are given on",
        "return Strip(tiles, pixels[: len(tiles)], None",
        "return Strip(tiles, pixels, None",
    ),
    (
        "the label is the folder above",
        'parent = PurePosixPath(f"{self.root}/{below}").name',
        'parent = PurePosixPath(f"{self.root}/{below}").parent.name',
    ),
    (
        "true labels unasked",
        "label = told(parent) if self.labelled else None",
        "label = told(parent)",
    ),
    ("the fingerprint forgets labels", '"labels": self._labels,', ""),
    (
        "the fingerprint forgets bands",
        '"bands": None if wanted.bands is None else list(wanted.bands),',
        "",
    ),
    (
        "the fingerprint forgets resizing",
        '**({"resize": wanted.resize} if wanted.resize != "none" else {}),',
        "",
    ),
    (
        "the fingerprint forgets what alpha is",
        '**({"alpha": wanted.alpha} if wanted.alpha else {}),',
        "",
    ),
    (
        "the fingerprint forgets where images are",
        '"images": ["/".join((entry.root, *entry.segments)) for entry in self._entries],',
        "",
    ),
    (
        "colours are counted from 0",
        "return _COLOURS.index(text) + 1",
        "return _COLOURS.index(text)",
    ),
    (
        "green before red",
        '_COLOURS = ("red", "green", "blue", "nir")',
        '_COLOURS = ("green", "red", "blue", "nir")',
    ),
    (
        "the first image is the measure, usable or not",
        "Counter(usable or decoded[:1]).most_common(1)",
        "Counter(decoded[:1]).most_common(1)",
    ),
    (
        "any failure may be retried",
        "failures.append(Failure(image.tile, str(error), retryable=False))",
        "failures.append(Failure(image.tile, str(error), retryable=True))",
    ),
    (
        "an image that is gone is damaged",
        "str(error), error.retryable, True)",
        "str(error), error.retryable)",
    ),
    (
        "tasks are one image short",
        "while part := list(islice(listed, self._task_tiles)):",
        "while part := list(islice(listed, self._task_tiles - 1)):",
    ),
    (
        "a task counts folders",
        "return sum(len(names) for _, names in self.groups)",
        "return len(self.groups)",
    ),
)

DECODING = planted(
    "landcover/tiles/images/decoding.py",
    "tests/tiles/images/test_source.py tests/tiles/images/test_decoding.py tests/tiles/images/test_plain.py",
    (
        "bands are counted from 0",
        "pixels[[band - 1 for band in expected.wanted.bands]]",
        "pixels[[band % len(pixels) for band in expected.wanted.bands]]",
    ),
    (
        "bands in the order of the file",
        "pixels[[band - 1 for band in expected.wanted.bands]]",
        "pixels[[band - 1 for band in sorted(expected.wanted.bands)]]",
    ),
    ("the first bands are all bands", "return pixels[:last]", "return pixels"),
    (
        "alpha is dropped, transparent or not",
        "if (bands[-1] != _OPAQUE.get(bands.dtype.name, bands[-1].max())).any():",
        "if False:",
    ),
    ("opaque in 16 bits is 255", '"uint16": 65535}', '"uint16": 255}'),
    (
        "NaN is brightness",
        'if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():',
        "if False:",
    ),
    ("infinite is brightness", "not np.isfinite(pixels).all()", "np.isnan(pixels).any()"),
    (
        "16 bits are cut down to 8",
        'if image.mode in ("LA", "RGB", "RGBA") and _deep(image):',
        "if False:",
    ),
    (
        "rows that are missing are filled up",
        'return "" if has_all_rows(content) else "cannot be decoded: some of its rows are missing"',
        'return ""',
    ),
    ("a torn PNG is read", "if whole and _simple_png(image):", "if _simple_png(image):"),
    (
        "chunks without a checksum",
        'if zlib.crc32(content[at + 4 : end]) != int.from_bytes(content[end : end + 4], "big"):',
        "if False:",
    ),
    (
        "rows as columns of Pillow",
        "np.moveaxis(array, 2, 0)",
        "np.moveaxis(array, 2, 0).swapaxes(1, 2)",
    ),
    ("another dtype is cast", "if pixels.dtype != expected.dtype:", "if False:"),
    (
        "too few bands are passed over",
        "    if len(pixels) != expected.count:\n",
        "    if len(pixels) < expected.count:\n",
    ),
    (
        "sizes with rows and columns exchanged",
        "(height, width) != tile:",
        "(width, height) != tile:",
    ),
    ("palettes are brightness", "if dataset.colorinterp[0] == ColorInterp.palette:", "if False:"),
    ("an image of any size", "if width * height > _MOST_PIXELS:", "if False:"),
    ("an image of any number of bands", "if count > _MOST_BANDS or", "if"),
)

RESIZING = planted(
    "landcover/tiles/images/resizing.py",
    "tests/tiles/images/test_source.py",
    (
        "the middle is to the left",
        "(height - window.rows) // 2, (width - window.cols) // 2",
        "(height - window.rows) // 2, 0",
    ),
    (
        "the middle by the width",
        "top, left = (window.rows - height) // 2,",
        "top, left = (window.cols - width) // 2,",
    ),
    (
        "crop what is too small",
        'if how == "crop" and height >= window.rows and width >= window.cols:',
        'if how == "crop" and height >= window.rows:',
    ),
    (
        "fit keeps one ratio",
        "Axis(window.cols, width, width / window.cols)",
        "Axis(window.cols, width, height / window.rows)",
    ),
    (
        "columns are mirrored at the height",
        "reflected(-left, window.cols - left, width)",
        "reflected(-left, window.cols - left, height)",
    ),
)

FETCHING = planted(
    "landcover/tiles/images/fetching.py",
    "tests/tiles/images/test_source.py",
    (
        "what is gone may come back",
        'return Unreachable(f"cannot be read: {reason}", passing)',
        'return Unreachable(f"cannot be read: {reason}", True)',
    ),
    (
        "a missing file stops the others",
        'system.cat_ranges(inside, 0, _SMALL + 1, on_error="return")',
        'system.cat_ranges(inside, 0, _SMALL + 1, on_error="raise")',
    ),
    (
        "contents in another order",
        "zip(inside, found, strict=True)",
        "zip(inside, reversed(found), strict=True)",
    ),
    (
        "large images are cut",
        "small = isinstance(part, bytes) and len(part) <= _SMALL",
        "small = isinstance(part, bytes)",
    ),
)

GAPS = planted(
    "landcover/tiles/images/gaps.py",
    "tests/tiles/images/test_decoding.py",
    ("a mask is nothing", "whole = bool(dataset.read_masks(1).all())", "whole = True"),
    (
        "what declares no data in places is whole",
        '    if bands.dtype.kind == "u" or valid.all():\n',
        "    if True:\n",
    ),
    (
        "a colour of one band means transparent",
        "(bands == colour[:, None, None]).all(axis=0).any()",
        "(bands == colour[:, None, None]).any()",
    ),
    (
        "no colour means transparent",
        "    if colour is None or len(colour) != len(bands):\n",
        "    if True:\n",
    ),
    (
        "levels of gray as they are stored",
        '_SPREAD = {"L;2": 85, "L;4": 17}',
        "_SPREAD: dict[str, int] = {}",
    ),
)

TURNING = planted(
    "landcover/tiles/images/turning.py",
    "tests/tiles/images/test_decoding.py",
    ("nothing is turned", "    if found not in _TURNED:\n", "    if True:\n"),
    ("mirrored is not turned", "_TURNED = range(2, 9)", "_TURNED = range(3, 9)"),
    (
        "a TIFF of the other byte order",
        'order = "<" if content.startswith(b"II") else ">"',
        'order = "<"',
    ),
)

PLAIN = planted(
    "landcover/tiles/images/plain.py",
    "tests/tiles/images/test_plain.py tests/tiles/images/test_decoding.py",
    (
        "rows are as long as their pixels",
        "high * (1 + -(-wide * bits // 8))",
        "high * -(-wide * bits // 8)",
    ),
    ("rows and columns of passes", "(4, 0, 8, 4), (0, 2, 4, 4)", "(0, 4, 4, 8), (2, 0, 4, 4)"),
    (
        "a damaged file is plain",
        'if crc32(content[at + 4 : end]) != int.from_bytes(content[end : end + 4], "big"):',
        "if False:",
    ),
    ("interlaced rows are in order", "or any(methods):", "or any(methods[:2]):"),
    (
        "a transparent colour changes nothing",
        'b"tIME", b"tEXt")',
        'b"tIME", b"tEXt", b"tRNS")',
    ),
    ("EXIF changes nothing", "0xDD, 0xE0,", "0xDD, 0xE0, 0xE1,"),
    ("12 bits are 8", "data[0] != 8 or", ""),
    ("what was cut off is whole", ' if kind == b"IEND" else None', ""),
)
