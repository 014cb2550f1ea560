"""Faults of labels, canvases, batches, arrays and the driver."""

from __future__ import annotations

from mutants.faults import planted

LABELS = planted(
    "landcover/scoring/labels.py",
    "tests/scoring/test_labels.py tests/scoring/test_undefined.py",
    (
        "the least probable class",
        "    labels = probabilities.argmax(axis=1)\n",
        "    labels = probabilities.argmin(axis=1)\n",
    ),
    (
        "pixels labelled along another axis",
        "    return best, top\n",
        "    return best[:, ::-1], top\n",
    ),
    ("of equal classes the last", "where=of_class > top", "where=of_class >= top"),
    (
        "the last class of all",
        "range(1, probabilities.shape[1])",
        "range(1, probabilities.shape[1] - 1)",
    ),
    ("the mask is forgotten", "        pixels[~valid] = -1\n", "        pass\n"),
    ("the mask is turned", "        pixels[~valid] = -1\n", "        pixels[valid] = -1\n"),
    (
        "pixels without data are counted",
        ".reshape(count, -1)[:, 1:]\n    weight",
        ".reshape(count, -1)[:, :-1]\n    weight",
    ),
    (
        "the score is of all pixels",
        "scores = (weight[at] / np.maximum(frequency[at], 1))",
        "scores = (weight[at] / np.maximum(frequency.sum(axis=1), 1))",
    ),
    (
        "the score of the most certain class",
        "    labels = frequency.argmax(axis=1)\n",
        "    labels = weight.argmax(axis=1)\n",
    ),
    (
        "means over pixels without data",
        "seen: npt.NDArray[Any] = np.maximum(valid.sum(axis=(1, 2)), 1)",
        "seen: npt.NDArray[Any] = np.full(len(valid), valid[0].size)",
    ),
    (
        "numbers of pixels without data take part",
        'np.einsum("ncyx,nyx->nc", probabilities, valid)',
        "probabilities.sum(axis=(2, 3))",
    ),
    ("NaN is class 0", "    if low >= 0 and high <= 1:\n", "    if not (low < 0 or high > 1):\n"),
    (
        "infinity is a probability",
        "inside = (found >= -_ROUNDING) & (found <= 1 + _ROUNDING)",
        "inside = found >= -_ROUNDING",
    ),
    (
        "one class without a probability is enough",
        "np.logical_not(inside.all(axis=1))",
        "np.logical_not(inside.any(axis=1))",
    ),
    ("no rounding is allowed", "_ROUNDING = 2.0**-8", "_ROUNDING = 0.0"),
    ("any number is rounding", "_ROUNDING = 2.0**-8", "_ROUNDING = 0.5"),
    ("undefined pixels keep their label", "left: Valid = held & ~undefined", "left: Valid = held"),
    (
        "undefined pixels without data count",
        "missing: Undefined = held & undefined",
        "missing: Undefined = undefined",
    ),
    ("a tile with any undefined pixel is refused", "~left.any(axis=(1, 2), keepdims=True)", "True"),
    (
        "undefined pixels are not counted",
        "undefined=missing.sum(axis=(1, 2))",
        "undefined=missing.sum(axis=(1, 2)) * 0",
    ),
    ("labels of refused tiles are kept", "if place not in self.refused]", "]"),
    (
        "scores may be above 1",
        "return np.clip(cleaned, 0, 1), undefined",
        "return cleaned, undefined",
    ),
    ("128 classes at most", "np.zeros(top.shape, np.int16)", "np.zeros(top.shape, np.int8)"),
    (
        "the last tile's histogram for all",
        "(1 + (classes + 1) * np.arange(count))[:, None, None]",
        "(1 + (classes + 1) * (count - 1))",
    ),
)

CANVAS = planted(
    "landcover/scoring/canvas.py",
    "tests/scoring/test_irregular.py tests/scoring/test_array.py",
    (
        "codes are indices",
        "return np.asarray(codes[labels])",
        "return np.asarray(labels, scheme.dtype)",
    ),
    (
        "no label is the last class",
        "codes = np.array([*scheme.codes, scheme.nodata], scheme.dtype)",
        "codes = np.array(scheme.codes, scheme.dtype)",
    ),
    (
        "tiles begin a row too low",
        "y, x = row - self._place.row0, col - self._place.col0",
        "y, x = row - self._place.row0 + 1, col - self._place.col0",
    ),
    (
        "columns count from the first row",
        "y, x = row - self._place.row0, col - self._place.col0",
        "y, x = row - self._place.row0, col - self._place.row0",
    ),
    (
        "tiles are as wide as high",
        "max(0, x) : x + grid.core.cols]",
        "max(0, x) : x + grid.core.rows]",
    ),
    (
        "a task's pixels lie at the scene's corner",
        "place = scene.transform_at(row, col)",
        "place = scene.transform",
    ),
    (
        "row and column of a block exchanged",
        "PixelBlock(scene.name, canvas.values, row, col, place, scene.crs)",
        "PixelBlock(scene.name, canvas.values, col, row, place, scene.crs)",
    ),
    (
        "what lies before the scene is put into it",
        "inside = pixels[max(0, -y) :, max(0, -x) :]",
        "inside = pixels",
    ),
)

