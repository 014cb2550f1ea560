"""Faults of what is found out about a scene: place, bands, CRS, nodata, tasks."""

from __future__ import annotations

from mutants.faults import planted

SOURCE = planted(
    "landcover/tiles/rasters/source.py",
    "tests/tiles/rasters/test_unlike_numbers.py tests/tiles/rasters/test_source.py tests/scoring/test_changed_inputs.py",
    (
        "the fingerprint forgets where scenes lie",
        "grid.width, grid.height, scene.transform, scene.crs]",
        "grid.width, grid.height, scene.crs]",
    ),
    ("the fingerprint forgets the CRS", "scene.transform, scene.crs]", "scene.transform]"),
    (
        "the fingerprint forgets the order of bands",
        "held += [bands.read, bands.dtype",
        "held += [sorted(bands.read), bands.dtype",
    ),
    (
        "the fingerprint forgets the halo",
        "for key, value in self._tiling._asdict().items()}",
        "for key, value in self._tiling._asdict().items() if key != 'halo'}",
    ),
    ("the fingerprint forgets names", "held = [scene.name, grid.width", "held = [grid.width"),
    (
        "the fingerprint forgets the lattice",
        '**({"grid": "ground"} if self._read["lattice"] else {}),',
        "",
    ),
    ("the fingerprint forgets the resolution", '"resolution": self._read["resolution"],', ""),
    (
        "the fingerprint forgets what tells nodata",
        "bands.dtype, bands.validity, bands.alpha",
        "bands.dtype, bands.alpha",
    ),
    (
        "neighbours only without a halo",
        "if self._tiling.halo else None",
        "if not self._tiling.halo else None",
    ),
    (
        "neighbours of the first scene for all",
        "around = beside.of(place) if beside else ()",
        "around = beside.of(0) if beside else ()",
    ),
    ("all tasks have index 0", "                index += 1\n", ""),
    ("tasks of striped files are narrow", "if 2 * scene.block[1] < grid.width:", "if True:"),
)

TASK = planted(
    "landcover/tiles/rasters/task.py",
    "tests/tiles/rasters/test_source.py tests/scoring/test_changed_inputs.py",
    (
        "a task forgets the scenes beside its own",
        "self.scene.identity, self.block, self.chosen.hex(), self.mask, near)",
        "self.scene.identity, self.block, self.chosen.hex(), self.mask)",
    ),
    (
        "tasks are not told apart by their blocks",
        "self.scene.identity, self.block, self.chosen.hex(), self.mask, near)",
        "self.scene.identity, self.chosen.hex(), self.mask, near)",
    ),
    (
        "parts of a wide row overlap",
        "col, min(col + cols, col1))",
        "col, min(col + cols + 1, col1))",
    ),
    (
        "a read ends a row early",
        "yield Block(row, min(row + rows, row1), col,",
        "yield Block(row, min(row + rows, row1 - 1), col,",
    ),
)

