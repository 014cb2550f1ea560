"""What commands print: texts from files and arguments among it do nothing to a terminal."""

from __future__ import annotations

import click

from landcover.redaction import printable


def say(text: object = "", err: bool = False) -> None:
    """Print a line, with control characters in it as escapes.

    Args:
        text: the line, or several.
        err: to standard error, in place of standard output.
    """
    click.echo(printable(str(text)), err=err)


def say_over(text: str) -> None:
    """Write a text over the last one, on standard error, which is a terminal."""
    click.echo(f"\r\x1b[K{printable(text)}", err=True, nl=False)