INFERENCE = planted(
    "landcover/scoring/inference.py",
    "tests/scoring/test_irregular.py tests/scoring/test_tuning.py tests/scoring/test_labels.py",
    (
        "the mask is not given on",
        "return label_pixels(probabilities, batch.valid, self._numbers)",
        "return label_pixels(probabilities, None, self._numbers)",
    ),
    (
        "a batch that shrank is not remembered",
        "        remember_smaller(self._model, self._opened.threads)\n",
        "",
    ),
    ("batches stay as large", "        self.batch = self._model.batch\n", ""),
)

ARRAY = planted(
    "landcover/scoring/array.py",
    "tests/scoring/test_irregular.py tests/scoring/test_array_places.py tests/scoring/test_array.py tests/scoring/test_class_numbers.py",
    (
        "bands in the order of the array",
        "return array.isel(band=[places[band] for band in wanted])",
        "return array.isel(band=sorted(places[band] for band in wanted))",
    ),
    (
        "width and height exchanged",
        'Grid(given.array.sizes["x"], given.array.sizes["y"], *tiling)',
        'Grid(given.array.sizes["y"], given.array.sizes["x"], *tiling)',
    ),
    (
        "tiles as large as pixels",
        "Affine(wide * stride.cols, 0, left, 0, high * stride.rows, top)",
        "Affine(wide, 0, left, 0, high, top)",
    ),
    (
        "corners for centres",
        "transform.f + transform.e * (np.arange(rows) + 0.5)",
        "transform.f + transform.e * np.arange(rows)",
    ),
    (
        "columns at the rows' step",
        "transform.c + transform.a * (np.arange(cols) + 0.5)",
        "transform.c - transform.e * (np.arange(cols) + 0.5)",
    ),
    (
        "what is given north-down stays turned",
        "return given.as_given(_dataset(",
        "return (_dataset(",
    ),
    (
        "nodata of the array is forgotten",
        "_grid(given, recipe), given.array.rio.nodata)",
        "_grid(given, recipe), None)",
    ),
    ("no CRS", "return result if crs is None else result.rio.write_crs(crs)", "return result"),
    ("no halo", "halo=recipe.halo if pixel else None", "halo=None"),
    ("labels are indices in bytes", "found[0].astype(scheme.dtype)", 'found[0].astype("uint8")'),
)

_CORNER = (
    "the rectangle's upper left corner says which pixels a block was handed; where it ends, they do"
)
ARRAY_BLOCKS = planted(
    "landcover/scoring/array_blocks.py",
    "tests/scoring/test_irregular.py tests/scoring/test_undefined.py tests/scoring/test_array.py",
    (
        "nodata is score 0",
        "np.where(labels.pixels < 0, np.nan, labels.pixel_scores)",
        "np.where(labels.pixels < 0, 0, labels.pixel_scores)",
    ),
    (
        "tiles without a label are class 0",
        "plane[0], plane[1] = self.scheme.nodata, np.nan",
        "plane[0], plane[1] = 0, np.nan",
    ),
    (
        "tiles of a block count from the array's corner",
        "rows = [tiles[place].row - row0 for place in places]",
        "rows = [tiles[place].row for place in places]",
    ),
    (
        "refused tiles shift the others",
        "cols = [tiles[place].col - col0 for place in places]",
        "cols = [tiles[place].col - col0 for place in range(len(places))]",
    ),
    (
        "codes are indices",
        "plane[0, rows, cols] = codes_of(kept.labels, self.scheme)",
        "plane[0, rows, cols] = kept.labels",
    ),
    (
        "no halo between blocks",
        "halo = {0: 0, 1: grid.halo * (len(rows) > 1), 2: grid.halo * (len(cols) > 1)}",
        "halo = {0: 0, 1: 0, 2: 0}",
    ),
    (
        "what lies around a block ends with it",
        "min(grid.height, row1 + halo)",
        "min(grid.height, row1)",
        _CORNER,
    ),
    (
        "columns end at the height",
        "min(grid.width, col1 + halo)",
        "min(grid.height, col1 + halo)",
        _CORNER,
    ),
    (
        "the last block is too short for its mirror",
        "    if len(firsts) > 1 and count - firsts[-1] < least:\n        firsts.pop()\n",
        "",
    ),
    ("blocks narrower than the halo", "least = 2 + halo // core", "least = 1"),
    (
        "blocks of a row for those of a column",
        "place = _around(written[down][right], grid)",
        "place = _around(written[down][0], grid)",
    ),
    (
        "columns are cut as rows are",
        "cols = _parts(grid.cols, grid.core.cols, grid.halo)",
        "cols = _parts(grid.cols, grid.core.rows, grid.halo)",
    ),
)