GEOREFERENCE = planted(
    "landcover/tiles/rasters/georeference.py",
    "tests/tiles/rasters/test_scene.py",
    (
        "resolution along y taken from x",
        "x, y = resolution / metadata.metres * across, resolution / metadata.metres * down",
        "x, y = resolution / metadata.metres * across, resolution / metadata.metres * across",
    ),
    (
        "feet are metres",
        "x, y = resolution / metadata.metres * across",
        "x, y = resolution * across",
    ),
    (
        "metres the wrong way",
        "resolution / metadata.metres * across, ",
        "resolution * metadata.metres * across, ",
    ),
    (
        "rows are compared with nothing",
        "abs(a / x - 1) <= _TOLERANCE and abs(-e / y - 1) <= _TOLERANCE",
        "abs(a / x - 1) <= _TOLERANCE",
    ),
    ("two percent are the same", "_TOLERANCE = 0.01", "_TOLERANCE = 0.03"),
    ("the width is cut off", "int(metadata.width * a / x + 0.5)", "int(metadata.width * a / x)"),
    (
        "the height is rounded up",
        "int(metadata.height * -e / y + 0.5)",
        "int(metadata.height * -e / y + 0.999)",
    ),
    (
        "the height by the width",
        "int(metadata.height * -e / y + 0.5)",
        "int(metadata.height * a / x + 0.5)",
    ),
    ("any rotation is none", "_MOST_SKEW = 0.1", "_MOST_SKEW = 1e9"),
    (
        "rotation of rows alone counts",
        "max(abs(b) * metadata.height / abs(a or 1), abs(d) * metadata.width / abs(e or 1))",
        "abs(b) * metadata.height / abs(a or 1)",
    ),
    ("rows that go north", "or a <= 0 or e >= 0", "or a <= 0"),
    ("files of a scene may lie apart", "or not _same_place(first, other)", ""),
    ("files of a scene may differ in CRS", "or other.crs != first.crs ", ""),
    (
        "the lattice begins half a pixel off",
        "floor(c / a + 0.501) % stride.cols)",
        "floor(c / a) % stride.cols)",
    ),
    (
        "the lattice has rows for columns",
        "floor(f / e + 0.501) % stride.rows, floor(c / a + 0.501) % stride.cols",
        "floor(c / a + 0.501) % stride.rows, floor(f / e + 0.501) % stride.cols",
    ),
    (
        "the lattice by the other stride",
        "floor(f / e + 0.501) % stride.rows",
        "floor(f / e + 0.501) % stride.cols",
    ),
    (
        "no stretch is measured",
        "return (sqrt(centre.across * centre.down),) * 2",
        "return (1.0, 1.0)",
    ),
    (
        "stretch is measured at a corner",
        "sum(xs) / 2, sum(ys) / 2, metres)",
        "xs[0], ys[0], metres)",
    ),
    (
        "stretch may change as it likes",
        "_MOST_CHANGE, _MOST_SHEAR = 0.05, 3.0",
        "_MOST_CHANGE, _MOST_SHEAR = 1e9, 1e9",
    ),
)

CRS = planted(
    "landcover/tiles/rasters/crs.py",
    "tests/tiles/rasters/test_scene.py",
    (
        "the CRS is replaced by a guess",
        'if known == crs and ("TOWGS84" in text) == ("TOWGS84" in known.to_wkt()):',
        "if True:",
    ),
    (
        "the shift to WGS 84 is dropped",
        ' and ("TOWGS84" in text) == ("TOWGS84" in known.to_wkt())',
        "",
    ),
    (
        "x and y exchanged",
        "_STEP / lengths[0], _STEP / lengths[1], shear",
        "_STEP / lengths[1], _STEP / lengths[0], shear",
    ),
    (
        "stretch the wrong way",
        "return Stretch(_STEP / lengths[0]",
        "return Stretch(lengths[0] / _STEP",
    ),
    ("feet are metres", "half = _STEP / metres / 2", "half = _STEP / 2"),
)

METADATA = planted(
    "landcover/tiles/rasters/metadata.py",
    "tests/tiles/rasters/test_scene.py tests/tiles/rasters/test_windows.py",
    (
        "nodata of band 1 for all",
        "holdable(*pair) for pair in zip(dataset.nodatavals, dataset.dtypes)",
        "holdable(dataset.nodatavals[0], dtype) for dtype in dataset.dtypes",
        "it only says whether values are looked at: readers compare each band with its own",
    ),
    ("255 is more than a byte", "info.min <= value <= info.max", "info.min <= value < info.max"),
    ("fractions are whole", " and value == int(value) else None", " else None"),
    (
        "an alpha band is a mask beside the file",
        "MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags",
        "MaskFlags.per_dataset in flags",
    ),
    (
        "alpha is counted from 0",
        "in enumerate(pairs, 1):\n        if colour == ColorInterp.alpha",
        "in enumerate(pairs):\n        if colour == ColorInterp.alpha",
    ),
    ("blue is red", 'ColorInterp.blue: "blue"', 'ColorInterp.blue: "red"'),
)

REPLACED = planted(
    "landcover/tiles/gdal.py",
    "tests/scoring/test_changed_inputs.py",
    (
        "what was replaced is as GDAL remembers it",
        '    "CPL_VSIL_CURL_NON_CACHED": ":".join(sorted({*STORES.values(), "/vsicurl/"})),\n',
        "",
    ),
)

ABSENT = planted(
    "landcover/tiles/rasters/reader.py",
    "tests/scoring/test_failing_stores.py",
    (
        "a mask that cannot be had is none",
        "return all(has_mask(dataset) for dataset in self.datasets)",
        "return True",
    ),
    (
        "declared values that cannot be had are none",
        "return all(None not in dataset.nodatavals for dataset in self.datasets)",
        "return True",
    ),
)

