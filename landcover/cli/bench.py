"""``landcover bench``: which backend, runtime, precision and workers suit one's own model and data."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from landcover.cli.files import check_places, write_file
from landcover.cli.numbers import Finite, whole_numbers
from landcover.cli.saying import say
from landcover.cli.tables import new_table, show
from landcover.config import PRECISIONS, load_config, parse_override
from landcover.errors import ConfigError
from landcover.local_files import scratch
from landcover.machine import machine_facts
from landcover.models.comparison.race import fastest_of
from landcover.models.fetch import local_path
from landcover.models.formats.detection import detect
from landcover.models.runtimes.facts import runtimes_for
from landcover.plugins import backend_names, runtime_names
from landcover.report.bars import stacked_figure
from landcover.scoring.benchmark import Effort, Result, benchmark, combinations
from landcover.scoring.candidate import Candidate
from landcover.scoring.pipeline import STAGES

# A faster candidate is recommended only if it labels so many tiles as the first one in f32 does.
_AGREEING = 0.98
_TABLE, _FIGURE = "bench.json", "bench.png"


@click.command()
@click.argument("config", type=click.Path(dir_okay=False))
@click.option("--backends", help="Names with commas; default: all that are registered.")
@click.option("--runtimes", help="Names with commas; default: all that run the model's format.")
@click.option("--precisions", default="f32,bf16", show_default=True, help="f32, bf16, f16, i8.")
@click.option(
    "--workers",
    callback=whole_numbers,
    help="Numbers with commas; default: what CONFIG or the backend says.",
)
@click.option(
    "--seconds",
    default=6.0,
    show_default=True,
    type=Finite(min=0.1),
    help="Of steady state, each time that a way has its turn.",
)
@click.option(
    "--rounds",
    default=3,
    show_default=True,
    type=click.IntRange(min=1),
    help="Turns of each way, at most; medians are told.",
)
@click.option(
    "--minutes",
    default=10.0,
    show_default=True,
    type=Finite(min=0, min_open=True),
    help="After so many, no turn begins.",
)
@click.option("--set", "overrides", multiple=True, metavar="KEY.PATH=VALUE", help="Set one key.")
@click.option("--output", default="bench", show_default=True, help="Folder for table and figure.")
def bench(
    config: str,
    backends: str | None,
    runtimes: str | None,
    precisions: str,
    workers: list[int],
    seconds: float,
    rounds: int,
    minutes: float,
    overrides: tuple[str, ...],
    output: str,
) -> None:
    """Score some tiles of CONFIG in all ways that can run here, and say which one to take.

    Ways are all combinations of backend, runtime, precision and workers; those that cannot run here
    are told, not tried. In each round each way is a run of its own, in a process of its own, until it
    has had some seconds of steady state; what it takes to start is told apart. What is far behind
    after a round, or clearly slower later, has no more turns. Labels are compared with those of the
    first way in f32. One is recommended where no turn of any other was as fast as its slowest.
    Nothing is written where CONFIG says: bench.json and bench.png go to --output.
    """
    told = dict(parse_override(text) for text in overrides)
    candidates = combinations(
        _checked("--backends", _words(backends), backend_names()) or backend_names(),
        _checked("--runtimes", _words(runtimes), runtime_names()) or _runtimes(config, told),
        _checked("--precisions", _words(precisions), (*PRECISIONS, "i8")),
        workers or [None],
    )
    check_places(*(str(Path(output, name)) for name in (_TABLE, _FIGURE)))
    effort = Effort(seconds=seconds, rounds=rounds, minutes=minutes)
    with scratch() as folder:
        results = benchmark(config, candidates, folder, effort, told, _announce)
    ranked = sorted(results, key=_speed, reverse=True)
    advice = _recommendation(ranked)
    _tell(ranked)
    if any(one.measurements and one.steady < seconds / 2 for one in ranked):
        say(
            f"{config} has too few tiles for {seconds:g} s a turn: what took less is roughly measured"
        )
    say(f"\n{advice}")
    conditions = {"seconds": seconds, "rounds": rounds, "minutes": minutes, "advice": advice}
    _write(Path(output), ranked, conditions)
    if not any(result.measurements for result in ranked):
        sys.exit(1)


def _words(text: str | None) -> list[str]:
    return [word.strip() for word in (text or "").split(",") if word.strip()]


def _checked(option: str, words: Sequence[str], known: Sequence[str]) -> Sequence[str]:
    if wrong := [f"{word!r} is none of {', '.join(known)}" for word in words if word not in known]:
        raise ConfigError(wrong, option)
    return words


def _runtimes(config: str, told: dict[str, Any]) -> list[str]:
    """What runs the model's format; what is not installed is told as well, with its reason."""
    path = load_config(config, told).model.path
    return runtimes_for(detect(local_path(path), path).format)


