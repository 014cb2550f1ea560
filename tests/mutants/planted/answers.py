"""Faults of what is made of finished runs: points, samples, smoothed maps, polygons, candidates."""

from __future__ import annotations

from mutants.faults import planted

SQUARE = planted(
    "landcover/analysis/square.py",
    "tests/analysis/test_smoothing.py",
    (
        "the widest window is too wide",
        "1 < self.window <= _WIDEST",
        "1 < self.window < _WIDEST",
    ),
    (
        "a middle that decides alone has too many votes",
        "1 <= self.centre <= self.window**2",
        "1 <= self.centre < self.window**2",
    ),
    (
        "squares are as wide as the map is high",
        "width = mask.shape[1] + 2 * self.margin",
        "width = mask.shape[0] + 2 * self.margin",
    ),
    (
        "what is larger than the first row is not seen",
        "            found |= most[:, col : col + width] != values\n",
        "",
    ),
)

PLURALITY = planted(
    "landcover/analysis/plurality.py",
    "tests/analysis/test_smoothing.py",
    ("of equal votes the last class", "votes > most, own == code", "votes >= most, own == code"),
    ("ties change the pixel", "np.where(mine == most, own, winner)", "winner"),
    ("pixels without a class get one", " & (codes != scheme.nodata))", ")"),
)

DATED = planted(
    "landcover/analysis/dated.py",
    "tests/analysis/test_dated.py",
    (
        "a year is earlier than its months",
        "known = min(len(one.date), len(other.date))",
        "known = max(len(one.date), len(other.date))",
    ),
    (
        "dates in the order of the file",
        'return sorted(said.get("dates", {})) or',
        'return list(said.get("dates", {})) or',
    ),
    ("a smoothed run has no date", "([smoothed] if smoothed else [])", "[]"),
    ("a run of one path alone has no name", "max([1, *", "max([0, *"),
)

POINTS = planted(
    "landcover/analysis/points.py",
    "tests/analysis/test_points.py",
    ("blocks share a number", "(file.width // _EDGE + 1)", "(file.width // _EDGE)"),
    ("a row beyond the map is looked at", "(row < file.height)", "(row <= file.height)"),
    (
        "a later map wins",
        "left = np.flatnonzero(found == nothing)",
        "left = np.arange(len(x))",
    ),
)

SAMPLES = planted(
    "landcover/analysis/sampling.py",
    "tests/analysis/test_sampling.py",
    ("points lie at the side of pixels", '"x": c + a * (cols + 0.5)', '"x": c + a * cols'),
    (
        "points in the order of the map",
        "found.iloc[rng.permutation(len(found))]",
        "found.iloc[np.arange(len(found))]",
    ),
    (
        "points of a stratum are its pixels",
        "stratum_points=names.map(points),",
        'stratum_points=names.map(strata["pixels"]),',
    ),
)

SAMPLE_SIZE = planted(
    "landcover/analysis/sample_size.py",
    "tests/analysis/test_sampling.py",
    (
        "a stratum may give more than it has",
        "if value > sizes[name]}",
        "if value > 2 * sizes[name]}",
    ),
    (
        "what is left goes to those that lost least",
        "(found[name] - exact[name], name)",
        "(exact[name] - found[name], name)",
    ),
)

SMOOTHING = planted(
    "landcover/analysis/smoothing.py",
    "tests/analysis/test_smoothing.py tests/analysis/test_minimum_area.py",
    (
        "what the disk has lost is on the map",
        '                raise OSError("what is read back is not what was written")\n',
        "                pass\n",
    ),
    (
        "codes of no class are smoothed",
        "                class_index(found, self.source, self.name)\n",
        "",
    ),
    (
        "a slash makes another run",
        'run.path.rstrip("/") == output.rstrip("/")',
        "run.path == output",
    ),
    (
        "pieces do not see what is around",
        "around = part.grown(self.rule.margin).overlap(whole)",
        "around = part.overlap(whole)",
    ),
)

MEAN_PROBABILITY = planted(
    "landcover/analysis/mean_probability.py",
    "tests/analysis/test_smoothing.py",
    ("later scenes lie above", "        inside &= np.isnan(known[..., 0])\n", ""),
    (
        "the oldest lies above",
        "key=lambda scene: scene.date, reverse=True",
        "key=lambda scene: scene.date",
    ),
    ("what is cut off counts", "        if self.cut:\n", "        if False:\n"),
)