HEEDED = planted(
    "landcover/tiles/opening/heeded.py",
    "tests/tiles/test_heeded.py",
    (
        "a mask that GDAL did not get is none",
        "if head_of_remote(mask) is not None and PurePosixPath(mask).name not in names:",
        "if False:",
    ),
    (
        "declared values that GDAL did not get are none",
        'if b"<NoDataValue" in notes and set(dataset.nodatavals) == {None}:',
        "if False:",
    ),
    (
        "a CRS that GDAL did not get is none",
        'if b"<SRS" in notes and not (dataset.crs or dataset.gcps[1]):',
        "if False:",
    ),
    (
        "a place that GDAL did not get is none",
        "return place is None or _is(dataset.get_transform(), place[1])",
        "return True",
    ),
)

BROKEN_OFF = planted(
    "landcover/tiles/rasters/metadata.py",
    "tests/scoring/test_failing_stores.py",
    ("a scene is opened once", "if tries < _TRIES and broke_off(error):", "if False:"),
)

CUT_OFF = planted(
    "landcover/tiles/rasters/cut_off.py",
    "tests/tiles/rasters/test_scene.py tests/cli/test_directories.py",
    (
        "a file that was cut off passes",
        "return int(offset) + int(length)",
        "return int(offset)",
    ),
    ("band 1 alone is looked at", "for band in {1, dataset.count})", "for band in {1})"),
    ("the first block is the last", "range(total - 1, max(", "range(0, max("),
    (
        "columns are rows",
        "{number % across}_{number // across}",
        "{number // across}_{number % across}",
    ),
    (
        "blocks that hold nothing are the end",
        "        if offset and length:\n",
        "        if not (offset and length):\n            return 0\n        if True:\n",
    ),
    ("only the last few are looked at", "_LOOKED_AT = 4096", "_LOOKED_AT = 2"),
)

BANDS = planted(
    "landcover/tiles/rasters/bands.py",
    "tests/tiles/rasters/test_scene.py tests/tiles/rasters/test_windows.py tests/tiles/rasters/test_source.py",
    (
        "bands are counted from 0",
        "found = [i for i, known in enumerate(names, 1) if",
        "found = [i for i, known in enumerate(names) if",
    ),
    (
        "alpha is imagery always",
        'declared if alpha == "mask" or (alpha is None and not _is_imagery(files, band_count)) else 0',
        'declared if alpha == "mask" else 0',
    ),
    (
        "alpha is a mask always",
        "alpha is None and not _is_imagery(files, band_count)",
        "alpha is None",
    ),
    (
        "a mask beside the bands is forgotten",
        '    if files[0].masked:\n        return "mask"\n',
        "",
    ),
    (
        "one band with nodata is enough",
        "if all(value is not None for metadata in files for value in metadata.nodata):",
        "if any(value is not None for metadata in files for value in metadata.nodata):",
        "to readers all pixels are data where a band declares no value",
    ),
    (
        "the dtype of band 1",
        "dtypes = {every[band - 1] for band in chosen}",
        "dtypes = {every[0] for band in chosen}",
    ),
    (
        "the mask is read as the last band",
        "usable = [i for i in range(1, held + 1) if i != masking]",
        "usable = list(range(1, held + 1))",
    ),
    ("unread bands tell nothing", '_others(files, chosen) if validity == "value" else ()', "()"),
    ("a palette is brightness", "if any(metadata.palette for metadata in files):", "if False:"),
)

SCENE = planted(
    "landcover/tiles/rasters/scene.py",
    "tests/tiles/rasters/test_scene.py tests/tiles/rasters/test_source.py tests/scoring/test_changed_inputs.py",
    (
        "columns move a place down",
        "c + a * col, d, e, f + e * row",
        "c + a * row, d, e, f + e * col",
    ),
    (
        "rows and columns of a block exchanged",
        "round(first.block[1] * own[0] / transform[0])",
        "round(first.block[0] * own[0] / transform[0])",
    ),
    (
        "blocks are counted in pixels of the file",
        "round(first.block[0] * own[4] / transform[4])",
        "round(first.block[0])",
    ),
    (
        "the state of the first file alone",
        '" ".join(metadata.state for metadata in held)',
        "held[0].state",
    ),
    (
        "the state of files is forgotten",
        "*(self.bands, self.native, self.state)",
        "*(self.bands, self.native)",
    ),
)

