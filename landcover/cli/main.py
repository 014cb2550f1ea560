"""The ``landcover`` command: finds the subcommands and turns errors into sentences."""

from __future__ import annotations

import errno
import importlib
import logging
import os
import sys
import tempfile
import warnings
from typing import Any

import click

from landcover.cli.saying import say
from landcover.cli.signals import AGAIN, end_at_once, interruptible
from landcover.cli.supervision import watched_over
from landcover.errors import LandcoverError
from landcover.local_files import OF_DISKS, with_remedy, without_room
from landcover.redaction import printable, redacted

COMMANDS = {
    "score": ("landcover.cli.score", "Score imagery with a model, as a config file says."),
    "train": ("landcover.cli.train", "Train a network on labelled tiles."),
    "areas": ("landcover.cli.areas", "Say how many hectares are of each class, also by zone."),
    "accuracy": ("landcover.cli.accuracy", "Say how often labels are right, and how sure that is."),
    "sample": ("landcover.cli.sample", "Draw points of a map for people to look at."),
    "smooth": ("landcover.cli.smooth", "Give every pixel the class that is commonest around it."),
    "change": ("landcover.cli.change", "Say what changed between runs of different dates."),
    "report": ("landcover.cli.report", "Write one HTML file about runs that opens offline."),
    "vectorize": ("landcover.cli.vectorize", "Write the map as polygons, for GIS programs."),
    "stac": ("landcover.cli.stac", "Describe a run as a STAC collection."),
    "prepare": ("landcover.cli.prepare", "Cut imagery into tiles labelled by a reference."),
    "plan": ("landcover.cli.plan", "Say what a run would do, without doing it."),
    "bench": ("landcover.cli.bench", "Try all ways of scoring, and say which is the fastest."),
    "demo": ("landcover.cli.demo", "Generate imagery, train a small network and map it."),
    "doctor": ("landcover.cli.doctor", "Say what this machine can do, and what is missing."),
    "model": ("landcover.cli.model", "Look into, convert and compare model files."),
}


class _Commands(click.Group):
    """Subcommands that are imported when they are asked for, so that --help is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(COMMANDS[cmd_name][0])
        command: click.Command = getattr(module, cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Log in detail, and show tracebacks of errors.")
@click.version_option(package_name="landcover")
def cli(debug: bool) -> None:
    """Apply land-cover networks to more imagery than one process can take."""
    _set_up_logging(debug)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and end the process with its exit code.

    0: done; 1: an operational error, or more failures than allowed; 2: the request itself is wrong.
    """
    own = arguments is None
    if arguments is None:
        arguments = sys.argv[1:]
        if "score" in arguments[:2]:  # behind --debug, perhaps
            watched_over()
    with interruptible():
        code = _run(arguments)
    if own:
        end_at_once(code)
    sys.exit(code)


def _run(arguments: list[str]) -> int:
    try:
        result: Any = cli.main(arguments, prog_name="landcover", standalone_mode=False)
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else "landcover"
        _say(f"{path}: {_line(error.format_message())} Try '{path} --help'.")
        return error.exit_code
    except click.ClickException as error:
        _say(f"Error: {_line(error.format_message())}")
        return error.exit_code
    except (click.Abort, KeyboardInterrupt) as error:
        answered = isinstance(error, click.Abort) and error.__cause__ is None  # with no
        say("interrupted" if answered else AGAIN, err=True)
        return 1
    except LandcoverError as error:
        if "--debug" in arguments:
            logging.getLogger(__name__).exception("the traceback, as --debug asks for it")
        _say(f"landcover: {error}")
        return error.exit_code
    except Exception as error:
        if "--debug" in arguments:
            logging.getLogger(__name__).exception("the traceback, as --debug asks for it")
        if isinstance(error, OSError) and _unheard() and error.errno == errno.EPIPE:
            return 1  # whoever read it has gone, as head does once it has seen enough
        _say(f"landcover: {_told(error)}")
        return 1
    return result if isinstance(result, int) else 0


def _unheard() -> bool:
    """Whether what is printed gets nowhere; nothing more is sent there then, also at the end."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return True
    return False


def _line(text: str) -> str:
    """A text in one line, whatever arguments it quotes."""
    return " ".join(text.split())


def _told(error: Exception) -> str:
    """A sentence of an error that is none of landcover's own."""
    if isinstance(error, MemoryError):
        reason = f"memory does not suffice: {_line(str(error)) or 'for what was asked for'}"
        return f"{reason}; ask for less, or take a larger machine"
    if isinstance(error, OSError) and error.strerror:
        if error.filename is not None:
            return f"{_line(os.fsdecode(error.filename))}: {with_remedy(error)}"
        if not _makes_temporary_files():
            return f"work in progress: {without_room(error)}"
        if error.errno in OF_DISKS:  # of a handle, which knows no name
            where = "what is printed, or work in progress in the folder that TMPDIR names,"
            return f"{where} could not be written or read: {with_remedy(error)}"
    said = _line(f"{type(error).__name__}: {error}")
    more = "this is a defect of landcover: 'landcover --debug ...' shows where it comes from"
    return f"{said}; {more}"


def _makes_temporary_files() -> bool:
    try:
        tempfile.gettempdir()
    except FileNotFoundError:
        return False
    return True


def _say(sentence: str) -> None:
    say(redacted(sentence), err=True)


class _Redacting(logging.Formatter):
    """Leaves the secrets out of whatever is logged, tracebacks included."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(redacted(super().format(record)))


def _set_up_logging(debug: bool) -> None:
    """Log landcover's own warnings, or with ``debug`` whatever any library has to say.

    Libraries say much that is of no use to who runs the command; what matters becomes an error, or
    stands in the run directory.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(_Redacting("%(levelname)s %(name)s: %(message)s"))
    if not debug:
        handler.addFilter(logging.Filter("landcover"))
        sys.unraisablehook = lambda _: None  # what libraries' callbacks say of damaged files
        if not sys.warnoptions:
            warnings.simplefilter("ignore")
            os.environ.setdefault("PYTHONWARNINGS", "ignore")  # of worker processes
    logging.basicConfig(level=logging.DEBUG if debug else logging.WARNING, handlers=[handler])


if __name__ == "__main__":
    main()