ARRAY_INPUT = planted(
    "landcover/scoring/array_input.py",
    "tests/scoring/test_array_places.py tests/scoring/test_array.py",
    (
        "coordinates are corners",
        "float(turned.y[0]) - high / 2, float(turned.x[0]) - wide / 2",
        "float(turned.y[0]), float(turned.x[0])",
        "rioxarray takes the corner from coordinates, and from a transform the size of pixels alone",
    ),
    ("rows of one that runs north are not turned", '(("y", -1), ("x", 1))', '(("x", 1),)'),
    ("columns that run west are not turned", '(("y", -1), ("x", 1))', '(("y", -1),)'),
    ("uneven coordinates pass", "_UNEVEN = 0.01", "_UNEVEN = 100.0"),
    ("a rotated array passes", "    if told.b or told.d:\n", "    if False:\n"),
    (
        "one row lies a row below",
        "ys = ys or (told.f + told.e / 2, None)",
        "ys = ys or (told.f + told.e, None)",
    ),
    (
        "pixels are never square",
        "wide = wide if wide is not None else abs(high)",
        "wide = wide if wide is not None else 1.0",
    ),
    (
        "the step is that of the first two",
        "step = float(values[-1] - values[0]) / (len(values) - 1)",
        "step = float(values[1] - values[0])",
        "coordinates are even to a hundredth of a pixel; the last would be off by more, and is refused",
    ),
    (
        "bands of other nodata values",
        "        if len({repr(fill) for fill in fills}) > 1:\n",
        "        if False:\n",
    ),
    (
        "complex numbers are real",
        'if array.dtype.kind not in "iuf":',
        'if array.dtype.kind not in "iufc":',
    ),
)

ARRAY_SOURCE = planted(
    "landcover/scoring/array_source.py",
    "tests/scoring/test_array_places.py tests/scoring/test_score.py",
    (
        "another nodata is the same array",
        "array.rio.transform(), array.rio.nodata, _band_names(array))",
        "array.rio.transform(), _band_names(array))",
    ),
    (
        "other names of bands are the same array",
        "array.rio.nodata, _band_names(array))",
        "array.rio.nodata)",
    ),
    (
        "another place is the same array",
        "(array.shape, array.dtype, array.rio.transform(), ",
        "(array.shape, array.dtype, ",
    ),
    ("another CRS is the same array", "    digest.update(array.rio.crs.to_wkt().encode())\n", ""),
    (
        "other pixels are the same array",
        "        digest.update(array.values.tobytes())\n",
        "        pass\n",
    ),
    (
        "a file is begun under its name",
        'temporary = path.with_name(f".writing-{path.name}")',
        "temporary = path",
    ),
)

PIPELINE = planted(
    "landcover/scoring/pipeline.py",
    "tests/scoring/test_pipeline.py",
    (
        "tiles of a strip are lost",
        "rest.append(_part(strip, start, len(strip.tiles)))",
        "rest[:] = [_part(strip, start, len(strip.tiles))]",
    ),
    (
        "the last batch is lost",
        "    if rest:\n        yield _joined(rest)",
        "    if False:\n        yield _joined(rest)",
    ),
    (
        "the mask of the strip's beginning",
        "valid = None if strip.valid is None else strip.valid[start:stop]",
        "valid = None if strip.valid is None else strip.valid[: stop - start]",
    ),
    (
        "no mask is nothing valid",
        "np.ones((len(part.tiles), *shape), bool) if part.valid is None",
        "np.zeros((len(part.tiles), *shape), bool) if part.valid is None",
    ),
    ("failures of reads are lost", "    tally.failures.extend(strip.failures)\n", ""),
    ("skipped tiles are lost", "    tally.skipped += strip.skipped\n", ""),
    ("batches one too large", "room := infer.batch - held", "room := infer.batch + 1 - held"),
    (
        "all strips are read ahead",
        "if len(coming) >= (limits.ahead or self._ahead):",
        "if len(coming) >= 10**6:",
    ),
    (
        "the last strips are lost",
        "            while coming:\n                yield self._arrived(coming, tally, limits)",
        "            if coming:\n                yield self._arrived(coming, tally, limits)",
    ),
    (
        "the last results are lost",
        "            while pending:\n                yield _first(pending, tally, limits)",
        "            if pending:\n                yield _first(pending, tally, limits)",
    ),
    (
        "results in another order",
        "batch, under = pending.popleft()",
        "batch, under = pending.pop()",
    ),
    (
        "pixels of the first part for all",
        "np.concatenate([part.pixels for part in parts], out=room)",
        "np.concatenate([parts[0].pixels[:1].repeat(len(part.pixels), 0) for part in parts], out=room)",
    ),
)

