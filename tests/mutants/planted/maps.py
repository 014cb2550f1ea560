"""Faults of maps: their grids, overviews, files, and which scene they show where several lie."""

from __future__ import annotations

from mutants.faults import planted

_MOSAIC, _OVERVIEWS = "tests/runs/maps/test_mosaic.py", "tests/runs/maps/test_overviews.py"
_OVERLAP = "tests/runs/maps/test_overlap.py"

GRID = planted(
    "landcover/runs/map_format/grid.py",
    f"{_MOSAIC} tests/scoring/test_seams.py",
    (
        "a pixel of a map is as large as a tile",
        "placed = (a * grid.stride.cols, b, x, d, e * grid.stride.rows, y)",
        "placed = (a * grid.tile.cols, b, x, d, e * grid.tile.rows, y)",
    ),
    (
        "pixels of overlapping tiles lie at their corners",
        "across = (grid.core.cols - grid.stride.cols) / 2 - grid.before.cols",
        "across = -grid.before.cols",
    ),
    (
        "maps begin with the scene, whatever its tiles do",
        "down = (grid.core.rows - grid.stride.rows) / 2 - grid.before.rows",
        "down = (grid.core.rows - grid.stride.rows) / 2",
    ),
    (
        "bounds as wide as high",
        "self.position(self.width, self.height)",
        "self.position(self.height, self.width)",
    ),
    (
        "rows by the width of pixels",
        "return (x - c) / a, (y - f) / e",
        "return (x - c) / a, (f - y) / (2 * a)",
    ),
    (
        "names that differ in case are two files",
        "if n.casefold() not in names)",
        "if n not in names)",
    ),
)

AREA = planted(
    "landcover/runs/map_format/area.py",
    f"{_OVERVIEWS} {_MOSAIC}",
    ("the last block is left out", "-(-self.row1 // BLOCK)", "max(1, self.row1 // BLOCK)"),
    ("overviews are rounded up", "max(1, height // 2)", "max(1, -(-height // 2))"),
    ("one overview too many", "while max(sizes[-1]) > BLOCK:", "while max(sizes[-1]) >= BLOCK:"),
    (
        "hulls end with the first",
        "max(self.row1, other.row1), max(self.col1, other.col1)",
        "self.row1, max(self.col1, other.col1)",
    ),
)

OVERVIEWS = planted(
    "landcover/runs/map_format/overviews.py",
    _OVERVIEWS,
    ("nodata is a class", "        count[codes == nodata] = 0\n", ""),
    ("the last of equals", "better = count > most", "better = count >= most"),
    ("windows end a pixel early", "np.minimum(stops, size)", "np.minimum(stops, size - 1)"),
    (
        "every pixel counts once",
        "            count += earlier == codes\n",
        "                pass\n",
    ),
    (
        "rows reach into the next chunk",
        "rows = _in_chunks(rows, row0, size, following, codes.itemsize)",
        "pass",
    ),
    ("the upper left pixel", "    result[mixed] = best\n", ""),
    (
        "windows of columns are those of rows",
        "cols = _windows(area.col0, area.col1, size.width, following.width)\n    return Area(",
        "cols = _windows(area.col0, area.col1, size.height, following.height)\n    return Area(",
    ),
)

BLOCKS = planted(
    "landcover/runs/map_format/blocks.py",
    _OVERVIEWS,
    (
        "blocks at the edge hold the next ones",
        "        return codes[whole.within(have)]\n    block",
        "        return codes[:BLOCK, :BLOCK]\n    block",
    ),
)

VRT = planted(
    "landcover/runs/map_format/vrt.py",
    f"{_MOSAIC} {_OVERVIEWS}",
    (
        "the last class has no name",
        "for code in range(max(scheme.codes) + 1):\n        item = scheme.by_code.get(code)\n        SubElement(names",
        "for code in range(max(scheme.codes)):\n        item = scheme.by_code.get(code)\n        SubElement(names",
    ),
    ("codes without a class are opaque", '"255" if item else "0"', '"255"'),
    (
        "rows as columns",
        'DstRect", xOff=str(col), yOff=str(row)',
        'DstRect", xOff=str(row), yOff=str(col)',
    ),
    (
        "nodata of a part hides what is below",
        '    SubElement(found, "NODATA").text = str(nodata)\n',
        "",
    ),
    ("rotations for steps", "(c, a, b, f, d, e)", "(c, a, b, f, e, d)"),
)

