"""What does the framework itself cost: a tile, a task, a plan?

    python -m benchmarks.overhead --tiles 6400 --repeats 5

A network that looks at one pixel is run on an uncompressed tiled raster, by one core, and compared
with a bare loop of rasterio that reads the same tiles on one core and does nothing with them. What a
task costs is what a tile costs more in tasks of one tile. A plan of 160 million tiles (those of the
United States) is counted, fingerprinted and gone through. Writes results/overhead.json and .png.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click

from benchmarks import workloads
from benchmarks.measuring import Said, claim, in_child, in_rounds, middle
from benchmarks.record import RESULTS, write_results
from landcover.report.bars import bars_figure

RATIO, PLAN_SECONDS, PLAN_MB = 0.7, 10, 300


@click.command()
@click.option("--tiles", default=6400, show_default=True, help="Of the raster.")
@click.option("--repeats", default=5, show_default=True, help="Rounds; medians count.")
@click.option("--planned", default=160_000_000, show_default=True, help="Tiles of the plan.")
@click.option("--scenes", default=100, show_default=True, help="Scenes of the plan.")
@click.option("--folder", default=workloads.FOLDER, type=click.Path(path_type=Path))
def main(tiles: int, repeats: int, planned: int, scenes: int, folder: Path) -> None:
    """Measure, print and write down what the framework costs."""
    path, network = (
        str(workloads.scene("plain", tiles, folder)),
        str(workloads.idle_network(folder)),
    )
    some = str(max(1, tiles // 16))
    contenders = {
        "bare loop of rasterio": ("bare", path),
        "landcover": ("scored", path, network, str(tiles), some),
        "landcover, a task a tile": ("scored", path, network, some, "1"),
        "plan": ("plan", str(planned), str(scenes)),
    }
    found = in_rounds(
        {
            name: partial(in_child, "benchmarks.one_core", *told)
            for name, told in contenders.items()
        },
        repeats,
    )
    rows: list[dict[str, Any]] = [
        {"name": name, **{key: middle([s.values[key] for s in said]) for key in said[0].values}}
        for name, said in found.items()
    ]
    _tell(found, rows, tiles)


def _tell(found: dict[str, list[Said]], rows: list[dict[str, Any]], tiles: int) -> None:
    bare, ours, tasks, plan = rows
    for row in rows[:3]:
        click.echo(f"{row['name']:26} {row['tiles_per_second']:8,.0f} tiles/s")
    paired = zip(found["landcover"], found["bare loop of rasterio"], strict=True)
    ratio = middle(
        [one.values["tiles_per_second"] / other.values["tiles_per_second"] for one, other in paired]
    )
    a_task = 1e3 / tasks["tiles_per_second"] - 1e3 / ours["tiles_per_second"]
    a_tile = 1e6 / ours["tiles_per_second"] - 1e6 / bare["tiles_per_second"]
    click.echo(
        f"{ratio:.2f} of the bare loop; {a_tile:.0f} microseconds a tile, {a_task:.2f} ms a task"
    )
    click.echo(
        f"a plan of {plan['tiles']:,.0f} tiles in {plan['tasks']:,.0f} tasks: "
        f"{plan['seconds']:.1f} s, {plan['peak_mb']:,.0f} MB"
    )
    claims = [
        claim("speed of a bare rasterio loop kept, network idle, one core", ratio, "", RATIO),
        claim("cost of the framework a tile, beyond reading it", a_tile, "microseconds"),
        claim("cost of a task (scheduling it locally, writing its part)", a_task, "ms"),
        claim(
            f"plan of {plan['tiles'] / 1e6:,.0f} million tiles",
            plan["seconds"],
            "s",
            PLAN_SECONDS,
            True,
        ),
        claim("memory for that plan", plan["peak_mb"], "MB", PLAN_MB, True),
    ]
    libraries = ["rasterio", "openvino", "xarray", "numpy"]
    written = write_results("overhead", rows, libraries, claims=claims, conditions={"tiles": tiles})
    speeds = {row["name"]: row["tiles_per_second"] for row in rows[:3]}
    bars_figure(
        speeds, "tiles a second, one core", RESULTS / "overhead.png", "Network that is idle"
    )
    click.echo(f"wrote {written}")


if __name__ == "__main__":
    main()