WORKER = planted(
    "landcover/scoring/worker.py",
    "tests/scoring/test_irregular.py tests/scoring/test_undefined.py tests/scoring/test_tasks.py tests/scoring/test_score.py",
    (
        "a damaged task is left to others",
        "if failures and all(one.unreached or one.retryable for one in failures):",
        "if failures:",
    ),
    (
        "one tile that is out of reach is enough",
        "all(one.unreached or one.retryable for one in failures)",
        "any(one.unreached or one.retryable for one in failures)",
    ),
    (
        "what cannot be written ends the run",
        "            raise WorkerUnfit(this_worker(), str(error)) from error\n\n    def _canvas",
        "            raise\n\n    def _canvas",
    ),
    ("every task reports a load", "loads=int(load > 0),", "loads=1,"),
    (
        "pixels are not labelled",
        "            return Canvas(task, self.run.scheme.nodata, self.run.scheme.dtype)\n        return None",
        "            return None\n        return None",
    ),
    (
        "pixels of no tile are class 0",
        "Canvas(task, self.run.scheme.nodata, self.run.scheme.dtype)",
        "Canvas(task, 0, self.run.scheme.dtype)",
    ),
)

SCORED = planted(
    "landcover/scoring/scored.py",
    "tests/scoring/test_irregular.py tests/scoring/test_undefined.py tests/scoring/test_tasks.py tests/scoring/test_score.py",
    (
        "probabilities unasked",
        "probabilities=every if probabilities else None",
        "probabilities=every",
    ),
    (
        "skipped tiles are lost",
        "skipped=done.tally.skipped,",
        "skipped=task.tiles - sum(len(t) for t, _ in done.found) - len(done.tally.failures),",
        "the sum is checked: what is left of the task is what was skipped",
    ),
    ("refused tiles are not set aside", "    refused += [Failure(", "    [Failure("),
    (
        "the model's reasons are retryable",
        "Failure(tiles[place], reason, False)",
        "Failure(tiles[place], reason, True)",
    ),
    (
        "labels of refused tiles shift",
        "return [tiles[place] for place in places], left",
        "return list(tiles[: len(places)]), left",
    ),
    (
        "undefined pixels are lost",
        'undefined=_undefined(labels) if recipe.output == "pixel" else None,',
        "undefined=None,",
    ),
)

TASKS = planted(
    "landcover/scoring/tasks.py",
    "tests/scoring/test_tasks.py tests/scoring/test_score.py tests/scoring/test_changed_inputs.py",
    (
        "a missing task is not missed",
        "        if missing or ended != self._tiles:\n",
        "        if ended != self._tiles:\n",
    ),
    (
        "a missing tile is not missed",
        "        if missing or ended != self._tiles:\n",
        "        if missing:\n",
    ),
    (
        "parts are not looked for",
        'missing = self._under_way | (set(range(self._count)) - set(run.parts("tiles")))',
        "missing = self._under_way",
    ),
    (
        "a task that comes home twice counts twice",
        "            self._under_way.remove(index)\n            return True",
        "            return True",
    ),
    (
        "a task that failed is done",
        "counts is not None and not counts.retryable and",
        "counts is not None and",
    ),
    (
        "another task in its place is done",
        " and counts.digest == task.digest\n",
        "\n",
    ),
    (
        "all is done again",
        "            if not _is_done(task, counts):\n                if",
        "            if True:\n                if",
    ),
    (
        "the part of a task that is done again stays",
        "        self._withdraw(task.index)\n",
        "        pass\n",
    ),
    (
        "tasks of changed inputs are not counted",
        '        self.changed["tasks"] += 1\n',
        '        self.changed["tasks"] = 1\n',
    ),
    (
        "parts of images that are gone are left",
        "    return count == len(done)\n",
        "    return True\n",
    ),
    (
        "parts that stand for nothing stay",
        "        return sorted(self._done)\n",
        "        return []\n",
    ),
    (
        "the end of the plan is not looked at",
        "        for _ in self._left:\n            pass",
        "        if False:\n            pass",
    ),
)