def _announce(candidate: Candidate) -> None:
    say(f"running {_name(candidate)}", err=True)


def _name(candidate: Candidate) -> str:
    several = "s" if candidate.workers != 1 else ""
    counted = "" if candidate.workers is None else f", {candidate.workers} worker{several}"
    return f"{candidate.runtime} in {candidate.precision} on {candidate.backend}{counted}"


def _speed(result: Result) -> float:
    return result.turns.middle


def _tell(ranked: Sequence[Result]) -> None:
    words = ("backend", "runtime", "precision", "workers")
    numbers = ("tiles/s", "spread", "turns", "start s", *(f"{stage} ms" for stage in STAGES))
    table = new_table(words, (*numbers, "labels agree"))
    for result in (one for one in ranked if one.measurements):
        candidate, speed = result.candidate, result.speed
        agreement = "-" if result.agreement is None else f"{result.agreement:.1%}"
        stages = [f"{result.stages[stage]:.2f}" for stage in STAGES]
        count = str(candidate.workers or len(result.measurements[-1].run.summary["workers"]))
        start = (candidate.backend, candidate.runtime, candidate.precision, count)
        spread = f"{result.turns.spread:.0%}" if len(result.measurements) > 1 else "-"
        turns = f"{len(result.measurements)}"
        measured = (f"{speed.tiles_per_second:,.1f}", spread, turns, f"{speed.startup:.1f}")
        table.add_row(*start, *measured, *stages, agreement)
    show(table)
    say("stages: milliseconds a tile, summed over workers and their reading threads")
    for reason, names in _grouped(ranked).items():
        say(f"{reason}: {'; '.join(names)}")


def _grouped(ranked: Sequence[Result]) -> dict[str, list[str]]:
    """Ways that could not run, or were not measured to the end, by the reason."""
    found: dict[str, list[str]] = {}
    for result in ranked:
        told = f"cannot run ({result.reason})" if result.reason else result.turns.out
        if told:
            found.setdefault(told, []).append(_name(result.candidate))
    return found


def _recommendation(ranked: Sequence[Result]) -> str:
    """What to take, in a sentence, and how to say so; or why nothing is clear."""
    ran = {one.candidate: one for one in ranked if one.measurements}
    if not ran:
        return "no combination can run here: the reasons stand above"
    agreeing = [one for one in ran if (ran[one].agreement or 1.0) >= _AGREEING]
    turns = {one.candidate: one.turns for one in ranked}
    best, others = fastest_of(turns, agreeing or list(ran))
    text = _compared(ran[best], list(ran.values()))
    if others:
        named = f"{'; '.join(map(_name, others[:3]))}{' and more' if others[3:] else ''}"
        more = "more --rounds and --minutes may tell; so far the fastest"
        return f"it is not clear which is the fastest: {named} may be as fast; {more}\n  {text}"
    keys = " ".join(f"--set {key}={value}" for key, value in best.overrides().items())
    return f"take {text}\n  {keys}"


def _compared(best: Result, ran: Sequence[Result]) -> str:
    """How fast the best is, beside the fastest in f32 and what is faster but labels otherwise."""
    text = f"{_name(best.candidate)}: {best.turns.middle:,.1f} tiles/s"
    exact = [one for one in ran if one.candidate.precision == "f32"]
    plain = max(exact, key=_speed, default=best)
    if best is not plain:
        text += f", {best.turns.middle / plain.turns.middle:.2f} x as fast as the fastest in f32"
        text += f"; {best.agreement:.1%} of its labels are the same" if best.agreement else ""
    first = max(ran, key=_speed)
    if first is not best:
        text += (
            f" ({_name(first.candidate)} is faster, but only {first.agreement or 0:.1%} of its "
            "labels are the same)"
        )
    return text


def _write(folder: Path, ranked: Sequence[Result], conditions: dict[str, Any]) -> None:
    ran = [one for one in ranked if one.measurements]
    versions = ran[0].measurements[0].run.summary["versions"] if ran else {}
    record = {
        **conditions,
        "machine": machine_facts(),
        "versions": versions,
        "rows": [one.as_dict() for one in ranked],
    }
    write_file(str(folder / _TABLE), json.dumps(record, indent=2).encode() + b"\n")
    say(f"{folder}/{_TABLE}")
    if ran:
        rows = {_bar(one): {k: one.stages[k] for k in ("wait", "infer", "write")} for one in ran}
        title = (
            f"where the time of a worker goes ({conditions['seconds']:g} s of steady state a turn)"
        )
        with scratch() as made:
            drawn = made / _FIGURE
            stacked_figure(rows, "milliseconds a tile", drawn, title)
            write_file(str(folder / _FIGURE), drawn.read_bytes())
        say(f"{folder}/{_FIGURE}")


def _bar(result: Result) -> str:
    return f"{_name(result.candidate)}\n{result.turns.middle:,.1f} tiles/s"