HANDLES = planted(
    "landcover/tiles/rasters/handles.py",
    "tests/tiles/rasters/test_windows.py tests/tiles/rasters/test_resampling.py tests/tiles/rasters/test_source.py",
    (
        "rows are resampled as columns are",
        "Axis(scene.grid.height, height, scene.transform[4] / own.e)",
        "Axis(scene.grid.height, height, scene.transform[0] / own.a)",
    ),
    (
        "the ratio the wrong way",
        "Axis(scene.grid.width, width, scene.transform[0] / own.a)",
        "Axis(scene.grid.width, width, own.a / scene.transform[0])",
    ),
    (
        "the scene opened last is closed",
        "self.kept.popitem(last=False)[1].close()",
        "self.kept.popitem()[1].close()",
    ),
    (
        "a failed scene stays as it is open",
        "        _handles.forget(scene)\n        _handles.get(scene)",
        "        _handles.get(scene)",
    ),
    (
        "a fork shares positions in files with its parent",
        "if self.process != os.getpid():",
        "if False:",
    ),
)

ARRAYS = planted(
    "landcover/tiles/rasters/arrays.py",
    "tests/scoring/test_array.py",
    (
        "blocks begin at 0",
        "rows = slice(window.row0 - row0, window.row1 - row0)",
        "rows = slice(window.row0, window.row1)",
    ),
    (
        "columns as rows",
        "cols = slice(window.col0 - col0, window.col1 - col0)",
        "cols = slice(window.col0 - row0, window.col1 - row0)",
    ),
    (
        "the user's array is changed",
        "self.pixels[:, rows, cols].copy()",
        "self.pixels[:, rows, cols]",
    ),
    (
        "nodata is forgotten",
        "valid = None if self.nodata is None else differs(pixels, [self.nodata] * len(pixels))",
        "valid = None",
    ),
)

LISTING = planted(
    "landcover/tiles/listing.py",
    "tests/tiles/test_listing.py",
    ("names in the order of the disk", "    together.sort()\n", ""),
    ("folders in the order of the disk", "names), sorted(folders)", "names), folders"),
    (
        "a file of two entries twice",
        "if path not in named and not any(other.matches(path) for other in patterns):",
        "if path not in named:",
    ),
    (
        "a star is two",
        "elif state < len(segments) - 1 and _fits(segments[state], folder):\n            following.add(state + 1)",
        "elif state < len(segments) - 1 and _fits(segments[state], folder):\n            following.add(state)",
    ),
    (
        "hidden files are images",
        'if name.startswith(".") and not pattern.startswith("."):',
        "if False:",
    ),
    ("two stars need a folder", "            reached.add(state + 1)", "            pass"),
    (
        "a link that leads back is followed",
        "if not (item.is_symlink() and _leads_back(item.path, folder)):",
        "if True:",
    ),
    (
        "suffixes in capitals are none",
        "return os.path.splitext(name)[1].lower() in wanted",
        "return os.path.splitext(name)[1] in wanted",
    ),
    (
        "an entry that brings nothing is passed over",
        "        if not found:\n            raise",
        "        if not found and False:\n            raise",
    ),
    (
        "sidecars are scenes",
        'RASTERS = frozenset({".tif", ".tiff",',
        'RASTERS = frozenset({".tif", ".xml", ".tiff",',
    ),
)

STORAGE = planted(
    "landcover/stores/urls.py",
    "tests/stores/test_urls.py tests/tiles/test_listing.py",
    (
        "a signature in a URL is no secret",
        "if secret or parts.password is not None:",
        "if parts.password is not None:",
    ),
    ("a password in a URL is no secret", "if secret or parts.password is not None:", "if secret:"),
    ("signatures in capitals are none", "{key.lower() for key, _", "{key for key, _"),
    (
        "the refusal repeats the secret",
        "shown = f\"{parts.scheme}://{parts.hostname or ''}{parts.path}\"",
        "shown = path",
    ),
    (
        "the account of the environment wins",
        '            options.pop("account_name", None)',
        "            pass",
    ),
)

