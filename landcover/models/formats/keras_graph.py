"""How the layers of a Keras file read one another, checked before Keras puts them together.

Keras goes through the layers of a model again and again until each has what it reads, and puts a Sequential
together anew with each layer: descriptions of a few kilobytes keep it busy without end.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, Final, TypeAlias

from landcover.errors import ModelError

# The deepest networks of Keras have 1,100 layers; a Sequential of VGG 26.
_MOST_LAYERS: Final = 3_000
_MOST_OF_SEQUENTIAL: Final = 200
# What layers read, all together; each of most networks reads one or two others.
_MOST_READ: Final = 10_000
# What Keras 2 writes in the place of a layer's name before a number.
_CONSTANT: Final = "_CONSTANT_VALUE"

_Call: TypeAlias = tuple[str, int]
"""A call of a layer: its name, and which of its calls."""


def check_layers(parts: Collection[dict[str, Any]], layers: Collection[str], shown: str) -> None:
    """Refuse a description that Keras would not come to an end with.

    Args:
        parts: all that names a class, wherever it stands.
        layers: classes of layers, and of cells in them.
        shown: the model's name in messages.

    Raises:
        ModelError: it has too many layers, or layers that wait for one another.
    """
    count = sum(str(one.get("class_name")) in layers or "inbound_nodes" in one for one in parts)
    _limit(count, _MOST_LAYERS, "describes {} layers", shown)
    for part in parts:
        config = part.get("config")
        inner = config.get("layers") if isinstance(config, dict) else None
        if not isinstance(inner, list):
            continue
        if part.get("class_name") == "Sequential":
            _limit(len(inner), _MOST_OF_SEQUENTIAL, "describes a Sequential of {} layers", shown)
        _check_order([one for one in inner if isinstance(one, dict)], shown)


def _limit(count: int, most: int, what: str, shown: str) -> None:
    if count > most:
        raise ModelError(shown, f"{what.format(f'{count:,}')}; the most is {most:,}")


def _check_order(layers: list[dict[str, Any]], shown: str) -> None:
    """Refuse layers each of which waits for another, or for what none returns."""
    waiting: dict[_Call, set[_Call]] = {}
    for layer in layers:
        nodes = layer.get("inbound_nodes")
        for at, node in enumerate(nodes if isinstance(nodes, list) and nodes else [None]):
            waiting[(str(layer.get("name")), at)] = {*_reads(node)}
    _limit(sum(map(len, waiting.values())), _MOST_READ, "has layers that read {} others", shown)
    readers: dict[_Call, list[_Call]] = {}
    for one, reads in waiting.items():
        for other in reads:
            readers.setdefault(other, []).append(one)
    left = {one: len(reads) for one, reads in waiting.items()}
    ready = [one for one, count in left.items() if not count]
    while ready:
        for reader in readers.get(ready.pop(), ()):
            left[reader] -= 1
            if not left[reader]:
                ready.append(reader)
    if stuck := [name for (name, _), count in left.items() if count]:
        reason = f"describes a layer {stuck[0]!r} that waits for one which never comes"
        raise ModelError(shown, reason)


def _reads(value: Any) -> Iterator[_Call]:
    """The results that a call of a layer reads: of which layer, and of which of its calls."""
    if isinstance(value, dict):
        if value.get("class_name") == "__keras_tensor__":
            history = value.get("config")
            value = history.get("keras_history") if isinstance(history, dict) else None
        else:
            for inner in value.values():
                yield from _reads(inner)
    if not isinstance(value, list):
        return
    if len(value) >= 3 and isinstance(value[0], str) and isinstance(value[1], int):
        if value[0] != _CONSTANT:
            yield value[0], value[1]
        value = value[3:]
    for inner in value:
        yield from _reads(inner)
