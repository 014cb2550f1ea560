"""Random cases give what the reference gives, which knows nothing of the package's inside."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from oracle.__main__ import replay
from oracle.comparing import differences
from oracle.networks import KINDS
from oracle.rounding import UNIT, Rounded
from oracle.worlds import draw

CASES = 40
HERE = Path(__file__).resolve().parent
PUBLIC = {"score", "score_array"}


@pytest.mark.parametrize("seed", range(CASES))
def test_a_random_case_gives_what_the_reference_gives(
    seed: int, require_backend: Callable[[str], None]
) -> None:
    case = draw(seed)
    require_backend(case.backend)
    found = differences(case)
    assert not found, "\n".join([f"case {seed}: {case}", *found, f"again: {replay(seed)}"])


def test_the_reference_uses_nothing_of_the_package_but_its_two_functions() -> None:
    imported, used = set(), set()
    for path in sorted(HERE.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {(a.name, a.asname) for a in node.names if _of_package(a.name)}
            elif isinstance(node, ast.ImportFrom):
                assert not _of_package(node.module or "") and not node.level, path
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                used |= {node.attr} if node.value.id == "lc" else set()
            elif isinstance(node, ast.Constant) and path.name != Path(__file__).name:
                assert node.value != "landcover", f"{path}: imports by name"
    assert imported == {("landcover", "lc")}
    assert used == PUBLIC


def _of_package(module: str) -> bool:
    return module.split(".")[0] in ("landcover", "backends", "support")


@pytest.mark.parametrize(
    "fault",
    [
        lambda case: {"mean": tuple(one + 1 / case.scale[0] for one in case.mean)},
        lambda case: {"codes": tuple(code + 1 for code in case.codes)},
        lambda case: {"network": replace(case.network, seed=case.network.seed + 1)},
    ],
    ids=["another mean", "other codes", "other weights"],
)
def test_a_fault_makes_a_difference(
    fault: Callable[..., dict[str, object]],
) -> None:
    case = next(case for case in map(draw, range(CASES)) if case.network.kind == "flat")
    assert differences(case, reference=replace(case, **fault(case)))


def test_the_cases_are_as_irregular_as_the_world() -> None:
    cases = [draw(seed) for seed in range(120)]
    scenes = [scene for case in cases for scene in case.scenes]
    seen = {
        "kinds": Counter(case.network.kind for case in cases),
        "endings": Counter((case.network.ending, case.network.single) for case in cases),
        "dtypes": Counter(str(scene.pixels.dtype) for scene in scenes),
        "scenes": Counter(len(case.scenes) for case in cases),
        "backends": Counter(case.backend for case in cases),
        "nodata": Counter(
            "mask" * (s.mask is not None) or "alpha" * s.alpha or str(s.nodata is not None)
            for s in scenes
        ),
        "codes": Counter(case.codes[0] > 0 for case in cases),
        "in memory": Counter(case.in_memory() for case in cases),
        "region": Counter(case.region is not None for case in cases),
    }
    expected = {
        "kinds": len(KINDS),
        "endings": 6,
        "dtypes": 7,
        "scenes": 3,
        "backends": 3,
        "nodata": 4,
        "codes": 2,
        "in memory": 2,
        "region": 2,
    }
    assert {name: len(found) for name, found in seen.items()} == expected
    assert (
        min(
            min(found.values())
            for name, found in seen.items()
            if name not in ("backends", "endings")
        )
        >= 5
    )


@pytest.mark.parametrize("size", [1.0, 100.0])
def test_single_precision_stays_within_what_is_left_to_it(size: float) -> None:
    """In eight lanes, in any order; what is left open is large for numbers such as a fill value's."""
    rng = np.random.default_rng(1)
    images = rng.normal(0, size, (50, 528))
    weights = rng.normal(0, 0.13, (528, 3)).astype(np.float32)
    found = Rounded(images, UNIT * np.abs(images)).weighted(weights)
    terms = images.astype(np.float32)[:, :, None] * weights
    for order in (slice(None), slice(None, None, -1), rng.permutation(528)):
        lanes = terms[:, order].reshape(50, 66, 8, 3)
        summed = np.add.accumulate(lanes, axis=1, dtype=np.float32)[:, -1].sum(axis=1)
        assert (np.abs(summed - found.value) <= found.error).all()
    assert size * 4e-6 < found.error.min() <= found.error.max() < size * 8e-6
