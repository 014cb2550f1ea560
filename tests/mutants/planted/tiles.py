"""Faults of grids, windows, resampling, neighbours and metadata."""

from __future__ import annotations

from mutants.faults import planted

GRID = planted(
    "landcover/tiles/grid.py",
    "tests/tiles/test_grid.py",
    (
        "row and column of the first pixel exchanged",
        "return row * self.stride.rows - self.before.rows, col * self.stride.cols - self.before.cols",
        "return col * self.stride.cols - self.before.cols, row * self.stride.rows - self.before.rows",
    ),
    ("rows use the stride of columns", "row * self.stride.rows", "row * self.stride.cols"),
    (
        "the lattice moves columns as rows",
        "col * self.stride.cols - self.before.cols",
        "col * self.stride.cols - self.before.rows",
    ),
    ("a block reads one halo too far down", "bottom - halo + tile.rows", "bottom + tile.rows"),
    ("a block reads as wide as high", "right - halo + tile.cols", "right - halo + tile.rows"),
    (
        "a block ends with its first tile",
        "self.corner(block.row1 - 1, block.col1 - 1)",
        "self.corner(block.row0, block.col0)",
    ),
    ("what is written begins with the halo", "max(0, row0 + halo)", "max(0, row0)"),
    (
        "what is written ends at the width below",
        "min(self.height, row1 - halo)",
        "min(self.width, row1 - halo)",
    ),
    (
        "bounds of the whole tile, halo and all",
        "c + a * (x + core.cols), f + e * y",
        "c + a * (x + self.tile.cols), f + e * y",
    ),
    ("bounds half a pixel to the right", "return c + a * x, f", "return c + a * (x + 0.5), f"),
    (
        "ymin and ymax exchanged",
        "f + e * (y + core.rows), c + a * (x + core.cols), f + e * y",
        "f + e * y, c + a * (x + core.cols), f + e * (y + core.rows)",
    ),
    ("bounds take the resolution of y for x", "c + a * (x + core.cols)", "c - e * (x + core.cols)"),
    (
        "the last row of tiles is left out",
        "-(-(length - core) // stride) + 1)",
        "(length - core) // stride + 1)",
    ),
    ("scenes smaller than a tile have two", "return max(1, -(-(length", "return max(2, -(-(length"),
    (
        "a block's last column is beyond the grid",
        "min(col + cols, self.cols))",
        "min(col + cols, self.cols + 1))",
    ),
    (
        "the edge pixel is repeated by the mirror",
        "period = max(1, 2 * (size - 1))",
        "period = max(1, 2 * size - 1)",
    ),
    (
        "the mirror of the last pixel is missing",
        "max(span.row1, int(rows.max()) + 1)",
        "max(span.row1, int(rows.max()))",
    ),
    (
        "columns are mirrored at the height",
        "reflected(span.col0, span.col1, scene.col1)",
        "reflected(span.col0, span.col1, scene.row1)",
    ),
    (
        "a halo on one side only",
        "self.rows - 2 * margin, self.cols - 2 * margin",
        "self.rows - margin, self.cols - margin",
    ),
    (
        "windows of other sizes are half of the stride",
        "tile.rows == tile.cols and left >= 0",
        "left >= 0",
    ),
    ("an odd rest is halved", "left >= 0 and left % 2 == 0", "left >= 0"),
    (
        "pixels may be written twice",
        "if exact and not mistakes and steps != core",
        "if exact and not mistakes and steps > core",
    ),
    (
        "a rectangle beside another shares a line with it",
        "shared.row0 < shared.row1 and shared.col0 < shared.col1",
        "shared.row0 <= shared.row1 and shared.col0 <= shared.col1",
    ),
    (
        "what lies to the right is lost",
        "Rectangle(top, bottom, other.col1, self.col1)",
        "Rectangle(top, bottom, other.col1, other.col1)",
    ),
    (
        "corners are read twice",
        "Rectangle(top, bottom, self.col0, other.col0)",
        "Rectangle(self.row0, self.row1, self.col0, other.col0)",
    ),
    (
        "a stride longer than what is written",
        "if not 1 <= step <= edge",
        "if not 1 <= step <= edge + 1",
    ),
)

WINDOWS = planted(
    "landcover/tiles/rasters/windows.py",
    "tests/tiles/rasters/test_source.py tests/tiles/rasters/test_neighbours.py"
    " tests/tiles/rasters/test_windows.py",
    (
        "mirrored pixels count as data",
        "held = within_y[:, None] & within_x[None, :]",
        "held = within_y[:, None] | within_x[None, :]",
    ),
    (
        "nodata of the scene is forgotten at its edges",
        "held &= _spread(valid, rows - needed.row0, cols - needed.col0, within_x)",
        "pass",
    ),
    (
        "columns are mirrored at the height",
        "cols = reflected(window.col0, window.col1, inside.col1)",
        "cols = reflected(window.col0, window.col1, inside.row1)",
    ),
    (
        "rows beyond are within",
        "return (index >= 0) & (index < size)",
        "return (index >= 0) & (index <= size)",
    ),
)

