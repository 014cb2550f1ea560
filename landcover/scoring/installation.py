"""What a process computes with: workers that would answer otherwise than the driver do no work."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from landcover.errors import WorkerDiffers
from landcover.machine import machine_facts
from landcover.models.runtimes.facts import facts_of
from landcover.versions import own_code, versioned

_BESIDE = ("numpy", "rasterio")


@dataclass(frozen=True)
class Installation:
    """What may change the results of a process.

    Args:
        code: landcover's version and a digest of its modules: checkouts of one version differ.
        libraries: of the runtime, each with its version.
        beside: numpy and rasterio with their versions, and what the CPU's instructions can do:
            these differ in rounding at most.
    """

    code: str
    libraries: tuple[str, ...]
    beside: tuple[str, ...]

    def check(self, worker: str, found: Installation) -> None:
        """Make sure that a worker computes as this process does.

        Args:
            worker: the process, as "host:pid".
            found: what is installed there.

        Raises:
            WorkerDiffers: another version of landcover, or of the runtime's libraries.
        """
        if (found.code, found.libraries) != (self.code, self.libraries):
            raise WorkerDiffers(worker, found.words(), self.words())

    def words(self) -> str:
        """What must be the same everywhere, for messages."""
        return ", ".join([self.code, *self.libraries])


@cache
def installation(runtime: str) -> Installation:
    """What is installed for this process.

    Args:
        runtime: the name of what executes the network.
    """
    libraries = (versioned(name) for name in facts_of(runtime).libraries)
    beside = (*map(versioned, _BESIDE), *machine_facts()["instructions"])
    return Installation(own_code(), tuple(libraries), beside)
