"""Some hundred worlds of the simulation; all of them: ``make simulate``."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from simulation.faults import KINDS
from simulation.world import World, live, simulated

SEEDS = range(200)
TESTS = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def worlds() -> list[World]:
    with simulated():
        return [live(seed) for seed in SEEDS]


def test_every_run_ends_as_one_without_faults_or_stops_and_is_gone_on_with(
    worlds: list[World],
) -> None:
    assert {world.seed: world.problems for world in worlds if world.problems} == {}


def test_every_kind_of_fault_happens(worlds: list[World]) -> None:
    happened = Counter(kind for world in worlds for kind in world.faults.happened)
    assert {*KINDS} == {*happened}


def test_a_seed_tells_the_same_story_again_also_in_another_process(worlds: list[World]) -> None:
    told = max(worlds[:50], key=lambda world: len(world.faults.happened))
    with simulated():
        assert live(told.seed).scheduler.trace == told.scheduler.trace
    command = [sys.executable, "-m", "simulation", "--seeds", "1", "--jobs", "1", "--trace"]
    said = subprocess.run(
        [*command, "--seed", str(told.seed)], cwd=TESTS, check=True, capture_output=True, text=True
    )
    assert said.stdout.splitlines()[: len(told.scheduler.trace)] == told.scheduler.trace