MINIMUM_AREA = planted(
    "landcover/analysis/minimum_area.py",
    "tests/analysis/test_minimum_area.py",
    ("all that ever waited wait", "        self.waiting -= len(group.areas)\n", ""),
    (
        "as large as the minimum is too small",
        "small = (metres < self._minimum)",
        "small = (metres <= self._minimum)",
    ),
    (
        "of equal borders the last class",
        "(-borders[kind], kind))",
        "(-borders[kind], -kind))",
    ),
)

POLYGONS = planted(
    "landcover/analysis/polygons.py",
    "tests/analysis/test_vectorize.py",
    (
        "corners that were let go are kept",
        "self.corners += len(closed.corners) - len(found.corners)",
        "self.corners += len(closed.corners)",
    ),
)

EVIDENCE = planted(
    "landcover/analysis/change/evidence.py",
    "tests/analysis/test_change_runs.py",
    (
        "rates of labels for rates of classes",
        "np.array(self.rates, np.float32).T",
        "np.array(self.rates, np.float32)",
    ),
    (
        "tiles that the map does not show count",
        "                held[codes == self.run.scheme.nodata] = np.nan  # another scene's map shows it\n",
        "",
    ),
    (
        "the rest is shared with the label itself",
        "((1 - scores) / max(size - 1, 1))[:, None]",
        "((1 - scores) / size)[:, None]",
    ),
    (
        "tiles of another label count",
        "unknown = some[:, -1] != flat[places]",
        "unknown = np.isnan(some[:, -1])",
    ),
)

CANDIDATES = planted(
    "landcover/analysis/change/candidates.py",
    "tests/analysis/test_change.py",
    (
        "neighbours are sums",
        'np.array([row["neighbours"] for row in rows]) / np.maximum(counts, 1)',
        'np.array([row["neighbours"] for row in rows]) / 1.0',
    ),
    (
        "longitude and latitude exchanged",
        '"lon": inside.x.round(_DIGITS), "lat": inside.y',
        '"lon": inside.y.round(_DIGITS), "lat": inside.x',
    ),
)

PLACES = planted(
    "landcover/analysis/change/places.py",
    "tests/analysis/test_places.py",
    (
        "blocks that lie apart meet above",
        "above is not None and above[1].row1 == area.row0",
        "above is not None",
    ),
    ("blocks that lie apart meet beside", " and beside[0].col1 == area.col0:", ":"),
    ("seams keep their corners", "shapely.simplify(outline, 0)", "outline"),
    (
        "groups are pairs",
        "parents[max(roots)] = min(roots)",
        "parents[max(one, two)] = min(one, two)",
    ),
)

SUMMARY = planted(
    "landcover/analysis/change/summary.py",
    "tests/analysis/test_change.py",
    ("shares upside down", "[common / one if one else None", "[one / common if one else None"),
)

COMPARE = planted(
    "landcover/analysis/change/compare.py",
    "tests/analysis/test_change_runs.py",
    (
        "what stayed is a candidate",
        "            if one != other\n            and (not",
        "            if True\n            and (not",
    ),
    (
        "other evidence is the same comparison",
        '            "evidence": hashlib.sha256(repr(evidence).encode()).hexdigest(),\n',
        "",
    ),
    (
        "figures of an earlier attempt stay",
        "        self.made.storage.remove(SAID)\n",
        "",
    ),
)

CHIPS = planted(
    "landcover/analysis/chips.py",
    "tests/analysis/test_chips.py",
    (
        "files that were closed are read",
        "                self._opened.clear()\n",
        "                pass\n",
    ),
    ("a scene that is gone is told each time", "                del self._files[name]\n", ""),
    (
        "any pixel of a picture is enough",
        "if not known[_PIXELS // 2, _PIXELS // 2]:",
        "if not known.any():",
    ),
)

REFERENCE_RASTER = planted(
    "landcover/analysis/reference_raster.py",
    "tests/analysis/test_reference.py",
    ("rounding makes a step more", "math.ceil(longest - 1e-3)", "math.ceil(longest)"),
    (
        "tiles are looked at by the coarser side of pixels",
        "longest = max(across, down)",
        "longest = min(across, down)",
    ),
)