TOTALS = planted(
    "landcover/scoring/totals.py",
    "tests/scoring/test_score.py tests/scoring/test_tasks.py tests/scoring/test_undefined.py",
    (
        "a retried task counts twice",
        "        self.drop(report.index)\n        self._add_tiles(report.counts)",
        "        self._add_tiles(report.counts)",
    ),
    (
        "what was dropped stays",
        "            self._add_tiles(counts, -1)\n",
        "            self._add_tiles(counts, 1)\n",
    ),
    ("loads are tasks", "        self._loads += report.loads\n", "        self._loads += 1\n"),
    (
        "retryable tiles are not taken back",
        "        self.retryable += sign * counts.retryable",
        "        self.retryable += counts.retryable",
    ),
    (
        "undefined pixels are lost",
        "        self.undefined_pixels += sign * counts.undefined_pixels",
        "        pass",
    ),
    (
        "speed counts what was there before",
        "(self.done - self._earlier_tiles) / seconds",
        "self.done / seconds",
    ),
    (
        "skipped tiles are not done",
        'for name in ("scored", "quarantined", "skipped"):',
        'for name in ("scored", "quarantined"):',
    ),
)

EXECUTION = planted(
    "landcover/scoring/execution.py",
    "tests/scoring/test_score.py tests/scoring/test_tasks.py",
    (
        "too many failures are fine",
        "    if failed > allowed * planned:\n",
        "    if False:\n",
    ),
    (
        "as many failures as allowed are too many",
        "failed > allowed * planned:",
        "failed >= allowed * planned:",
    ),
    (
        "the policy fail is quarantine",
        'if config.failures.policy == "fail":',
        "if False:",
    ),
    ("the sum is not checked", "    tasks.check(job.run, totals.done)\n", ""),
    (
        "parts that stand for nothing are counted",
        "        totals.drop(index)\n        remove_part(job.run, index)",
        "        remove_part(job.run, index)",
    ),
    (
        "parts that stand for nothing stay",
        "        totals.drop(index)\n        remove_part(job.run, index)",
        "        totals.drop(index)",
    ),
    (
        "a lost task is not set aside",
        "totals.add_lost(result.item.index, _give_up(job.run, result))",
        "totals.add_lost(result.item.index, Counts(0, 0, 0, 0, ''))",
    ),
    ("what may be tried again counts twice", "if not one.retryable})", "})"),
)

ENDED = planted(
    "landcover/scoring/ended.py",
    "tests/scoring/test_score.py tests/scoring/test_asked_again.py",
    (
        "another job is done",
        "    if directory is None:\n        return None\n    parts",
        "    if directory is None:\n        directory = RunDirectory.open(config.output.path)\n    parts",
    ),
    (
        "a finished run with new images is done",
        "    if not nothing_left(source, parts):\n",
        "    if False:\n",
    ),
    ("a finished run with too many failures is fine", "    check_failures(config, totals)\n", ""),
    (
        "the model does not matter",
        'fingerprint = {"model": recipe.identity(), **source.fingerprint()}',
        "fingerprint = {**source.fingerprint()}",
    ),
    (
        "the imagery does not matter",
        'fingerprint = {"model": recipe.identity(), **source.fingerprint()}',
        'fingerprint = {"model": recipe.identity()}',
    ),
    (
        "probabilities do not matter",
        "    if config.output.probabilities:\n",
        "    if False:\n",
    ),
    ("maps stay what they were", "    if not _shows_what_is_asked(", "    if not bool("),
    (
        "maps are always made again",
        "was.get(key) in (None, getattr(config.output, key))",
        "was.get(key) == 0",
    ),
    (
        "an interrupted run looks as if it goes on",
        '        directory.finish({**summary(), "reason": printable(str(error))}, status)\n',
        "",
    ),
)

DRIVER = planted(
    "landcover/scoring/driver.py",
    "tests/scoring/test_score.py tests/scoring/test_tasks.py tests/scoring/test_tuning.py",
    (
        "tasks of another size on resume",
        "size = recorded_task_size(config.output.path) or config.source.task",
        "size = config.source.task",
    ),
    (
        "maps are made before the sum is checked",
        "summary = totals.summary() | checked | changed",
        "summary = changed | checked | totals.summary()",
        "they have no key in common",
    ),
)

