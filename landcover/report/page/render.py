"""From what a report says to HTML: every text from a file is escaped, and nothing may be fetched."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.resources import files
from typing import Any

from landcover.errors import MissingExtra, OutputError
from landcover.report.page.changes import ChangeTold
from landcover.report.page.content import Told
from landcover.report.page.maps import MapsOfReport
from landcover.report.page.tables import MOST_CLASSES, area_rows, estimate, matrix_rows

LARGEST = 20_000_000
"""Bytes that a report may have."""
_TEMPLATES = "landcover.report.page"


class Page:
    """The template of the report.

    Raises:
        MissingExtra: if Jinja2 is not installed.
    """

    def __init__(self) -> None:
        try:
            import jinja2
        except ModuleNotFoundError as error:
            raise MissingExtra("the report", "report", "jinja2") from error
        self._environment = jinja2.Environment(
            loader=jinja2.PackageLoader(_TEMPLATES),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        forms = {"hectares": _hectares, "percent": _percent, "count": _count}
        self._environment.filters |= forms
        self._environment.globals |= forms

    def rendered(
        self, runs: Sequence[Told], maps: MapsOfReport | None, change: ChangeTold | None
    ) -> str:
        """The page as HTML.

        Args:
            runs: what it says of each run.
            maps: of those that have one.
            change: what changed between runs.

        Raises:
            OutputError: if the page would be larger than 20 MB.
        """
        style, script = (_asset(name) for name in ("report.css", "report.js"))
        page = self._environment.get_template("report.html").render(
            title=", ".join(one.name for one in runs),
            made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            version=version("landcover"),
            runs=runs,
            mapped=[one for one in runs if one.has_map],
            maps=maps,
            change=change,
            area_rows=_area_rows(runs),
            fact_rows=_fact_rows(runs),
            matrix_rows=matrix_rows,
            most_classes=MOST_CLASSES,
            estimate=estimate,
            style=self._markup(style),
            script=self._markup(script),
            hashes={"style": _digest(style), "script": _digest(script)},
        )
        # Names in files of others may hold what no text in UTF-8 does.
        page = page.encode(errors="backslashreplace").decode()
        if len(page.encode()) > LARGEST:
            told = f"would have {len(page.encode()) / 1e6:.0f} MB, more than 20: give fewer runs"
            raise OutputError("the report", told)
        return page

    @staticmethod
    def _markup(text: str) -> str:
        """Our own text, which is not escaped."""
        from markupsafe import Markup

        return Markup(text)


def _asset(name: str) -> str:
    return (files(_TEMPLATES) / "templates" / name).read_text(encoding="utf-8").strip()


def _digest(text: str) -> str:
    """As a Content-Security-Policy names an inline script that may run."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _area_rows(runs: Sequence[Told]) -> Any:
    mapped = [one for one in runs if one.areas is not None]
    colors: dict[str, str] = {}
    for one in mapped:
        for item in one.run.scheme:
            colors.setdefault(item.name, item.color)
    tables = [one.areas for one in mapped if one.areas is not None]
    sampled = [one.estimates.areas if one.estimates else None for one in mapped]
    return area_rows(tables, colors, sampled)


def _fact_rows(runs: Sequence[Told]) -> list[tuple[str, list[str]]]:
    """A row a fact that some run tells."""
    every: Mapping[str, Any] = runs[0].facts
    rows = [(name, [one.facts[name] for one in runs]) for name in every]
    return [(name, values) for name, values in rows if any(values)]


def _hectares(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.2f}"


def _percent(value: float | None) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.1%}"


def _count(value: int) -> str:
    return f"{value:,}"
