"""How many images a network takes at once, where its file does not say it truly."""

from __future__ import annotations

import logging
from collections.abc import Callable

from landcover.models.network import in_batches_of
from landcover.models.preprocessing.specification import Pixels, Probabilities
from landcover.models.runtimes.memory import out_of_memory

log = logging.getLogger(__name__)


class Batches:
    """Gives a network as many images at once as it takes.

    A file may leave the number open while a 1 is written into the middle of its network (into the
    shape of a Reshape, mostly). Such a network fails, or returns another number of results, for more
    than one image: it gets them one by one from then on.

    Args:
        size: how many images it insists on, as its file says; None: any number.
        shown: the model's name in the log.
    """

    def __init__(self, size: int | None, shown: str = "a network") -> None:
        self._size, self._shown = size, shown

    def run(self, once: Callable[[Pixels], Probabilities], pixels: Pixels) -> Probabilities:
        """Run a network on images.

        Args:
            once: runs the network once.
            pixels: dims (n, band, y, x).
        """
        if self._size is not None or len(pixels) == 1:
            return in_batches_of(self._size, once, pixels)
        try:
            found = once(pixels)
            if len(found) == len(pixels):
                return found
            reason = f"it returned {len(found)} results for {len(pixels)} images"
        except Exception as error:  # the libraries have no error in common
            if out_of_memory(error) or not self._runs_alone(once, pixels):
                raise
            reason = next(iter(str(error).splitlines()), type(error).__name__)
        log.info("%s takes one image at a time (%s)", self._shown, reason)
        self._size = 1
        return in_batches_of(1, once, pixels)

    def _runs_alone(self, once: Callable[[Pixels], Probabilities], pixels: Pixels) -> bool:
        try:
            return len(once(pixels[:1])) == 1
        except Exception:  # noqa: BLE001  (then the first error is the one to tell)
            return False
