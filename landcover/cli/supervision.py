"""A run whose own process dies of a decoder, a runtime or short memory: it is begun again, and goes on.

Python cannot catch what crashes natively. So the process that was started watches over a child that
does the work, which costs a few milliseconds: the child is forked before anything large is imported.
"""

from __future__ import annotations

import mmap
import os
import signal
import sys
from collections.abc import Mapping
from types import FrameType
from typing import Any

from landcover.machine import end_with

# What ends a process that has crashed, or for which the kernel has no memory.
_CRASHES = frozenset(
    {signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGKILL, signal.SIGSEGV}
)
_PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_IGNORED = (signal.SIGHUP, signal.SIGQUIT)
# So many children may die one after the other without one task that came home.
_MOST_IN_VAIN = 3

_came_home: mmap.mmap | None = None


def note_progress() -> None:
    """Tell who watches over this process that a task has come home."""
    if _came_home is not None:
        _came_home[0] = 1


def watched_over() -> None:
    """Go on in a child that is begun again when it dies of a crash; the parent ends as the child does.

    To be called before other threads are started.
    """
    global _came_home
    if sys.platform != "linux":  # elsewhere a child would outlive a parent that is killed
        return
    _came_home, parent = mmap.mmap(-1, 1), os.getpid()
    told = {number: signal.getsignal(number) for number in _PASSED_ON}
    died, in_vain = 0, 0
    while child := _forked():
        died = _awaited(child, told)
        in_vain = 0 if _came_home[0] else in_vain + 1
        _came_home[0] = 0
        name = signal.Signals(died).name
        if in_vain == _MOST_IN_VAIN:
            _say(f"the run was ended by {name}, {in_vain} times without getting on: it has stopped")
            os._exit(1)
        _say(f"the run was ended by {name}: it goes on, {_how(died)}")
    end_with(parent)
    for number, handler in told.items():
        signal.signal(number, handler)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _PASSED_ON)
    if died:
        _begin_carefully(died)


def _forked() -> int:
    """Fork with signals held back until either side knows what to do with them."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _PASSED_ON)
    return os.fork()


def _awaited(child: int, told: Mapping[signal.Signals, Any]) -> int:
    """The signal of which a child has died as of a crash; for any other end, this process ends too."""

    def pass_on(number: int, frame: FrameType | None) -> None:
        os.kill(child, number)

    for number in _PASSED_ON:
        signal.signal(number, pass_on)
    for number in _IGNORED:
        if told[number] == signal.SIG_IGN:  # nohup(1)
            signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _PASSED_ON)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if -code in _CRASHES:
        return -code
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


def _how(died: int) -> str:
    if died == signal.SIGKILL:
        return "with less memory, as the system may have had none left"
    return "and what it was doing is done apart"


def _begin_carefully(died: int) -> None:
    """Let a child know how the one before it died."""
    from landcover.scoring.thrift import spare_memory
    from landcover.scoring.under_way import after_crash

    after_crash()
    if died == signal.SIGKILL:
        spare_memory()


def _say(sentence: str) -> None:
    os.write(2, f"landcover: {sentence}\n".encode())