PLAN = planted(
    "landcover/scoring/plan.py",
    "tests/scoring/test_plan.py tests/scoring/test_irregular.py tests/scoring/test_seams.py",
    ("a halo below the model's", "    if tiling.halo < recipe.halo:\n", "    if False:\n"),
    ("tasks take no longer in longer runs", "sqrt(2 * _TASK_COST * run_seconds)", "_TASK_COST"),
    (
        "a halo beyond the model's is labelled",
        "return replace(recipe, halo=_tiling(settings, recipe).halo)",
        "return recipe",
    ),
    (
        "the model's resolution wins",
        "resolution=settings.resolution or recipe.resolution",
        "resolution=recipe.resolution or settings.resolution",
    ),
    (
        "the model's resolution is forgotten",
        "resolution=settings.resolution or recipe.resolution",
        "resolution=settings.resolution",
    ),
    ("no masks for labels of pixels", 'mask=recipe.output == "pixel",', "mask=False,"),
    ("the lattice is forgotten", 'lattice=settings.grid == "ground",', "lattice=False,"),
    ("alpha is forgotten", "        alpha=settings.alpha,\n        lattice", "        lattice"),
    (
        "bands of the run are the model's",
        'said = {"bands": config.source.bands, "input_size": config.source.tile}',
        'said = {"input_size": config.source.tile}',
    ),
    (
        "the window of the run is the model's",
        'said = {"bands": config.source.bands, "input_size": config.source.tile}',
        'said = {"bands": config.source.bands}',
    ),
    ("labels of images are forgotten", "        labels=settings.labels,\n", ""),
    ("resizing is forgotten", "        resize=settings.resize,\n", ""),
)

PROMISE = planted(
    "landcover/scoring/promise.py",
    "tests/scoring/test_promise.py",
    ("what misses the bound is kept", "if _keeps(check):", "if True:"),
    (
        "the tiles that chose judge",
        "lower, exact, sample.judged_by, ",
        "lower, exact, sample.chosen_by, ",
    ),
    (
        "other imagery has the same network",
        ".identity(), sample.digest, at_least",
        ".identity(), at_least",
    ),
)

SAMPLE = planted(
    "landcover/scoring/sample.py",
    "tests/scoring/test_sample.py",
    ("the first tiles of the plan", "        if place < number:\n", "        if False:\n"),
    ("both parts have the same tiles", "_batches(tiles[split:])", "_batches(tiles)"),
)

PRECISION = planted(
    "landcover/scoring/precision.py",
    "tests/scoring/test_precision.py",
    ("f32 is held against itself", 'replace(recipe, precision="f32")', "recipe"),
    (
        "pixels without data count",
        "    if valid is not None and one.ndim == 4:\n",
        "    if False:\n",
    ),
    ("differences are of the first class", ".max(axis=1)\n    counts", "[:, 0]\n    counts"),
    ("undefined labels agree", "            same &= ~undefined\n", "            pass\n"),
    (
        "masks of the sample's beginning",
        "valid = None if strip.valid is None else strip.valid[cut]",
        "valid = None if strip.valid is None else strip.valid[: cut.stop - cut.start]",
    ),
)

MODEL = planted(
    "landcover/scoring/model.py",
    "tests/scoring/test_model.py",
    (
        "every run opens its own",
        "place = self._places.setdefault(key, _Place())",
        "place = self._places[key] = _Place()",
    ),
    (
        "threads do not matter",
        "return replace(recipe, batch=_NO_LIMIT), threads",
        "return replace(recipe, batch=_NO_LIMIT), 0",
    ),
    (
        "all models wait for one",
        "            with place.opening:\n",
        "            with self._lock:\n",
    ),
    (
        "models in use are closed",
        "unused = [key for key, place in self._places.items() if not place.users]",
        "unused = list(self._places)",
    ),
    (
        "the model used last is closed first",
        "key=lambda key: self._places[key].left)",
        "key=lambda key: -self._places[key].left)",
    ),
    (
        "a load counts for every task",
        "seconds, self._seconds = self._seconds, 0.0",
        "seconds = self._seconds",
    ),
    (
        "a model that could not be opened stays",
        "                del self._places[key]\n",
        "                pass\n",
    ),
    (
        "a forked child uses its parent's threads",
        "os.register_at_fork(after_in_child=_forget)",
        "pass",
    ),
    ("nothing is closed in time", "            self._timer.start()\n", ""),
    ("memory is never short", "or self._short()):", "):"),
    (
        "all that nobody uses stay",
        "_MOST_UNUSED, _LEAST_AVAILABLE = 4, 0.25",
        "_MOST_UNUSED, _LEAST_AVAILABLE = 400, 0.25",
    ),
)

