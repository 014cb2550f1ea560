"""Every error that a caller of landcover may want to catch.

The arguments of an error are kept apart from its sentence, so that it survives pickling on its way
home from a worker. ``exit_code`` is what the command line ends with: 2 where the request itself is
wrong (and asking again cannot help), 1 where something failed while it was served.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from landcover.redaction import printable, redacted, shortened

# Characters of a sentence; names in files, which sentences quote, may be of any length.
_LONGEST = 4_000
_MOST_MISTAKES = 50  # that are told at once


def _sentence(text: str) -> str:
    """A text in one line, without secrets and control characters: libraries complain in several."""
    told = printable(redacted(" ".join(map(str.strip, text.splitlines()))).strip())
    return shortened(told, _LONGEST)


def causes(error: BaseException) -> Iterator[BaseException]:
    """An error and what caused it; a library may say "no such file" of a store that was down."""
    seen: set[int] = set()
    following: BaseException | None = error
    while following is not None and id(following) not in seen:
        seen.add(id(following))
        yield following
        hidden = following.__suppress_context__
        following = following.__cause__ or (None if hidden else following.__context__)


class LandcoverError(Exception):
    """The root of all errors raised on purpose by landcover."""

    exit_code: ClassVar[int] = 1


class ConfigError(LandcoverError, ValueError):
    """The configuration of a run is wrong; every mistake found is named at once.

    Args:
        mistakes: one sentence per mistake.
        origin: where the configuration came from (a path, or "the arguments").
    """

    exit_code = 2

    def __init__(self, mistakes: Sequence[str], origin: str = "the configuration") -> None:
        self.mistakes, self.origin = (
            [_sentence(one) for one in mistakes],
            redacted(origin),
        )
        super().__init__(self.mistakes, self.origin)

    def __str__(self) -> str:
        more = len(self.mistakes) - _MOST_MISTAKES
        told = [*self.mistakes[:_MOST_MISTAKES], *([f"and {more:,} more"] if more > 0 else [])]
        return f"{self.origin}: " + "; ".join(told)


class PluginNotFound(LandcoverError, LookupError):
    """No backend, runtime or model format is registered under this name."""

    exit_code = 2

    def __init__(self, kind: str, name: str, known: Sequence[str]) -> None:
        super().__init__(kind, name, list(known))
        self.kind, self.name, self.known = kind, name, list(known)

    def __str__(self) -> str:
        return f"no {self.kind} is called {self.name!r}; registered: {', '.join(self.known)}"


class MissingExtra(LandcoverError, ImportError):
    """A library that this part of landcover needs is not installed.

    Args:
        what: the part that needs it, as in "backend 'dask'".
        extra: the extra of landcover that brings it.
        module: the module that could not be imported.
    """

    exit_code = 2

    def __init__(self, what: str, extra: str, module: str) -> None:
        super().__init__(what, extra, module)
        self.what, self.extra, self.module = what, extra, module

    def __str__(self) -> str:
        return (
            f"{self.what} needs {self.module}, which is not installed: "
            f"pip install 'landcover[{self.extra}]'"
        )


class _Located(LandcoverError):
    """Something is wrong at a place that has a name (a file, a URL)."""

    def __init__(self, where: str, reason: str) -> None:
        self.where, self.reason = _sentence(str(where)), _sentence(reason)
        super().__init__(self.where, self.reason)

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}"


class SourceError(_Located, ValueError):
    """The imagery cannot be scored as asked: no file, no CRS, not a raster, too few bands."""

    exit_code = 2


class ModelError(_Located, ValueError):
    """A model file, its sidecar, or what is asked of it is wrong."""

    exit_code = 2


class ScalingUntold(ModelError):
    """Nothing says which numbers a network wants: pixels as they are, or less a mean and scaled.

    The reason ends in lines that a sidecar may begin with.
    """

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(where, reason)
        self.reason = printable(redacted(reason))
        self.args = (self.where, self.reason)


class WindowUntold(ModelError):
    """A network reads windows of any size, and nothing says which."""


class LibraryUnavailable(_Located, ImportError):
    """A library that pip does not bring is not there, or cannot be loaded on this machine."""

    exit_code = 2


class OutputError(_Located, OSError):
    """The output cannot be written, or belongs to another run."""


class RunReplaced(OutputError):
    """Another run has taken over the directory that this one was writing to."""


class BackendUnavailable(_Located, ConnectionError):
    """A cluster does not answer, or cannot be started (``where`` is its address)."""


class WorkerUnfit(LandcoverError):
    """A worker cannot do what another one may: no credentials, no mount, a full disk.

    What a backend applies to items raises it; the item then goes to another worker.

    Args:
        worker: the process, as "host:pid".
        reason: one sentence: what it lacks.
    """

    def __init__(self, worker: str, reason: str) -> None:
        super().__init__(worker, reason)
        self.worker, self.reason = worker, reason

    def __str__(self) -> str:
        return f"worker {self.worker}: {self.reason}"


class WorkerDied(WorkerUnfit):
    """A worker died under an item before, and must not take it again in the same way."""


class WorkerDiffers(LandcoverError):
    """A worker has another version of what computes than the driver: its labels may differ.

    Args:
        worker: the process, as "host:pid".
        found: what it has.
        wanted: what the driver has.
    """

    def __init__(self, worker: str, found: str, wanted: str) -> None:
        super().__init__(worker, found, wanted)
        self.worker, self.found, self.wanted = worker, found, wanted

    def __str__(self) -> str:
        return (
            f"worker {self.worker} has {self.found}, and the driver {self.wanted}: install the same "
            "there, then give the same command again"
        )


class ReadFailed(_Located, OSError):
    """Pixels that should be there could not be read; ``retryable`` says whether trying again may help."""

    def __init__(self, where: str, reason: str, retryable: bool = False) -> None:
        super().__init__(where, reason)
        self.args = (str(where), reason, retryable)
        self.retryable = retryable


class StoreError(_Located, OSError):
    """A store (web server, object store) did not do what it was asked, also when asked again.

    Args:
        where: the URL.
        reason: one sentence; it names the status that the store answered with.
        retryable: asking later may help.
        status: of HTTP; None where no answer came.
        refused: it does not take the credentials of this process: it may take others.
    """

    def __init__(
        self,
        where: str,
        reason: str,
        retryable: bool = False,
        status: int | None = None,
        refused: bool = False,
    ) -> None:
        super().__init__(where, reason)
        self.args = (str(where), reason, retryable, status, refused)
        self.retryable, self.status, self.refused = retryable, status, refused


class StoreDown(LandcoverError):
    """A store has not answered for so long that the run has stopped; the same command goes on.

    Args:
        store: which.
        seconds: how long it was waited for.
        reason: what it said last.
    """

    def __init__(self, store: str, seconds: float, reason: str) -> None:
        super().__init__(store, seconds, reason)
        self.store, self.seconds, self.reason = redacted(store), seconds, redacted(reason)

    def __str__(self) -> str:
        return (
            f"{self.store} is down, and was waited for {self.seconds:.0f} s (failures.patience); "
            f"{self.reason}; the run has stopped: once the store answers, the same command goes on"
        )


class TooManyFailures(LandcoverError):
    """More tiles failed than the run allows; of these, ``retryable`` may not when tried again."""

    def __init__(
        self, failed: int, planned: int, allowed: float, run: str, retryable: int = 0
    ) -> None:
        super().__init__(failed, planned, allowed, run, retryable)
        self.failed, self.planned, self.allowed, self.run = failed, planned, allowed, run
        self.retryable = retryable

    def __str__(self) -> str:
        return (
            f"{self.failed} of {self.planned} tiles failed, more than the {self.allowed:.1%} that "
            f"'failures' in the configuration allows: the reasons are in {self.run}/quarantine"
            + (f"; the same command tries {self.retryable} of them again" if self.retryable else "")
        )


class RunIncomplete(LandcoverError):
    """A run has come to its end, but not all of its plan: the same command goes on with it.

    Args:
        run: its directory.
        missing: the tasks that have no result, by their place in the plan.
        tasks: how many the plan has.
        ended: tiles that were scored, quarantined or skipped.
        planned: tiles of the plan.
    """

    def __init__(
        self, run: str, missing: Sequence[int], tasks: int, ended: int, planned: int
    ) -> None:
        super().__init__(run, list(missing), tasks, ended, planned)
        self.run, self.missing, self.tasks = run, list(missing), tasks
        self.ended, self.planned = ended, planned

    def __str__(self) -> str:
        shown = ", ".join(map(str, self.missing[:10])) + (", ..." if self.missing[10:] else "")
        lost = f"{len(self.missing)} of {self.tasks} tasks brought no result ({shown})"
        return (
            f"{self.run}: {lost if self.missing else 'tiles were lost, or counted twice'}, and "
            f"{self.ended} of {self.planned} tiles have ended: the run is not done; the same command "
            "goes on with it"
        )
