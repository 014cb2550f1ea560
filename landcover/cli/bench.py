"""``landcover bench``: which backend, runtime, precision and workers suit one's own model and data."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from landcover.cli.tables import new_table, show
from landcover.config import PRECISIONS, load_config, parse_override
from landcover.errors import ConfigError
from landcover.machine import machine_facts
from landcover.models.fetch import local_path
from landcover.models.formats.detection import detect
from landcover.models.runtimes.facts import runtimes_for
from landcover.plugins import backend_names
from landcover.report.bars import stacked_figure
from landcover.scoring.benchmark import Candidate, Result, benchmark, combinations
from landcover.scoring.pipeline import STAGES

# A faster candidate is recommended only if it labels so many tiles as the first one in f32 does.
_AGREEING = 0.98


@click.command()
@click.argument("config", type=click.Path(dir_okay=False))
@click.option("--backends", help="Names with commas; default: all that are registered.")
@click.option("--runtimes", help="Names with commas; default: all that run the model's format.")
@click.option("--precisions", default="f32,bf16", show_default=True, help="f32, bf16, f16.")
@click.option("--workers", help="Numbers with commas; default: what CONFIG or the backend says.")
@click.option("--tiles", default=256, show_default=True, help="Tiles a run, the first of CONFIG.")
@click.option("--repeats", default=1, show_default=True, help="Rounds; medians are told.")
@click.option("--set", "overrides", multiple=True, metavar="KEY.PATH=VALUE", help="Set one key.")
@click.option("--output", default="bench", show_default=True, help="Folder for table and figure.")
def bench(
    config: str,
    backends: str | None,
    runtimes: str | None,
    precisions: str,
    workers: str | None,
    tiles: int,
    repeats: int,
    overrides: tuple[str, ...],
    output: str,
) -> None:
    """Score some tiles of CONFIG in all ways that can run here, and say which one to take.

    Every combination of backend, runtime, precision and workers is a run of its own, in a process
    of its own. The start (loading libraries and the model, starting a cluster) is told apart from
    the steady state, which is what counts for long runs. Labels are compared with those of the
    first combination in f32. Nothing is written where CONFIG says: bench.json and bench.png
    go to --output.
    """
    told = dict(parse_override(text) for text in overrides)
    candidates = combinations(
        _words(backends) or backend_names(),
        _words(runtimes) or _runtimes(config, told),
        _checked(_words(precisions)),
        [int(number) for number in _words(workers)] or [None],
    )
    with tempfile.TemporaryDirectory(prefix="landcover-bench-") as folder:
        results = benchmark(config, candidates, Path(folder), tiles, repeats, told, _announce)
    ranked = sorted(results, key=_speed, reverse=True)
    advice = _recommendation(ranked)
    _tell(ranked)
    click.echo(f"\n{advice}")
    _write(Path(output), ranked, {"tiles": tiles, "repeats": repeats, "advice": advice})
    if not any(result.measurements for result in ranked):
        sys.exit(1)


def _words(text: str | None) -> list[str]:
    return [word.strip() for word in (text or "").split(",") if word.strip()]


def _checked(precisions: list[str]) -> list[str]:
    mistakes = [f"{p!r} is none of {', '.join(PRECISIONS)}" for p in precisions]
    if wrong := [m for m, p in zip(mistakes, precisions, strict=True) if p not in PRECISIONS]:
        raise ConfigError(wrong, "--precisions")
    return precisions


def _runtimes(config: str, told: dict[str, Any]) -> list[str]:
    """What runs the model's format; what is not installed is tried as well, for its reason."""
    path = load_config(config, told).model.path
    return runtimes_for(detect(local_path(path), path).format)


def _announce(candidate: Candidate) -> None:
    click.echo(f"running {_name(candidate)}", err=True)


def _name(candidate: Candidate) -> str:
    several = "s" if candidate.workers != 1 else ""
    counted = "" if candidate.workers is None else f", {candidate.workers} worker{several}"
    return f"{candidate.runtime} in {candidate.precision} on {candidate.backend}{counted}"


def _speed(result: Result) -> float:
    return result.speed.tiles_per_second if result.measurements else -1.0


def _tell(ranked: Sequence[Result]) -> None:
    words = ("backend", "runtime", "precision", "workers")
    numbers = ("tiles/s", "start s", *(f"{stage} ms" for stage in STAGES), "labels agree")
    table = new_table(words, numbers)
    for result in (one for one in ranked if one.measurements):
        candidate, speed = result.candidate, result.speed
        agreement = "-" if result.agreement is None else f"{result.agreement:.1%}"
        stages = [f"{result.stages[stage]:.2f}" for stage in STAGES]
        count = str(candidate.workers or len(result.measurements[-1].run.summary["workers"]))
        start = (candidate.backend, candidate.runtime, candidate.precision, count)
        table.add_row(
            *start, f"{speed.tiles_per_second:,.1f}", f"{speed.startup:.1f}", *stages, agreement
        )
    show(table)
    click.echo("stages: milliseconds a tile, summed over workers and their reading threads")
    reasons: dict[str, list[str]] = {}
    for result in (one for one in ranked if one.reason):
        reasons.setdefault(str(result.reason), []).append(_name(result.candidate))
    for reason, names in reasons.items():
        click.echo(f"cannot run {'; '.join(names)}: {reason}")


def _recommendation(ranked: Sequence[Result]) -> str:
    """What to take, in a sentence, and how to say so."""
    ran = [one for one in ranked if one.measurements]
    if not ran:
        return "no combination can run here: the reasons stand above"
    agreeing = [one for one in ran if (one.agreement or 0.0) >= _AGREEING or one.agreement is None]
    best, plain = (
        (agreeing or ran)[0],
        next((o for o in ran if o.candidate.precision == "f32"), ran[-1]),
    )
    speed = best.speed.tiles_per_second
    text = f"take {_name(best.candidate)}: {speed:,.1f} tiles/s"
    if best is not plain:
        text += f", {speed / plain.speed.tiles_per_second:.2f} x as fast as the fastest in f32"
        text += f"; {best.agreement:.1%} of its labels are the same" if best.agreement else ""
    if ran[0] is not best:
        text += (
            f" ({_name(ran[0].candidate)} is faster, but only {ran[0].agreement:.1%} of its labels "
            "are the same)"
        )
    keys = " ".join(f"--set {key}={value}" for key, value in best.candidate.overrides().items())
    return f"{text}\n  {keys}"


def _write(folder: Path, ranked: Sequence[Result], conditions: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    ran = [one for one in ranked if one.measurements]
    versions = ran[0].measurements[0].run.summary["versions"] if ran else {}
    record = {
        **conditions,
        "machine": machine_facts(),
        "versions": versions,
        "rows": [one.as_dict() for one in ranked],
    }
    (folder / "bench.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    click.echo(f"{folder}/bench.json")
    if ran:
        rows = {_bar(one): {k: one.stages[k] for k in ("wait", "infer", "write")} for one in ran}
        title = f"where the time of a worker goes ({conditions['tiles']:,} tiles a run)"
        stacked_figure(rows, "milliseconds a tile", folder / "bench.png", title)
        click.echo(f"{folder}/bench.png")


def _bar(result: Result) -> str:
    return f"{_name(result.candidate)}\n{result.speed.tiles_per_second:,.1f} tiles/s"
