"""What commands print: texts from files and arguments among it do nothing to a terminal."""

from __future__ import annotations

from typing import Final

import click

from landcover.redaction import printable, shortened

LONGEST: Final = 4_096
"""Characters of a line or a cell about names in files, which may be of any length; paths of Linux have no more."""


def say(text: object = "", err: bool = False) -> None:
    """Print a line, with control characters in it as escapes.

    Args:
        text: the line, or several.
        err: to standard error, in place of standard output.
    """
    click.echo(printable(str(text)), err=err)


def say_lines(text: str) -> None:
    """Print lines in which names from files may stand, each as far as :data:`LONGEST`."""
    say("\n".join(shortened(line, LONGEST) for line in text.split("\n")))


def say_over(text: str) -> None:
    """Write a text over the last one, on standard error, which is a terminal."""
    click.echo(f"\r\x1b[K{printable(text)}", err=True, nl=False)
