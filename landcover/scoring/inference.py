"""From batches of tiles to labels, by a model that is open."""

from __future__ import annotations

from landcover.scoring.labels import Labels, label_pixels, label_tiles
from landcover.scoring.model import OpenModel
from landcover.scoring.pipeline import Batch
from landcover.scoring.tuning import remember_smaller


class Labelling:
    """Gives a batch to the model and labels what comes back.

    Args:
        opened: the model.
        batch: the most tiles at once; None: as many as it is fastest with, measured here.
    """

    def __init__(self, opened: OpenModel, batch: int | None) -> None:
        self._opened, self._model = opened, opened.model
        wanted = opened.tuning().batch if batch is None else batch
        self.batch = min(wanted, self._model.batch)
        self._numbers = self._model.recipe.form == "numbers"

    def __call__(self, batch: Batch) -> Labels:
        """What the network says of a batch."""
        probabilities = self._model.probabilities(batch.pixels)
        if self._model.batch < self.batch:
            self._shrink()
        if probabilities.ndim == 4:
            return label_pixels(probabilities, batch.valid, self._numbers)
        return label_tiles(probabilities, self._numbers)

    def _shrink(self) -> None:
        """Memory did not suffice for a batch: make smaller ones, also in later runs."""
        self.batch = self._model.batch
        remember_smaller(self._model, self._opened.threads)