WINDOWS_BESIDE = planted(
    "landcover/tiles/rasters/windows.py",
    "tests/tiles/rasters/test_neighbours.py",
    (
        "the first neighbour lies below the others",
        "for neighbour in reversed(neighbours):",
        "for neighbour in neighbours:",
    ),
    (
        "neighbours lie over the scene itself",
        "        joined.put_neighbours(neighbours)\n        joined.put(needed, MaskedPixels(pixels, None))",
        "        joined.put(needed, MaskedPixels(pixels, None))\n        joined.put_neighbours(neighbours)",
        "neighbours are put where the scene is not, so that the order makes no difference",
    ),
    (
        "nodata of a neighbour is taken",
        "held = True if found.valid is None else found.valid",
        "held = True",
    ),
    (
        "a neighbour's pixels are where the scene's are",
        "Rectangle(row0 - row, row1 - row, col0 - col, col1 - col)",
        "Rectangle(row0 - row, row1 - row, col0 - row, col1 - row)",
    ),
    (
        "where a neighbour is read it has data",
        "self._held[within] |= held",
        "self._held[within] = True",
    ),
    (
        "no mirror upwards",
        "for places in ((mirrored_ys, xs), (ys, mirrored_xs), (mirrored_ys, mirrored_xs)):",
        "for places in ((ys, mirrored_xs), (mirrored_ys, mirrored_xs)):",
    ),
    (
        "sideways before upwards",
        "((mirrored_ys, xs), (ys, mirrored_xs), (mirrored_ys, mirrored_xs))",
        "((ys, mirrored_xs), (mirrored_ys, xs), (mirrored_ys, mirrored_xs))",
    ),
    (
        "mirrored pixels lie over real ones",
        "np.copyto(pixels, found, where=there & ~held)",
        "np.copyto(pixels, found, where=there)",
    ),
    (
        "a neighbour that cannot be read is left out",
        "    raise OSError(reason)  # without what caused it, or that alone would be told",
        "    return MaskedPixels(np.zeros((1, row1 - row0, col1 - col0)), np.zeros((row1 - row0, col1 - col0), bool))",
    ),
    ("a neighbour that failed stays open", "        forget(neighbour.scene)\n", ""),
    (
        "columns within are one short",
        "stop = first + int(within.sum())",
        "stop = first + int(within.sum()) - 1",
    ),
)

NEIGHBOURS = planted(
    "landcover/tiles/rasters/neighbours.py",
    "tests/tiles/rasters/test_neighbours.py",
    (
        "a scene is beside itself",
        "for other in sorted(near) if other != place)",
        "for other in sorted(near))",
        "a scene shares all of itself with itself, which no neighbour does",
    ),
    (
        "neighbours in any order",
        "for other in sorted(near)",
        "for other in sorted(near, reverse=True)",
    ),
    ("another CRS is no reason", "other.crs == scene.crs\n        and ", ""),
    ("another dtype is no reason", "\n        and other.bands.dtype == scene.bands.dtype", ""),
    (
        "another number of bands is no reason",
        "\n        and len(other.bands.read) == len(scene.bands.read)",
        "",
    ),
    ("another resolution is no reason", "_SAME_SIZE = 1e-4", "_SAME_SIZE = 1.0"),
    ("placed to the pixel before", "round((c2 - c) / a)", "int((c2 - c) / a)"),
    ("rows are placed by the resolution of x", "round((f2 - f) / e)", "round((f2 - f) / -a * 2)"),
    (
        "the reach forgets the resolution",
        "(scene.grid.halo + 1) * abs(scene.transform[0])",
        "(scene.grid.halo + 1)",
    ),
    ("the reach is a halo short", "(scene.grid.halo + 1) * abs(", "abs("),
    (
        "what lies beyond the halo is a neighbour",
        "Rectangle(own.row0 - halo, own.row1 + halo, own.col0 - halo, own.col1 + halo)",
        "Rectangle(own.row0 - halo - 1, own.row1 + halo + 1, own.col0 - halo - 1, own.col1 + halo + 1)",
    ),
    (
        "the halo counts to the right only",
        "own.col0 - halo, own.col1 + halo)",
        "own.col0, own.col1 + halo)",
    ),
    ("the same place in another year is a neighbour", "_MOST_SHARED = 0.5", "_MOST_SHARED = 1.0"),
    (
        "the larger scene decides what is shared",
        "least = min(_pixels(own), _pixels(found.extent))",
        "least = max(_pixels(own), _pixels(found.extent))",
    ),
    (
        "tasks do without what they mirror",
        "list(with_mirrored(grid.read(block), grid.scene).outside(grid.scene))",
        "list(grid.read(block).outside(grid.scene))",
    ),
    (
        "all tasks carry all neighbours",
        "each for each in around if any(each.extent.common(part) is not None for part in parts)",
        "each for each in around",
    ),
    (
        "a neighbour as high as wide",
        "self.col, self.col + grid.width)",
        "self.col, self.col + grid.height)",
    ),
)

