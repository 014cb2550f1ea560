"""Which of a network's outputs is meant."""

from __future__ import annotations

from collections.abc import Sequence

from landcover.errors import ModelError

# Outputs that a sentence names, and characters of each.
_MOST_LISTED, _LONGEST = 20, 200


def choose_head(
    names: Sequence[str], head: str | int | None, shown: str, likely: Sequence[int] | None = None
) -> int:
    """Return the index of the output that is meant.

    Args:
        names: of all outputs, in order.
        head: a name or an index from 0; None where only one can be meant.
        shown: the model's name in messages.
        likely: indices of the outputs that can be class probabilities; default: all.

    Raises:
        ModelError: there is no such output, or several can be meant.
    """
    listed = _listed(names)
    if isinstance(head, int):
        if not 0 <= head < len(names):
            raise ModelError(shown, f"has no output {head}: there are {len(names)}: {listed}")
        return head
    if head is not None:
        if head not in names:
            raise ModelError(
                shown, f"has no output and no layer called {head!r}; its outputs: {listed}"
            )
        return list(names).index(head)
    among = range(len(names)) if likely is None else likely
    if not among:
        reason = f"has no output that can be class probabilities, only {listed}"
        raise ModelError(shown, f"{reason}: set head to the name of a layer that returns them")
    if len(among) > 1:
        candidates = _listed([names[i] for i in among])
        raise ModelError(
            shown, f"has several outputs: say with 'head' which one is wanted: {candidates}"
        )
    return among[0]


def _listed(names: Sequence[str]) -> str:
    """Names for a sentence: the first ones, where a file has any number of them."""
    more = f" and {len(names) - _MOST_LISTED:,} more" if len(names) > _MOST_LISTED else ""
    return ", ".join(repr(name[:_LONGEST]) for name in names[:_MOST_LISTED]) + more


def likely_outputs(ranks: Sequence[int | None]) -> list[int]:
    """The indices of the outputs that can be class probabilities, by how many axes they have.

    Those of (tile, class) or of a map; outputs with three axes, such as all pixels in a row, where
    there is no other. Beside a map they count too: it may be the masks that belong to the boxes
    of a detector, which are no classes.

    Args:
        ranks: of all outputs, the batch included; None where it is not known.
    """
    usual = [at for at, rank in enumerate(ranks) if rank in (None, 2, 4)]
    if not usual or any(ranks[at] == 4 for at in usual):
        return [at for at, rank in enumerate(ranks) if rank in (None, 1, 2, 3, 4)]
    return usual