GDAL = planted(
    "landcover/tiles/gdal.py",
    "tests/stores/test_urls.py tests/tiles/rasters/test_naming.py",
    (
        "sidecars of names that are not UTF-8 are lost",
        'options["GDAL_DISABLE_READDIR_ON_OPEN"] = "TRUE"',
        "pass",
    ),
    (
        "what lies beside names that are not UTF-8 has no state",
        "    return os.fsdecode(unquote_to_bytes(name.removeprefix(_ENCODED)))",
        "    return name",
    ),
    (
        "settings of the environment are overruled",
        "options = {key: value for key, value in options.items() if key not in os.environ}",
        "pass",
    ),
    ("the account of the URL is forgotten", "    if file.account:\n", "    if False:\n"),
    (
        "abfs has its container behind",
        'container, _, host = place.partition("@")',
        'host, _, container = place.partition("@")',
    ),
    ("the cache of blocks in megabytes", '"GDAL_CACHEMAX": 128 * 2**20', '"GDAL_CACHEMAX": 128'),
    (
        "the first cause is told, not the last",
        "    *_, last = causes(error)\n",
        "    last, *_ = causes(error)\n",
    ),
    ("no retries", '"GDAL_HTTP_MAX_RETRY": "3"', '"GDAL_HTTP_MAX_RETRY": "0"'),
)

NAMING = planted(
    "landcover/tiles/rasters/naming.py",
    "tests/tiles/rasters/test_naming.py tests/tiles/rasters/test_source.py",
    ("scenes with a file a band come last", "sorted(placed, key=itemgetter(0))", "placed"),
    ("a scene twice is taken twice", "if twice:", "if False:"),
    (
        "names of two suffixes are one",
        "name if often[name] == 1 else told(relative(paths[0], root))",
        "name",
    ),
    (
        "bytes that are no text stand in tables",
        "told(_below(paths[0], root))",
        "_below(paths[0], root)",
    ),
)

BUFFERS = planted(
    "landcover/tiles/buffers.py",
    "tests/tiles/test_buffers.py",
    (
        "memory in use is lent again",
        "return _references(self._kept, index) <= _KEPT_ALONE",
        "return True",
    ),
    (
        "a buffer that is too small",
        "if wanted <= self._kept[index].size <= 2 * wanted:",
        "if self._kept[index].size <= 2 * wanted:",
    ),
    (
        "what is kept has no bound",
        "        if held + wanted <= self._most:\n            self._kept.append(buffer)",
        "        self._kept.append(buffer)",
    ),
)

DATES = planted(
    "landcover/tiles/rasters/dates.py",
    "tests/tiles/rasters/test_dates.py",
    ("one of several dates will do", "    if len(found) > 1:", "    if False:"),
    ("a date within a number", r"(?<!\d)(?:19|20)", "(?:19|20)"),
    ("a date in a folder", "_dates_in(PurePosixPath(file).name)", "_dates_in(file)"),
    (
        "a day that is none",
        "        calendar_date(*numbers, *[1] * (3 - len(numbers)))",
        "        pass",
    ),
)

ITEMS = planted(
    "landcover/tiles/rasters/stac_items.py",
    "tests/tiles/rasters/test_stac_items.py",
    ("any item beside will do", "(named or document == own)", "True"),
    ("links lead anywhere", "if not within.holds(", "if False and not within.holds("),
    (
        "the least agreement counts",
        "best = max(_agreement",
        "best = min(_agreement",
    ),
    ("an end at midnight is a day more", "last -= timedelta(microseconds=1)", "pass"),
    ("times as they stand on the clock", "found.astimezone(UTC)", "found"),
    ("a folder more is no closer", "[*same, False].index(False)", "int(any(same))"),
    ("the day is always known", '("%Y-%m-%d", "%Y-%m", "%Y")', '("%Y-%m-%d",)'),
)

NEIGHBOURS_OF_A_DATE = planted(
    "landcover/tiles/rasters/neighbours.py",
    "tests/tiles/rasters/test_dates.py tests/scoring/test_dates.py",
    ("another date is no reason", "\n        and other.date == scene.date", ""),
)

DATES_OF_A_RUN = planted(
    "landcover/tiles/rasters/source.py",
    "tests/scoring/test_dates.py",
    ("dates are left out of the fingerprint", "[scene.date] if scene.date else []", "[]"),
)

MAPS_OF_DATES = planted(
    "landcover/analysis/map_blocks.py",
    "tests/scoring/test_dates.py",
    ("all dates are added up", "if run.date or len(dates) > 1:", "if run.date:"),
)

PALETTES = planted(
    "landcover/tiles/rasters/palettes.py",
    "tests/tiles/rasters/test_palettes.py",
    ("the declared index is a colour", "if dataset.nodata in entries:", "if False:"),
    ("transparent entries are colours", "any(colour[3] == 0", "any(colour[3] == 1"),
    ("bands in reverse", "colour[place]}", "colour[2 - place]}"),
)