RESAMPLING = planted(
    "landcover/tiles/rasters/resampling.py",
    "tests/tiles/rasters/test_resampling.py"
    " tests/tiles/rasters/test_windows.py::test_pixels_without_data_do_not_bleed_into_resampled_imagery"
    " tests/tiles/rasters/test_windows.py::test_resampling_is_gdals_bilinear",
    (
        "half a pixel off",
        "centre = (np.arange(start, stop) + 0.5)[:, None] * self.ratio",
        "centre = np.arange(start, stop)[:, None] * self.ratio",
    ),
    (
        "the source half a pixel off",
        "np.abs(np.arange(first, last) + 0.5 - centre)",
        "np.abs(np.arange(first, last) - centre)",
    ),
    ("coarser imagery is thinned out", "return max(1.0, self.ratio)", "return 1.0"),
    ("the kernel is a box", "np.maximum(0.0, 1.0 - distance)", "(distance < 1.0).astype(float)"),
    (
        "weights at the edges do not sum to 1",
        "share /= share.sum(axis=1, keepdims=True)",
        "share /= share.sum(axis=1, keepdims=True).max()",
    ),
    (
        "the source is read one short",
        "np.ceil((stop - 0.5) * self.ratio + self.radius)",
        "np.ceil((stop - 0.5) * self.ratio + self.radius) - 1",
    ),
    (
        "the mask one pixel beside",
        "(centres + _ON_A_BORDER).astype(np.intp)",
        "(centres - 0.5 * self.ratio + _ON_A_BORDER).astype(np.intp)",
    ),
    (
        "a centre on a border by its rounding",
        "(centres + _ON_A_BORDER).astype(np.intp)",
        "centres.astype(np.intp)",
    ),
    (
        "the mask by the other axis",
        "np.ix_(vertical.nearest(*ys) - rows[0], horizontal.nearest(*xs) - cols[0])",
        "np.ix_(vertical.nearest(*ys) - rows[0], horizontal.nearest(*xs) - rows[0])",
    ),
    ("nodata takes part", "values = values * valid\n", "values = values * 1\n"),
    (
        "shares of nodata are not made up for",
        "np.divide(values, share, out=values, where=share > 0)",
        "pass",
    ),
    (
        "numbers are cut off, not rounded",
        "np.floor(values + values.dtype.type(_HALF))",
        "np.floor(values)",
    ),
    ("pixels without data keep numbers", "    inner[:, ~kept] = 0\n", ""),
    ("large integers in single precision", "np.float64 if exact else np.float32", "np.float32"),
    (
        "steps begin with the window",
        "return start // _STEP * _STEP, min",
        "return start, min",
        "what it changes in a sum is its last digits, which whole numbers round away",
    ),
    (
        "columns by the rows' kernel",
        "return _across(_down(values, vertical, ys), horizontal, xs)",
        "return _across(_down(values, vertical, ys), vertical, xs)",
    ),
    (
        "columns of the next part",
        "held = None if valid is None else valid[:, first:last]",
        "held = None if valid is None else valid[:, : last - first]",
    ),
)