WORKERS_CHECKED = planted(
    "landcover/scoring/worker.py",
    "tests/scoring/test_installation.py",
    (
        "workers of another version do the work",
        "            self.driver.check(this_worker(), here)\n",
        "            pass\n",
    ),
)

INSTALLATION = planted(
    "landcover/scoring/installation.py",
    "tests/scoring/test_installation.py",
    (
        "another runtime is the same",
        "if (found.code, found.libraries) != (self.code, self.libraries):",
        "if found.code != self.code:",
    ),
    (
        "another numpy is another installation",
        "if (found.code, found.libraries) != (self.code, self.libraries):",
        "if found != self:",
    ),
)

CODE = planted(
    "landcover/versions.py",
    "tests/scoring/test_installation.py",
    (
        "another code of the same version is the same",
        "return f\"{versioned('landcover')} ({digest.hexdigest()[:8]})\"",
        "return versioned('landcover')",
    ),
    (
        "the place decides",
        'digest.update(f"{name}/{place.as_posix()}".encode() + path.read_bytes())',
        'digest.update(f"{path}".encode() + path.read_bytes())',
    ),
    (
        "backends do not matter",
        '(("landcover", landcover), ("backends", backends))',
        '(("landcover", landcover),)',
    ),
)

TUNING = planted(
    "landcover/scoring/tuning.py",
    "tests/scoring/test_tuning.py",
    (
        "batches of large windows are large",
        "_MOST_BYTES_TO_LABEL if labels_pixels else _MOST_BYTES",
        "_MOST_BYTES",
    ),
    (
        "another network has the same batch",
        "values = [recipe.digest, recipe.head,",
        "values = [recipe.head,",
    ),
    (
        "another precision has the same batch",
        "recipe.runtime, recipe.precision, recipe.input_size]",
        "recipe.runtime, recipe.input_size]",
    ),
    (
        "a smaller batch is forgotten",
        "        if found is not None and found.batch > model.batch:\n",
        "        if found is not None and found.batch < model.batch:\n",
    ),
    (
        "nothing is remembered",
        "            noted(path, json.dumps(asdict(found)))\n        return found",
        "            pass\n        return found",
    ),
    (
        "the search goes on where memory ends",
        "            if batch > 1 and out_of_memory(error):\n                break\n",
        "",
    ),
)

OUTCOME = planted(
    "landcover/scoring/outcome.py",
    "tests/scoring/test_score.py tests/runs/test_failing_writes.py",
    (
        "tiles lie where pixels do",
        'Area(*(task.written() if output == "pixel" else task.block))',
        "Area(*task.written())",
    ),
    (
        "a picture that cannot be drawn ends the run",
        "    except Exception as error:  # noqa: BLE001\n",
        "    except ZeroDivisionError as error:\n",
    ),
    (
        "a picture that is not there is named",
        "    files.append(name)\n    return []",
        "    return []",
    ),
)

THRIFT = planted(
    "landcover/scoring/thrift.py",
    "tests/scoring/test_thrift.py",
    (
        "less memory is never tried",
        "            if not out_of_memory(error):\n                raise\n            _log",
        "            raise\n            _log",
    ),
    ("what follows takes all memory again", "            spare_memory()\n", ""),
    (
        "a runtime without memory is a broken model",
        "                raise MemoryError(str(error)) from error\n",
        "                pass\n",
    ),
)


POISON = planted(
    "landcover/scoring/poison.py",
    "tests/scoring/test_poison.py",
    (
        "all of a task is given up",
        "return whole if spared is None else _only(workers.map(careful, [spared]))",
        "return whole",
    ),
    (
        "one half is searched",
        "for half in (places[:middle], places[middle:])",
        "for half in (places[:middle],)",
    ),
    (
        "the first of several is enough",
        "        suspects = [one for one in left if len(one) > 1]\n",
        "        suspects = [] if poison else [one for one in left if len(one) > 1]\n",
    ),
    (
        "its neighbours are left out as well",
        "poison += [one[0] for one in left if len(one) == 1]",
        "poison += [one[0] + at for one in left if len(one) == 1 for at in (0, 1)]",
    ),
)

SETTLED = planted(
    "landcover/scoring/settled.py",
    "tests/scoring/test_promise.py",
    (
        "an earlier promise is enough for a larger one",
        'enough = check.get("lower_bound", 1.0) >= config.precision_check.at_least',
        "enough = True",
    ),
)

