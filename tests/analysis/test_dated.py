"""Which dates runs are of, what they are called, and in which order they come."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from landcover.analysis.dated import DatedRun, dated_runs, names_of, refuse_disorder
from landcover.classes import scheme
from landcover.errors import ConfigError, OutputError
from landcover.runs.claiming import claim
from landcover.runs.directory import RunDirectory

NLCD6 = scheme("nlcd6")


def _run(path: Path, **said: Any) -> RunDirectory:
    with claim(str(path), {"model": "m"}, NLCD6, {"model": {"output": "pixel"}}) as run:
        run.finish({"files": [], **said})
    return run


def _of(*dates: str) -> list[DatedRun]:
    return [DatedRun(RunDirectory(f"/runs/{n}", NLCD6), date) for n, date in enumerate(dates)]


@pytest.mark.parametrize(
    "dates",
    [
        ("2016", "2016-09", "2016-09-15", "2016"),
        ("2016-09-15", "2016-09", "2016-10"),
        ("2015-12-31", "2016"),
        ("2016-05", "", "2016-05"),
    ],
)
def test_dates_that_may_follow_one_another_are_in_order(dates: Sequence[str]) -> None:
    refuse_disorder(_of(*dates))


@pytest.mark.parametrize(
    "dates",
    [
        ("2016", "2015"),
        ("2016", "2015-12-31"),
        ("2016-09", "2016-08-31"),
        ("2016-09-15", "2016-09-14"),
        ("2016", "", "2015"),
    ],
)
def test_a_run_of_an_earlier_date_than_the_one_before_is_refused(dates: Sequence[str]) -> None:
    with pytest.raises(ConfigError, match="name the earlier one first"):
        refuse_disorder(_of(*dates))


def test_a_run_over_several_dates_stands_for_each_the_earliest_first(tmp_path: Path) -> None:
    several = _run(tmp_path / "a", dates={"2018": ["a"], "2015-07": ["b"], "2015-06-30": ["c"]})
    smoothed = _run(tmp_path / "b", smoothed={"from": "a", "run": "0", "rule": {}, "date": "2012"})
    one, none = _run(tmp_path / "c", dates={"2020": ["a"]}), _run(tmp_path / "d")
    found = dated_runs([several, smoothed, one, none])
    assert [date for _, date in found] == ["2015-06-30", "2015-07", "2018", "2012", "2020", ""]
    assert [run.date for run, _ in found] == ["2015-06-30", "2015-07", "2018", "", "", ""]
    told = dated_runs([several, smoothed, none], ["2018", "2012", "2011-03"])
    assert [(run.date, date) for run, date in told] == [
        ("2018", "2018"),
        ("", "2012"),
        ("", "2011-03"),
    ]
    with pytest.raises(
        OutputError, match=r"no map of '2016'; there are: 2015-06-30, 2015-07, 2018"
    ):
        dated_runs([several], ["2016"])
    with pytest.raises(ConfigError, match="1 dates for 2 runs"):
        dated_runs([one, none], ["2020"])
    with pytest.raises(ConfigError, match="is no date such as"):
        dated_runs([none], ["last year"])


def test_runs_are_called_by_as_much_of_their_paths_as_tells_them_apart() -> None:
    def called(*places: tuple[str, str]) -> list[str]:
        return names_of([DatedRun(RunDirectory(path, NLCD6), date) for path, date in places])

    assert called(("/runs/a", ""), ("/runs/b", "2016")) == ["a", "b, 2016"]
    assert called(("/runs/a", "2015"), ("/runs/a", "2016")) == ["a, 2015", "a, 2016"]
    assert called(("/x/1/run", ""), ("/x/2/run", "")) == ["1/run", "2/run"]
    assert called(("/x/run", ""), ("/x/run", "")) == ["1: /x/run", "2: /x/run"]
    assert called(("/run", ""), ("/x/run", "")) == ["/run", "x/run"]
    assert called((".", "")) == ["run"]