INDEX = planted(
    "landcover/runs/maps/mosaic.py",
    _MOSAIC,
    ("the last listed lies above", "reversed(sources)", "iter(sources)"),
    (
        "any map lies on the grid of the whole",
        "if not aligned(place.grid, self.whole, place.area):",
        "if False:",
    ),
    (
        "GDAL's own tolerance",
        "            tolerance=1e-6,  # pixels; GDAL's own is an eighth of one\n",
        "",
    ),
    ("averages of codes", "resampling=Resampling.nearest", "resampling=Resampling.average"),
)

MOSAIC_GRID = planted(
    "landcover/runs/maps/mosaic_grid.py",
    _MOSAIC,
    ("round the world the long way", "        left, right = left + turns, right + turns\n", ""),
    ("scenes lie apart as they like", "MOST_GAPS = 20", "MOST_GAPS = 10**9"),
    (
        "rounding adds a row",
        "area = Area(row0, math.ceil(max(ys) - _SLACK)",
        "area = Area(row0, math.ceil(max(ys) + _SLACK)",
    ),
    (
        "the whole begins with the first",
        "first.part(whole.col0, whole.row0, width, height)",
        "first.part(0, 0, width, height)",
    ),
    (
        "leaps are not seen",
        "    if not target.is_geographic and _jumps(",
        "    if target.is_projected and False and _jumps(",
    ),
    (
        "pixels half beside others are the same",
        "all(abs(a - b) < _SLACK for a, b in pairs)",
        "all(abs(a - b) < 0.5 for a, b in pairs)",
        "of as many pixels, each less than half beside, the nearest is the same one",
    ),
)

ORIGINS = planted(
    "landcover/runs/maps/origins.py",
    f"{_OVERVIEWS} {_MOSAIC}",
    (
        "any block of a part is a block of the map",
        "                if whole.overlap(part.area) == whole.overlap(size.area):\n",
        "                if True:\n",
    ),
    (
        "no block is ready",
        "                if whole.overlap(part.area) == whole.overlap(size.area):\n",
        "                if False:\n",
        "ready blocks save time: those that are made anew have the same bytes",
    ),
    (
        "rows of tiles are columns",
        "codes[row[inside] - area.row0, col[inside] - area.col0]",
        "codes.T[row[inside] - area.row0, col[inside] - area.col0]",
    ),
    (
        "tiles without a label are class 0",
        "np.full(area.shape, run.scheme.nodata, run.scheme.dtype)",
        "np.zeros(area.shape, run.scheme.dtype)",
    ),
)

MAKER = planted(
    "landcover/runs/maps/maker.py",
    f"{_OVERLAP} {_MOSAIC}",
    (
        "the oldest is the newest",
        "key=lambda place: scenes[place].date, reverse=True)",
        "key=lambda place: scenes[place].date)",
    ),
    (
        "dates share ground",
        "origins, [scene.date for scene in scenes])",
        'origins, ["" for scene in scenes])',
    ),
    ("one part fills a map", "if not one.area.overlap(area).empty))", "if one.area == area))"),
    (
        "an index counts scenes one by one",
        "None, self._counts(CountPiece(self.run), pieces))",
        "None, maps.counts)",
    ),
)

NEAREST = planted(
    "landcover/runs/maps/nearest.py",
    _OVERLAP,
    ("ties go to the last", "(rival.place < self.own.place)", "(rival.place > self.own.place)"),
    ("no ties", "np.floor(one / self.step + 0.37)", "one"),
    ("the farthest centre", "nearer = (near < far)", "nearer = (near > far)"),
    (
        "corners for centres of pixels",
        "x, y = c + a * (cols + 0.5), f + e * (rows + 0.5)",
        "x, y = c + a * cols, f + e * rows",
    ),
    (
        "ground that nobody shows is given up",
        "lost = shown & self._covered(run, rival, area, margin)",
        "lost = shown.copy()",
    ),
    (
        "what a rival may not show is given up",
        "np.sqrt(theirs) + slack < np.sqrt(ours)",
        "np.sqrt(theirs) < np.sqrt(ours) + slack",
    ),
    (
        "all are of one group",
        "if other != own.place and groups[other] == groups[own.place]",
        "if other != own.place",
    ),
)

PIECES = planted(
    "landcover/runs/maps/pieces.py",
    f"{_OVERVIEWS} {_MOSAIC}",
    (
        "what is around a piece counts twice",
        "counts = _counted(known.codes[own])",
        "counts = _counted(known.codes)",
    ),
    (
        "lengths of a level in another place",
        "lengths[levels[level].blocks.within(whole)] = levels[level].lengths",
        "lengths.flat[: levels[level].lengths.size] = levels[level].lengths.ravel()",
    ),
    (
        "the first code fills a block",
        "if (block == (first := block[0, 0])).all():",
        "if (block == (first := block[0, 0])).any():",
    ),
)

