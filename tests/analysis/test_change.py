"""Change between dates: decided as the formula says, place by place, whatever maps are cut into."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyproj
import pytest
import rasterio
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.features import shapes
from rasterio.transform import Affine, from_origin
from support.finished import pixel_run

import landcover
from landcover.analysis.change import alignment, blocks
from landcover.analysis.change.candidates import candidates
from landcover.analysis.change.decision import HALO, Rule, judge
from landcover.analysis.change.evidence import Rates
from landcover.analysis.change.legend import Legend
from landcover.analysis.map_blocks import map_names
from landcover.classes import scheme
from landcover.runs.map_format.grid import MapGrid

NLCD6 = scheme("nlcd6")
CODES = np.array(NLCD6.codes, np.uint8)
UTM = "EPSG:26914"
Codes = npt.NDArray[np.uint8]


def blobs(seed: int, height: int, width: int, size: int = 9) -> Codes:
    """Squares of one class."""
    rng = np.random.default_rng(seed)
    coarse = CODES[rng.integers(0, len(CODES), (height // size + 1, width // size + 1))]
    return np.kron(coarse, np.ones((size, size), np.uint8))[:height, :width]


def changed(seed: int, codes: Codes, noise: float = 0.1, gaps: float = 0.02) -> Codes:
    """Another date: some rectangles are another class, and labels are wrong here and there."""
    rng, found = np.random.default_rng(seed), codes.copy()
    for _ in range(6):
        row, col = (int(rng.integers(0, max(1, edge - 8))) for edge in codes.shape)
        found[row : row + 8, col : col + int(rng.integers(2, 12))] = rng.choice(CODES)
    wrong = rng.random(codes.shape) < noise
    found[wrong] = rng.choice(CODES, int(wrong.sum()))
    found[rng.random(codes.shape) < gaps] = 255
    return found


def placed(x: float = 0, y: float = 0, side: float = 1.0) -> tuple[float, ...]:
    return tuple(from_origin(5e5 + x, 4.5e6 + y, side, side))[:6]


def slowly(labels: list[npt.NDArray[Any]], vectors: list[npt.NDArray[Any]], rule: Rule) -> Any:
    """Scores by the formula, place by place; -1 for flicker, NaN where a date has no class."""
    size, (height, width) = vectors[0].shape[-1], labels[0].shape
    chance = np.full((height, width, size), rule.changing / (size - 1))
    anything = np.full((height, width), rule.changing)
    known = np.all([one < size for one in labels], axis=0)
    score = np.where(known, 0.0, np.nan)
    for step in range(HALO + 1):
        before = score.copy()
        for row, col in np.argwhere(known):
            history = [int(one[row, col]) for one in labels]
            runs = [one for one, _ in itertools.groupby(history)]
            if len(runs) > 1 and runs.count(runs[-1]) == 1:
                around = [
                    (y, x)
                    for y in range(max(0, row - 1), min(height, row + 2))
                    for x in range(max(0, col - 1), min(width, col + 2))
                    if (y, x) != (row, col) and known[y, x]
                ]
                if step:
                    for to in range(size):
                        own = [at for at in around if labels[-1][at] == to and before[at] > 0]
                        count = sum(before[at] for at in own)
                        chance[row, col, to] = (rule.changing / (size - 1) + count) / (
                            1 + len(around)
                        )
                    total = sum(max(before[at], 0) for at in around)
                    anything[row, col] = (rule.changing + total) / (1 + len(around))
                p = [vector[row, col].astype(float) for vector in vectors]
                move = np.zeros(size)
                for t, to in itertools.product(range(1, len(p)), range(size)):
                    for own in set(range(size)) - {to}:
                        first = np.prod([one[own] for one in p[:t]])
                        move[to] += first * np.prod([one[to] for one in p[t:]]) / (len(p) - 1)
                stay = np.prod(p, axis=0).sum() * (1 - anything[row, col])
                weighed = move * chance[row, col]
                score[row, col] = weighed[runs[-1]] / (weighed.sum() + stay)
            elif runs.count(runs[-1]) > 1:
                score[row, col] = -1
    return score


def test_of_several_classes_between_the_last_one_is_told() -> None:
    labels = [np.full((1, 1), one, np.uint16) for one in (0, 2, 1, 0)]
    evidence = [lambda places: np.ones((len(places), 3), np.float32)] * 4
    found = judge(labels, evidence, 3, Rule())
    assert found.flicker.all() and not found.changed.any() and found.other.tolist() == [[1]]


@settings(max_examples=15)
@given(
    seed=st.integers(0, 99),
    height=st.integers(1, 14),
    width=st.integers(1, 14),
    dates=st.integers(2, 4),
    classes=st.integers(2, 4),
)
def test_scores_are_those_of_the_formula(
    seed: int, height: int, width: int, dates: int, classes: int
) -> None:
    rng = np.random.default_rng(seed)
    first = rng.integers(0, classes, (height, width))
    labels = [
        np.where(rng.random(first.shape) < 0.4, rng.integers(0, classes + 1, first.shape), first)
        for _ in range(dates)
    ]
    labels = [one.astype(np.uint16) for one in labels]
    vectors = [rng.dirichlet(np.ones(classes), first.shape).astype(np.float32) for _ in labels]
    rule = Rule(changing=float(rng.uniform(0.01, 0.5)))
    evidence = [
        lambda places, vector=vector: vector.reshape(-1, classes)[places] for vector in vectors
    ]
    found = judge(labels, evidence, classes, rule)
    expected = slowly(labels, vectors, rule)
    np.testing.assert_array_equal(found.known, ~np.isnan(expected))
    np.testing.assert_array_equal(found.flicker, expected == -1)
    np.testing.assert_allclose(found.score, np.maximum(np.nan_to_num(expected), 0), atol=1e-4)
    assert not (found.changed & found.flicker).any()


def whole_map(labels: list[npt.NDArray[Any]], rule: Rule) -> tuple[Codes, Any]:
    """The map of changes and the scores, of whole arrays."""
    table = np.full(256, 6, np.uint16)
    table[CODES] = range(6)
    index = [table[one] for one in labels]
    evidence = [Rates.assumed(6, rule.accuracy).on(None, one) for one in index]  # type: ignore[arg-type]
    judged = judge(index, evidence, 6, rule)
    return Legend(NLCD6).codes(judged, index[0], index[-1], rule.threshold), judged


def at_centres(codes: Codes, own: tuple[float, ...], grid: tuple[float, ...], shape: Any) -> Codes:
    """The nearest pixels of a map at the centres of a grid, one by one."""
    found = np.full(shape, 255, np.uint8)
    for row, col in np.ndindex(*shape):
        x, y = grid[2] + grid[0] * (col + 0.5), grid[5] + grid[4] * (row + 0.5)
        at = np.floor((y - own[5]) / own[4] + 1e-6), np.floor((x - own[2]) / own[0] + 1e-6)
        if 0 <= at[0] < codes.shape[0] and 0 <= at[1] < codes.shape[1]:
            found[row, col] = codes[int(at[0]), int(at[1])]
    return found


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "EDGE", 32)
    monkeypatch.setattr(alignment, "MOST", 300)


@pytest.mark.parametrize(
    ("shift", "side"),
    [((0.0, 0.0), 1.0), ((3.3, -4.6), 1.0), ((-7.5, 2.5), 2.5), ((2.0, 5.0), 0.4)],
)
def test_a_map_in_blocks_is_that_of_whole_arrays(
    tmp_path: Path, small_blocks: None, shift: tuple[float, float], side: float
) -> None:
    one = blobs(1, 70, 100)
    ground = at_centres(one, placed(), placed(*shift, side), (int(80 / side), int(90 / side)))
    other = changed(2, np.where(ground == 255, CODES[0], ground), noise=0.05)
    left = other.shape[1] // 2
    before = pixel_run(
        tmp_path / "2016",
        NLCD6,
        [(one[:, :60], UTM, placed()), (one[:, 50:], UTM, placed(50))],
    )
    x = shift[0] + side * (left - 5)
    after = pixel_run(
        tmp_path / "2018",
        NLCD6,
        [
            (other[:, :left], UTM, placed(*shift, side)),
            (other[:, left - 5 :], UTM, placed(x, shift[1], side)),
        ],
    )
    rule = Rule(threshold=0.4)
    made = landcover.change(before.path, after.path, output=tmp_path / "change", threshold=0.4)
    seen = at_centres(other, placed(*shift, side), placed(), one.shape)
    expected, judged = whole_map([one, seen], rule)
    with rasterio.open(tmp_path / "change/change.tif") as file:
        np.testing.assert_array_equal(file.read(1), expected)
        assert file.transform == Affine(*placed())
    common = (one != 255) & (seen != 255)
    assert made.summary["overlap"]["pixels"] == common.sum()
    assert made.summary["overlap"]["hectares"] == pytest.approx(common.sum() / 1e4)
    whole = (one != 255).sum(), (other != 255).sum() * side**2
    shares = [common.sum() / pixels for pixels in whole]
    assert made.summary["overlap"]["shares"] == pytest.approx(shares)
    table = made.transitions
    for (source, target), row in table.iterrows():
        codes = NLCD6.by_name[source].code, NLCD6.by_name[target].code
        pairs = (one == codes[0]) & (seen == codes[1])
        assert row["pixels"] == pairs.sum()
        assert row["hectares"] == pytest.approx(pairs.sum() / 1e4)
        assert row["decided_pixels"] == (pairs & (expected > 1) & (expected < 255)).sum()
    assert table["pixels"].sum() == common.sum()
    _check_candidates(made, expected, judged)


def _check_candidates(made: Any, expected: Codes, judged: Any) -> None:
    """They are the polygons of the map as a whole, with the means of its scores."""
    found = made.candidates()
    legend, moved = Legend(NLCD6), (expected > 1) & (expected < 255)
    assert moved.any()
    outlines = {
        shapely.normalize(shapely.geometry.shape(outline)): int(code)
        for outline, code in shapes(expected, moved, 4, Affine(*placed()))
    }
    assert len(found) == len(outlines) == made.summary["candidates"]
    assert found["pixels"].sum() == moved.sum()
    assert (found["score"] * found["pixels"]).is_monotonic_decreasing
    assert (found["pixels"] * found["score"]).sum() == pytest.approx(
        judged.score[moved].sum(), rel=1e-4
    )
    for outline, code in outlines.items():
        same = found[found.geometry.geom_equals(outline)]
        names = legend.scheme.by_code[code].name.split(" to ")
        assert same[["before", "after"]].to_numpy().tolist() == [names]
        assert same["pixels"].iloc[0] == outline.area
        assert outline.contains(
            shapely.transform(
                shapely.Point(same["lon"].iloc[0], same["lat"].iloc[0]),
                lambda x: np.column_stack(
                    pyproj.Transformer.from_crs(4326, UTM, always_xy=True).transform(*x.T)
                ),
            )
        )


def test_candidates_come_by_the_ground_that_is_thought_to_have_changed() -> None:
    sizes, scores, neighbours = (1, 400, 30), (0.99, 0.6, 0.9), (0.5, 0.25, 1.0)
    places = [
        {
            "code": 2,
            "outline": shapely.box(10 * place, 0, 10 * place + 1, pixels),
            "pixels": pixels,
            "hectares": pixels / 100,
            "score": score * pixels,
            "neighbours": share * pixels,
        }
        for place, (pixels, score, share) in enumerate(zip(sizes, scores, neighbours, strict=True))
    ]
    grid = MapGrid(UTM, (10.0, 0.0, 5e5, 0.0, -10.0, 4.5e6), 100, 400)
    found = candidates(places, Legend(NLCD6), grid, "pixels")
    assert list(found["pixels"]) == [400, 30, 1] and list(found["id"]) == [1, 2, 3]
    assert list(found["score"]) == pytest.approx([0.6, 0.9, 0.99])
    assert list(found["neighbours"]) == pytest.approx([0.25, 1.0, 0.5])
    assert list(found["hectares"]) == [4, 0.3, 0.01]


def test_where_maps_of_a_date_lie_over_one_another_the_first_that_has_a_class_counts(
    tmp_path: Path,
) -> None:
    first, second = blobs(1, 40, 50), blobs(2, 40, 50)
    first[5:20, 8:30] = 255
    far = placed(30_000, 30_000)
    scenes = [(first, UTM, placed()), (second, UTM, placed(10, -6)), (first, UTM, far)]
    run = pixel_run(tmp_path / "run", NLCD6, scenes)
    names = tuple(map_names(run))
    assert len(names) == len(scenes)  # so far apart there is no map of all
    found = alignment.Dated(run, names).labels(MapGrid(UTM, placed(), 50, 40))
    seen = first.copy()
    behind = second[: 40 - 6, : 50 - 10]
    seen[6:, 10:] = np.where(seen[6:, 10:] == 255, behind, seen[6:, 10:])
    expected = np.append(CODES, 255)[found]
    np.testing.assert_array_equal(expected, seen)
