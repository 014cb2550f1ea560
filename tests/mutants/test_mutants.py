"""The list of planted faults is true: each can be planted, and the tests that must notice it are there."""

from __future__ import annotations

import re
from collections import Counter

from mutants.faults import ROOT, Fault
from mutants.planted import FAULTS, matching, protocol

# Of the package, where a fault would change what users get.
ROOMS = (
    *("backends", "tiles", "scoring", "runs", "models", "classes", "devices", "config"),
    *("report", "change", "analysis", "stores"),
)


def test_every_fault_can_be_planted_and_its_tests_are_there() -> None:
    assert [mistake for fault in FAULTS for mistake in fault.mistakes()] == []


def test_the_list_has_faults_of_every_room() -> None:
    words = Counter(word for fault in FAULTS for word in fault.file.removesuffix(".py").split("/"))
    assert {room: words[room] for room in ROOMS if words[room] < 3} == {}
    assert len(FAULTS) >= 150


def test_faults_are_found_by_the_name_of_their_list_and_by_what_they_say() -> None:
    assert len(matching("")) == len(FAULTS)
    assert {*protocol.FILES, *protocol.LOCK} <= {*matching("protocol")}
    assert all("tiles/grid" in fault.file for fault in matching("tiles/grid"))
    told = re.findall(r"make mutants ONLY=(\S+)", (ROOT / "CONTRIBUTING.md").read_text())
    assert len(told) > 1
    assert [pattern for pattern in told if not matching(pattern.strip("`"))] == []


def test_no_fault_is_planted_twice() -> None:
    often = Counter((fault.file, fault.new, fault.old) for fault in FAULTS)
    assert [fault for fault, times in often.items() if times > 1] == []


def test_text_that_is_gone_or_stands_there_twice_is_told() -> None:
    def fault(old: str) -> Fault:
        return Fault("Makefile", "none", old, "", ("tests/mutants/test_mutants.py",))

    assert fault(".DEFAULT_GOAL := help").mistakes() == []
    assert "0 times" in fault("no such line").mistakes()[0]
    assert "times" in fault("help").mistakes()[0]
