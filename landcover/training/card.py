"""A model card: what a network is for, what it learned from, and how often it is right."""

from __future__ import annotations

from typing import Any

from landcover.models.comparison.same_labels import wilson


def card(summary: dict[str, Any]) -> str:
    """The card as Markdown.

    Args:
        summary: what ``training.json`` says.
    """
    settings, judged = summary["settings"], summary["judged"]
    lines = [
        "# Model card",
        "",
        f"Labels {summary['output']}s of imagery as one of {len(summary['classes'])} classes: "
        + ", ".join(summary["classes"])
        + ".",
        "",
        f"- Method: {summary['method']}.",
        f"- Date: {summary['created'][:10]}.",
        f"- Resolution: {_resolution(settings)}.",
        f"- Tiles: `{settings['data']}`, seed {settings['seed']}.",
        f"- License: {settings.get('license', 'not stated')}.",
        "- Versions: " + ", ".join(f"{k} {v}" for k, v in summary["versions"].items()) + ".",
        "",
        "## Tiles it was made with",
        "",
        "| class | " + " | ".join(summary["counts"]) + " |",
        "|---|" + "--:|" * len(summary["counts"]),
    ]
    for index, name in enumerate(summary["classes"]):
        counts = [f"{each[index]:,}" for each in summary["counts"].values()]
        lines.append(f"| {name} | " + " | ".join(counts) + " |")
    for one in judged:
        lines += ["", *_accuracy(one)]
    lines += _curve(summary.get("curve", []))
    if summary["output"] == "pixel":
        lines += ["", "Pixels of one tile are alike: intervals are narrower than they should be."]
    lines += [
        "",
        (
            "Intervals (Wilson, 95 %) hold for tiles that are drawn as these were. Imagery of other "
            "places, seasons or sensors may be labelled worse: measure it there (`landcover sample`, "
            "`landcover accuracy`)."
        ),
        "",
    ]
    return "\n".join(lines)


def _resolution(settings: dict[str, Any]) -> str:
    metres = settings.get("resolution")
    return "not stated" if metres is None else f"{metres:g} m a pixel"


def _accuracy(judged: dict[str, Any]) -> list[str]:
    """A section on how often labels are right."""
    matrix = judged["matrix"]
    unit = "tiles" if "tiles" in judged else "pixels"
    right, total = sum(row[i] for i, row in enumerate(matrix)), judged[unit]
    before = f"({judged['calibration_error_before']:.3f} before calibration)"
    lines = [
        f"## Accuracy by {judged['of']}",
        "",
        (
            f"Right: {right / total:.1%} ({_interval(right, total)}) of {total:,}. Expected calibration "
            f"error: {judged['calibration_error']:.3f} {before}."
        ),
        "",
        f"| class | {unit} | producer's accuracy | user's accuracy |",
        "|---|--:|--:|--:|",
    ]
    for index, name in enumerate(judged["classes"]):
        hit, there = matrix[index][index], sum(matrix[index])
        labelled = sum(row[index] for row in matrix)
        shares = [_share(hit, there), _share(hit, labelled)]
        lines.append(f"| {name} | {there:,} | " + " | ".join(shares) + " |")
    return lines


def _curve(rows: list[dict[str, float]]) -> list[str]:
    """A section on how accuracy grows with labels; nothing where that was not measured."""
    if not rows:
        return []
    lines = ["", "## Accuracy by labels", "", "| labels a class | mean | lowest | highest |"]
    lines.append("|--:|--:|--:|--:|")
    for number in sorted({row["labels"] for row in rows}):
        of = [row["accuracy"] for row in rows if row["labels"] == number]
        shares = (f"{share:.1%}" for share in (sum(of) / len(of), min(of), max(of)))
        lines.append(f"| {number:,} | " + " | ".join(shares) + " |")
    return lines


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%} ({_interval(part, whole)})" if whole else "-"


def _interval(part: int, whole: int) -> str:
    """Wilson's interval of a share, in percent."""
    low, high = wilson(part / whole, whole)
    return f"{100 * low:.0f} to {100 * high:.0f} %"
