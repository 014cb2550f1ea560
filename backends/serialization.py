"""Functions, items, results and exceptions on their way to workers and home again.

An engine may replace an exception by one of its own, and fail in its own machinery when one does
not unpickle. Here exceptions travel as values, so that they reach the caller as they were raised.
Workers import this module: it needs nothing beyond landcover itself.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from typing import Any

from landcover.errors import LandcoverError


class Serializer:
    """Packs with a pickler that also takes functions and classes of a script or notebook.

    Args:
        pickler: module with ``dumps`` and ``loads`` that workers have too: "cloudpickle", or
            "pyspark.cloudpickle".
    """

    def __init__(self, pickler: str) -> None:
        self.pickler = pickler

    def pack(self, thing: Any) -> bytes:
        """Turn a function or an item into bytes.

        Raises:
            LandcoverError: it does not pickle; the cause is chained.
        """
        try:
            return self._dumps(thing)
        except Exception as error:
            raise LandcoverError(
                f"{thing!r} cannot be sent to a worker, because it does not pickle: {error}"
            ) from error

    def run(self, function: bytes, item: bytes) -> bytes:
        """Call a packed function with a packed item, on a worker; what it raises is packed too."""
        try:
            result = _unpacked(self.pickler, function)(self._loads(item))
            return self._dumps((result, None))
        except Exception as error:  # noqa: BLE001  (sent home, raised by unpack)
            error.add_note("on the worker:\n" + traceback.format_exc())
            return self._pack_error(error)

    def unpack(self, outcome: bytes) -> Any:
        """Return the result that ``run`` packed, or raise the exception that it packed."""
        result, error = self._loads(outcome)
        if error is not None:
            raise error
        return result

    def _dumps(self, thing: Any) -> bytes:
        packed: bytes = import_module(self.pickler).dumps(thing)
        return packed

    def _loads(self, packed: bytes) -> Any:
        return import_module(self.pickler).loads(packed)

    def _pack_error(self, error: Exception) -> bytes:
        """Pack an exception as it is, by its parts, or in words: the first that comes home."""
        for form in (error, _Parts(error)):
            try:
                packed = self._dumps((None, form))
                home = self._loads(packed)[1]
                # Libraries that register picklers of their own for exceptions (tblib, which Dask
                # brings) may drop what a built-in one keeps outside its arguments: its sentence.
                if (type(home), str(home)) == (type(error), str(error)):
                    return packed
            except Exception:  # noqa: BLE001, S112  (pickling runs code of others)
                continue
        kind = f"{type(error).__module__}.{type(error).__qualname__}"
        told = LandcoverError(f"a worker raised {kind}, which does not pickle: {error!r}")
        for note in getattr(error, "__notes__", ()):
            told.add_note(str(note))
        return self._dumps((None, told))


def without_landcover(said: str) -> str | None:
    """What to do where an engine says that its workers lack landcover; None: it says something else."""
    if re.search(r"No module named 'landcover['.]", said) is None:
        return None
    return (
        "its workers cannot import landcover: install the same version there, with everything that "
        "the model needs"
    )


class _Parts:
    """Pickles an exception by its parts, whatever its constructor asks for."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __reduce__(self) -> tuple[Callable[..., Exception], tuple[Any, ...]]:
        return _rebuilt, (type(self.error), self.error.args, vars(self.error))


def _rebuilt(kind: type[Exception], args: tuple[Any, ...], state: dict[str, Any]) -> Exception:
    try:
        error = kind(*args)
    except Exception:  # noqa: BLE001  (its constructor takes other arguments than it keeps)
        error = kind.__new__(kind, *args)
    error.args = args
    vars(error).update(state)
    return error


@lru_cache(maxsize=8)
def _unpacked(pickler: str, function: bytes) -> Callable[[Any], Any]:
    """Unpack a function once per process instead of once per item."""
    unpacked: Callable[[Any], Any] = import_module(pickler).loads(function)
    return unpacked
