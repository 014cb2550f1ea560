"""What notebooks show of runs and of changes: a small table, and a picture where there is one."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from html import escape
from typing import Any

import pandas as pd

from landcover.redaction import printable, redacted
from landcover.report.facts import facts
from landcover.runs.directory import RunDirectory

_SHOWN = (
    *("Status", "Finished", "Model", "Runtime", "Labels", "Tiles planned", "Tiles scored"),
    *("Tiles in quarantine", "Backend", "Tiles a second", "Smoothed from", "Note"),
)
_PICTURES = ("map.png", "confusion.png", "change.png")
_PNG = b"\x89PNG\r\n\x1a\n"
_LARGEST = 3_000_000  # bytes of a picture that a notebook may hold without becoming slow


def run_html(run: RunDirectory, said: Mapping[str, Any]) -> str:
    """A run as HTML, every text escaped.

    Args:
        run: its directory.
        said: what ``run.json`` says.
    """
    told = facts(said)
    rows = "".join(
        f'<tr><th style="text-align:left">{name}</th>'
        f'<td style="text-align:left">{escape(told[name])}</td></tr>'
        for name in _SHOWN
        if told[name]
    )
    return _block("Run", run, f"<table>{rows}</table>{_picture(run, said)}")


def change_html(run: RunDirectory, said: Mapping[str, Any], transitions: pd.DataFrame) -> str:
    """What changed as HTML, every text escaped.

    Args:
        run: the directory.
        said: what ``change.json`` says.
        transitions: indexed by ``from`` and ``to``.
    """
    other = transitions[[before != after for before, after in transitions.index]]
    table = other.sort_values("decided_hectares", ascending=False).to_html()
    return _block("Change", run, f"{table}{_picture(run, said)}")


def _block(kind: str, run: RunDirectory, inside: str) -> str:
    return f"<div><b>{kind} {escape(printable(redacted(run.path)))}</b>{inside}</div>"


def _picture(run: RunDirectory, said: Mapping[str, Any]) -> str:
    listed = said.get("files")
    names = [f"maps/{run.date}.png"] if run.date else _PICTURES
    name = next((one for one in names if isinstance(listed, list) and one in listed), None)
    if name is None or not run.storage.exists(name):
        return ""
    content = run.storage.read(name)
    if len(content) > _LARGEST or not content.startswith(_PNG):
        return ""
    encoded = base64.b64encode(content).decode()
    return f'<img alt="{name}" style="max-width:640px" src="data:image/png;base64,{encoded}">'
