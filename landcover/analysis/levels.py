"""In which classes the labels of a run and a reference are compared: the run's own, and groups of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from landcover.analysis.accuracy import Accuracy
from landcover.classes import Scheme, crosswalk, scheme
from landcover.errors import ConfigError

Pairs = Mapping[tuple[str | None, str], int]
"""How often each label (second) was found where the reference (first) is so; None: it is not known."""
_GROUPS = ("nlcd6", "nlcd3")


@dataclass(frozen=True)
class Level:
    """A set of classes that labels and reference are both taken to.

    Args:
        title: the scheme's name.
        names: its classes.
        labels: a class by each label of the run. What has no class in this scheme keeps its name,
            and counts as an error.
        references: likewise by each class of the reference.
    """

    title: str
    names: tuple[str, ...]
    labels: Mapping[str, str]
    references: Mapping[str, str]

    def accuracy(self, pairs: Pairs, unit: str) -> Accuracy:
        """The accuracy at this level.

        Args:
            pairs: of the run's labels and the reference's classes.
            unit: what was counted, as "pixels".
        """
        found: dict[tuple[str, str], int] = {}
        for (reference, label), count in pairs.items():
            if reference is not None:
                key = self.references.get(reference, reference), self.labels.get(label, label)
                found[key] = found.get(key, 0) + count
        seen = {name for pair in found for name in pair}
        names = (*self.names, *sorted(seen - {*self.names}))
        index = {name: place for place, name in enumerate(names)}
        matrix = np.zeros((len(names), len(names)), np.int64)
        for (reference, label), count in found.items():
            matrix[index[reference], index[label]] += count
        without = sum(count for (reference, _), count in pairs.items() if reference is None)
        return Accuracy(names, matrix, without, unit)


def levels(labels: Scheme, references: Scheme) -> list[Level]:
    """The levels at which labels of one scheme can be held against classes of another.

    Args:
        labels: the classes of a run.
        references: those of the reference.

    Returns:
        the run's own classes first, where those of the reference can be taken to them; then the six
        classes and the three of the 2017 guide, where both can be taken to them.

    Raises:
        ConfigError: if there is no scheme that both can be taken to.
    """
    targets = [labels, *(scheme(name) for name in _GROUPS if name != labels.name)]
    found = []
    for target in targets:
        taken = _taken(labels, target), _taken(references, target)
        if None not in taken:
            found.append(Level(target.name, target.names, *taken))  # type: ignore[arg-type]
    if not found:
        reason = (
            f"there is no way from the classes of scheme {references.name!r} to those of the run "
            f"({labels.name!r}), nor from both to one of the schemes {', '.join(_GROUPS)}"
        )
        raise ConfigError([reason], "the reference")
    return found


def _taken(source: Scheme, target: Scheme) -> dict[str, str] | None:
    """Classes of one scheme by those of another, by name; None where there is no way."""
    if source.name == target.name:
        return {name: name for name in source.names}
    try:
        codes = crosswalk(source.name, target.name)
    except ConfigError:
        return None
    names = scheme(target.name).by_code
    return {
        item.name: names[codes[item.code]].name if item.code in codes else item.name
        for item in source
    }