READER = planted(
    "landcover/tiles/rasters/reader.py",
    "tests/tiles/rasters/test_windows.py tests/tiles/rasters/test_source.py",
    (
        "rows and columns of the window exchanged",
        "Window(xs[0], ys[0], xs[1] - xs[0], ys[1] - ys[0])",
        "Window(ys[0], xs[0], ys[1] - ys[0], xs[1] - xs[0])",
    ),
    (
        "bands come in the order of the file",
        "self.datasets[band - 1].read(1, window=window) for band in numbers",
        "self.datasets[band - 1].read(1, window=window) for band in sorted(numbers)",
    ),
    (
        "alpha is opaque only",
        "self.datasets[0].read(bands.alpha, window=window) > 0",
        "self.datasets[0].read(bands.alpha, window=window) > 128",
    ),
    (
        "the mask of the first file alone",
        "masks = [dataset.read_masks(1, window=window) for dataset in self.datasets]",
        "masks = [dataset.read_masks(1, window=window) for dataset in self.datasets[:1]]",
    ),
    (
        "one masked file masks them all",
        "np.logical_or.reduce(masks)",
        "np.logical_and.reduce(masks)",
    ),
    (
        "bands that are not read tell nothing",
        "if bands.others and not valid.all():",
        "if False and not valid.all():",
    ),
    (
        "nodata of band 1 for all bands",
        "[declared[number - 1] for number in numbers]",
        "[declared[0] for number in numbers]",
    ),
    (
        "nodata of the next band",
        "declared[number - 1] for number in numbers",
        "declared[number % len(declared)] for number in numbers",
    ),
    (
        "one band at its nodata is enough",
        "found = np.zeros(pixels.shape[1:], dtype=bool)\n",
        "found = np.ones(pixels.shape[1:], dtype=bool)\n",
    ),
    ("a value that no pixel can hold marks all", "return np.ones_like(found)", "return found"),
    (
        "NaN as nodata marks nothing",
        "~np.isnan(band) if math.isnan(value) else band != band.dtype.type(value)",
        "band != band.dtype.type(value)",
        "float imagery is looked at for NaN in any band, whatever is declared",
    ),
    ("NaN in the first band only", "np.isfinite(pixels).all(axis=0)", "np.isfinite(pixels[0])"),
    ("NaN in all bands only", "np.isfinite(pixels).all(axis=0)", "np.isfinite(pixels).any(axis=0)"),
    (
        "infinite pixels are data",
        "np.isfinite(pixels).all(axis=0)",
        "(~np.isnan(pixels)).all(axis=0)",
    ),
    (
        "NaN replaces the mask",
        "valid = defined if valid is None else valid & defined",
        "valid = defined",
    ),
    (
        "fill values are brightness",
        '    if pixels.dtype.kind != "u":\n        pixels[:, ~valid] = 0\n',
        "",
    ),
    ("fill values of unsigned pixels become 0", 'if pixels.dtype.kind != "u":', "if True:"),
    (
        "only float fill values become 0",
        'if pixels.dtype.kind != "u":',
        'if pixels.dtype.kind == "f":',
    ),
)

TILES = planted(
    "landcover/tiles/rasters/tiles.py",
    "tests/tiles/rasters/test_source.py",
    (
        "a tile whose halo alone holds data is kept",
        "held = written.any(axis=(2, 3))",
        "held = _windows(valid, grid.tile, grid.stride).any(axis=(2, 3))",
    ),
    (
        "a tile with any pixel without data is skipped",
        "held = written.any(axis=(2, 3))",
        "held = written.all(axis=(2, 3))",
    ),
    (
        "tiles without data keep their place",
        "self._tiles += compress(tiles, held.ravel())",
        "self._tiles += tiles[: int(held.sum())]",
    ),
    (
        "skipped tiles are not counted",
        "self._skipped += len(tiles) - (len(self._tiles) - start)",
        "self._skipped += 0",
    ),
    (
        "masks begin with the first tile",
        "self._valid[start : start + len(written)] = written",
        "self._valid[: len(written)] = written",
    ),
    (
        "tiles read before the first hole have no data",
        "np.ones((len(self._pixels), *written.shape[1:]), dtype=bool)",
        "np.zeros((len(self._pixels), *written.shape[1:]), dtype=bool)",
    ),
    (
        "the halo is cut off above only",
        "valid[halo : len(valid) - halo, halo : valid.shape[1] - halo]",
        "valid[halo : len(valid) - halo, : valid.shape[1] - 2 * halo]",
    ),
    ("a damaged block costs the whole read", "elif block.tiles > 1:", "elif block.tiles > 99:"),
    (
        "ids name the column first",
        'f"{name}/{row}/{col}", name, row, col',
        'f"{name}/{col}/{row}", name, row, col',
    ),
    (
        "columns of tiles a row's stride apart",
        "windows[..., :: stride.rows, :: stride.cols, :, :]",
        "windows[..., :: stride.rows, :: stride.rows, :, :]",
    ),
)

TILES_ELSEWHERE = planted(
    "landcover/tiles/rasters/tiles.py",
    "tests/stores/test_urls.py tests/scoring/test_tasks.py tests/tiles/rasters/test_source.py",
    ("all failures are final", "reason, found.passing, unreached", "reason, False, unreached"),
    ("what is gone is worth another try", "reason, found.passing,", "reason, True,"),
    (
        "a file that cannot be opened is like one that cannot be read",
        "        if found := self._reopened():\n            self._fail(block, found, unreached=True)",
        "        if found := self._reopened():\n            self._fail(block, found)",
    ),
)
