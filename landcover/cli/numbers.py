"""Numbers among the arguments of commands."""

from __future__ import annotations

import math
from typing import Any

import click


class Finite(click.FloatRange):
    """A number of a range that is one: "nan" and "inf" are none, though Python reads them."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """See :meth:`click.ParamType.convert`."""
        found = super().convert(value, param, ctx)
        if not math.isfinite(found):
            self.fail(f"{value!r} is not a finite number.", param, ctx)
        return found


def whole_numbers(ctx: click.Context, param: click.Parameter, value: str | None) -> list[int]:
    """Numbers with commas between them, of which each is at least 1."""
    words = [word.strip() for word in (value or "").split(",") if word.strip()]
    if not all(word.isdecimal() and len(word) < 10 and int(word) for word in words):
        raise click.BadParameter(f"{value!r} must be whole numbers with commas, such as 1,2,4")
    return [int(word) for word in words]