MASKS = planted(
    "landcover/tiles/rasters/tiles.py",
    "tests/scoring/test_region.py",
    ("a region hides the mask", "return one if other is None else other", "return other"),
)

UNLIKE_NUMBERS = planted(
    "landcover/tiles/unlike_numbers.py",
    "tests/tiles/rasters/test_unlike_numbers.py",
    ("CMYK is RGB", "    if space not in _ONE_WAY:\n", "    if False:\n"),
    (
        "the lowest number is black",
        '    if structure.get("MINISWHITE") == "YES":\n',
        "    if False:\n",
    ),
    (
        "indices are brightness",
        "    if ColorInterp.palette in dataset.colorinterp[1:]:\n",
        "    if False:\n",
    ),
    ("a mask of one band is for all", "        if not flags:\n", "        if False:\n"),
    ("doubles are exact", "abs(nodata) < _EXACT", "abs(nodata) < 2**64"),
)

INSIDE = planted(
    "landcover/tiles/rasters/inside.py",
    "tests/tiles/rasters/test_inside.py tests/scoring/test_region.py",
    ("tiles on the edge lie outside", "_SLACK = 0.01", "_SLACK = -0.01"),
    (
        "centre is touch",
        "return np.asarray(shapely.intersects_xy(area, (west + east) / 2, (south + north) / 2))",
        "return np.asarray(shapely.intersects(area, outlines))",
    ),
    (
        "whole is touch",
        "            return np.asarray(shapely.covers(area, outlines))\n",
        "            return np.asarray(shapely.intersects(area, outlines))\n",
    ),
    (
        "a block that touches lies inside",
        "        if shapely.covers(area, whole):\n",
        "        if shapely.intersects(area, whole):\n",
    ),
    (
        "pixels outside are inside",
        "            return None\n    # Further",
        "            return None\n    return None\n    # Further",
    ),
    (
        "windows lie at the scene's corner",
        "a, b, c, d, e, f = scene.transform_at(window.row0, window.col0)",
        "a, b, c, d, e, f = scene.transform",
    ),
)

PLACING = planted(
    "landcover/tiles/regions/placing.py",
    "tests/tiles/rasters/test_inside.py tests/tiles/regions/test_reading.py",
    ("edges stay straight", "        if off <= tolerance:\n", "        if True:\n"),
    ("what is cut out is cut off", "_MARGIN = 0.05", "_MARGIN = -0.05"),
    (
        "x and y exchanged",
        "transformer = transformer_between(own, target)\n\n    def moved",
        "transformer = pyproj.Transformer.from_crs(own, target)\n\n    def moved",
    ),
    (
        "regions stay on their side of the antimeridian",
        "for turn in (-360, 0, 360)\n    ]",
        "for turn in (0,)\n    ]",
    ),
)

REGION = planted(
    "landcover/tiles/regions/region.py",
    "tests/tiles/rasters/test_inside.py tests/tiles/regions/test_reading.py tests/scoring/test_region.py",
    ("other ground is the same", "            digest.update(polygon)\n", "            pass\n"),
    (
        "another CRS is the same ground",
        "hashlib.sha256(json.dumps(self.crs.to_json_dict(), sort_keys=True).encode())",
        "hashlib.sha256()",
    ),
    (
        "the first polygon alone",
        "ground = shapely.union_all(parts)",
        "ground = shapely.union_all(parts[:1])",
    ),
)

STATES = planted(
    "landcover/tiles/states.py",
    "tests/scoring/test_changed_inputs.py",
    (
        "files of a size are the same",
        'return f"{found.st_size} {found.st_mtime_ns}"',
        'return f"{found.st_size}"',
    ),
    ("times to a second", "{found.st_mtime_ns}", "{int(found.st_mtime)}"),
    ("the last stamp counts", "stamp = next(stamps, None)", "stamp = None"),
)

REPROJECTION = planted(
    "landcover/tiles/reprojection.py",
    "tests/tiles/test_reprojection.py",
    ("sides are straight everywhere", "_STEPS = 21", "_STEPS = 2"),
)

REGION_READING = planted(
    "landcover/tiles/regions/reading.py",
    "tests/tiles/regions/test_reading.py",
    ("empty polygons are ground", "    found = found[~shapely.is_empty(found)]\n", ""),
    ("heights are kept", "force_2d=True", "force_2d=False"),
    (
        "GeoParquet without a CRS has none",
        'column.get("crs", "OGC:CRS84")',
        'column.get("crs")',
    ),
)