PRECISION_BOUND = planted(
    "landcover/scoring/precision.py",
    "tests/scoring/test_promise.py tests/scoring/test_precision.py",
    (
        "what was seen is the promise",
        "bound = round(found.labels.lower_bound(error), 6)",
        "bound = round(found.labels.share, 6)",
    ),
)

WINDOW = planted(
    "landcover/scoring/window.py",
    "tests/scoring/test_window.py",
    (
        "windows that label differently will do",
        "        if not alike:\n",
        "        if False:\n",
    ),
    (
        "a halo smaller than the network looks",
        "    if told is not None and told < seen:\n",
        "    if False:\n",
    ),
    (
        "the window of a run is chosen anew",
        "found = _recorded(config) or _remembered",
        "found = _remembered",
    ),
    (
        "the first window in the large one alone",
        "    for at in (0, last):\n",
        "    for at in ():\n",
    ),
    ("halos are rounded down", "return -(-seen // step) * step", "return seen // step * step"),
)

FORECAST = planted(
    "landcover/scoring/forecast.py",
    "tests/scoring/test_forecast.py tests/cli/test_plan.py",
    ("longer tasks hold no more labels", "round(_HELD * at_once * longer)", "0"),
    (
        "a measurement that was stopped is whole",
        'said["status"] == "done"',
        'said["status"] != "running"',
    ),
    ("tasks are those of the measurement", "return max(1, short), each,", "return each, short,"),
    ("maps of pixels take no time", " + maps.seconds(sizes)", ""),
)

MAP_SPEED = planted(
    "landcover/scoring/map_speed.py",
    "tests/scoring/test_map_speed.py",
    (
        "the start counts as steady",
        "    startup = min(max(startup, 0.0), took / 2)\n",
        "    startup = 0.0\n",
    ),
    (
        "what workers do once counts",
        "_, (few, began), (many, took)",
        "(few, began), _, (many, took)",
    ),
    ("two times tell an endless speed", "min(max(startup, 0.0), took / 2)", "max(startup, 0.0)"),
    ("several workers share a piece", "max(total / workers, largest)", "total / workers"),
    ("scenes are mapped whole", "replace(whole.grid, height=rows)", "whole.grid"),
)

READERS = planted(
    "landcover/scoring/readers.py",
    "tests/scoring/test_readers.py tests/scoring/test_pipeline.py",
    (
        "waiting counts as reading",
        "under = Under[R]()",
        "under = Under[R](begun=time.monotonic())",
    ),
    (
        "whoever was replaced goes on",
        "            if under.given_up:\n                return\n",
        "",
    ),
    (
        "a read that times out by itself is waited for",
        "                    return self.future.result()\n",
        "                    pass\n",
    ),
    (
        "a read that hangs keeps the process",
        'name="landcover-read", daemon=True',
        'name="landcover-read", daemon=False',
    ),
)

COSTS = planted(
    "landcover/scoring/costs.py",
    "tests/scoring/test_costs.py",
    (
        "another backend has the same plan",
        '("source", "model", "backend", "output", "plan")',
        '("source", "model", "output", "plan")',
    ),
    (
        "a price is for all workers",
        "hours = self.workers * self.seconds / 3600",
        "hours = self.seconds / 3600",
    ),
)

UNDER_WAY = planted(
    "landcover/scoring/under_way.py",
    "tests/scoring/test_under_way.py",
    ("a third death is needed", "if deaths >= (1 if _crashed", "if deaths > (1 if _crashed"),
    (
        "a crash that is known counts as any",
        "(1 if _crashed else _DEATHS)",
        "_DEATHS",
    ),
    ("a link leads elsewhere", "os.O_CREAT | os.O_NOFOLLOW", "os.O_CREAT"),
)

MEASUREMENT = planted(
    "landcover/scoring/measurement.py",
    "tests/scoring/test_measurement.py",
    ("a tile more is needed", "so_far.done >= tiles:", "so_far.done > tiles:"),
    ("the start is part of the steady state", "_START = 0.25", "_START = 0.0"),
    (
        "a start may be below nothing",
        "Speed(max(0.0, last.seconds - last.tiles / slope), slope)",
        "Speed(last.seconds - last.tiles / slope, slope)",
    ),
)

RECORDED = planted(
    "landcover/scoring/settled.py",
    "tests/scoring/test_promise.py",
    (
        "a network that is gone is there",
        "        or (digest and not run.storage.exists(NETWORK))\n",
        "",
    ),
    (
        "another precision's network is the one",
        '    if recipe.precision == "i8" != precision:\n        return Settled(recipe)\n',
        "",
    ),
)
