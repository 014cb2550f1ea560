"""The option that says which of a model's outputs is meant."""

from __future__ import annotations

from typing import Any

import click


class Head(click.ParamType[Any]):
    """The name of an output, or its index from 0."""

    name = "output"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """A text of digits is an index."""
        return int(value) if isinstance(value, str) and value.isdecimal() else value


head_option = click.option(
    "--output", "head", type=Head(), metavar="HEAD", help="An output by its name or index from 0."
)