LAYOUT = planted(
    "landcover/runs/maps/layout.py",
    _OVERVIEWS,
    (
        "pieces know what they write alone",
        "                own = own.hull(sources(below, sizes[level], sizes[level + 1]))\n",
        "                own = own if not own.empty else sources(below, sizes[level], sizes[level + 1])\n",
    ),
    (
        "the last pieces are missing",
        "Area(0, -(-blocks.row1 // edge), 0, -(-blocks.col1 // edge))",
        "Area(0, max(1, blocks.row1 // edge), 0, -(-blocks.col1 // edge))",
    ),
)

GROUND = planted(
    "landcover/analysis/ground.py",
    "tests/analysis/test_areas.py",
    ("feet are metres", "return abs(a * e) * metres**2", "return abs(a * e)"),
    ("feet are metres one way", "return abs(a * e) * metres**2", "return abs(a * e) * metres"),
    ("any projection keeps areas", "> _STRETCH:", "> 10:"),
    (
        "twice the area",
        "abs(down[0] * up[1] - down[1] * up[0]) / 2",
        "abs(down[0] * up[1] - down[1] * up[0])",
    ),
    ("a sphere", 'proj="cea", a=geod.a, b=geod.b)', 'proj="cea", a=geod.a, b=geod.a)'),
    ("all columns are the first", "[:, begin : begin + width]", "[:, :width]"),
    ("rows begin at the top", "np.arange(row, row + height + 1)", "np.arange(0, height + 1)"),
)

AREAS = planted(
    "landcover/analysis/areas.py",
    "tests/analysis/test_areas.py",
    (
        "nodata is ground",
        "return _Measured(rows, counts[:, :-1], metres[:, :-1])",
        "return _Measured(rows, counts[:, 1:], metres[:, 1:])",
    ),
    ("the last rows alone", "        counts += found.counts\n", "        counts = found.counts\n"),
    (
        "square metres are hectares",
        "_table(run, zones, counts, metres / _HECTARE)",
        "_table(run, zones, counts, metres)",
    ),
    ("shares of all zones", "hectares.sum(axis=1, keepdims=True)", "hectares.sum(keepdims=True)"),
    (
        "codes are indices",
        '"code": np.tile(run.scheme.codes, len(counts))',
        '"code": np.tile(range(len(run.scheme)), len(counts))',
    ),
    (
        "scenes that overlap count twice",
        "map_view(self.run, self.names[: rows.number + 1])",
        "map_view(self.run, self.names[rows.number : rows.number + 1])",
    ),
)

ACCURACY = planted(
    "landcover/analysis/accuracy.py",
    "tests/analysis/test_accuracy.py",
    (
        "producer's is user's",
        "_share(self.matrix.diagonal(), self.matrix.sum(axis=1))",
        "_share(self.matrix.diagonal(), self.matrix.sum(axis=0))",
    ),
    ("union counts twice", "self._seen - self.matrix.diagonal())", "self._seen)"),
    (
        "chance is not taken off",
        "_share(self.overall - chance, 1 - chance)",
        "_share(self.overall, 1 - chance)",
    ),
    ("what is not defined is 0", "np.full(part.shape, np.nan)", "np.zeros(part.shape)"),
)

CUT_OFF = planted(
    "landcover/analysis/map_blocks.py",
    "tests/runs/test_run.py",
    ("a map that was cut off is one", "        if missing:\n", "        if False:\n"),
)

CATALOGUES = planted(
    "landcover/analysis/stac.py",
    "tests/analysis/test_stac.py",
    ("the last block alone is counted", "counts += np.bincount(", "counts = np.bincount("),
    (
        "what has no class is not counted",
        "np.zeros(len(run.scheme) + 1, np.intp)",
        "np.zeros(len(run.scheme), np.intp)",
    ),
    (
        "pictures that are gone are told",
        'if one.endswith(".png") and run.storage.exists(one)]',
        'if one.endswith(".png")]',
    ),
    (
        "rows are columns",
        "height, width = grid.height, grid.width",
        "height, width = grid.width, grid.height",
    ),
    ("places without a class have one", "map_view(run, (name,))", "map_view(run, tuple(names))"),
)

MAP_BLOCKS = planted(
    "landcover/analysis/map_blocks.py",
    "tests/analysis/test_areas.py tests/scoring/test_dates.py",
    (
        "ground of several maps counts for each",
        "            codes[_covered(above, self.file, window, scheme)] = scheme.nodata\n",
        "            pass\n",
    ),
    ("a run that is not done has a map", 'if status != "done":', "if False:"),
    (
        "classes in the order of codes",
        "table[list(scheme.codes)] = range(len(scheme))",
        "table[sorted(scheme.codes)] = range(len(scheme))",
    ),
)
