"""What may go wrong in a simulated world: each seed draws which kinds, and how often."""

from __future__ import annotations

from dataclasses import dataclass, field

from simulation.scheduling import Process, Scheduler

KINDS = (
    "kill",  # the driver, with all that its process does
    "power",  # the host of the driver and of its disk
    "worker",  # a worker process
    "interrupt",  # Ctrl-C
    "stall",  # a process stands still for longer than its lock lasts
    "refused",  # a request is answered 503
    "lost",  # a request is done, and its answer is lost
    "twice",  # a request arrives twice
    "down",  # the store does not answer for a while
    "full",  # the disk is full for a while
    "damage",  # the disk says that it has written, and holds something else
    "clock",  # the wall clock jumps
    "copy",  # the engine starts a second copy of a task
    "tile",  # a tile cannot be read for the moment
    "second",  # the same command is given again while it runs
)
_OFTEN = {
    "refused": 0.05,
    "lost": 0.04,
    "twice": 0.04,
    "copy": 0.3,
    "tile": 0.1,
    "clock": 0.02,
    "second": 0.6,  # it is asked once a command
}
_SELDOM = 0.01


class PowerCut(BaseException):
    """The host goes down."""


@dataclass(eq=False)
class Faults:
    """Which kinds of faults a world has, and when they happen.

    Args:
        scheduler: whose random numbers decide.
        kinds: that happen here.
        on: whether any does at this moment.
    """

    scheduler: Scheduler
    kinds: frozenset[str]
    on: bool = True
    drivers: list[Process] = field(default_factory=list)
    wall: float = 0.0
    happened: set[str] = field(default_factory=set)
    power_lost: bool = False

    def happens(self, kind: str) -> bool:
        """Whether a fault of a kind happens now."""
        if not self.on or kind not in self.kinds:
            return False
        if self.scheduler.random.random() >= _OFTEN.get(kind, _SELDOM):
            return False
        self.happened.add(kind)
        self.scheduler.trace.append(f"fault: {kind}")
        return True

    def strike(self, scheduler: Scheduler) -> None:
        """What may befall a process before it does anything."""
        process = scheduler.process
        driver = process in self.drivers
        if self.happens("clock"):
            self.wall += scheduler.random.uniform(-1e5, 1e5)
        if driver and self.happens("kill"):
            scheduler.kill(process)
        if driver and self.happens("power"):
            self.power_lost = True
            scheduler.kill(*scheduler.processes)
        if not driver and self.happens("worker"):
            scheduler.kill(process)
        if driver and scheduler.is_first_thread and self.happens("interrupt"):
            raise KeyboardInterrupt
