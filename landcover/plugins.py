"""Names to implementations, through entry points; nothing is imported before it is used."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from inspect import Parameter, signature
from typing import Any, cast

from landcover.contracts import Backend
from landcover.errors import ConfigError, MissingExtra, PluginNotFound

BACKENDS = "landcover.backends"
RUNTIMES = "landcover.runtimes"
KERAS_LAYERS = "landcover.keras_layers"


def backend_names() -> list[str]:
    """The names of all registered backends, sorted; none of them is imported."""
    return sorted(_registered(BACKENDS))


def load_backend(name: str, **options: Any) -> Backend:
    """Make the backend that is registered under a name.

    Args:
        name: an entry point of the group ``landcover.backends``.
        options: named arguments of the backend's constructor.

    Raises:
        PluginNotFound: no backend has this name.
        MissingExtra: the backend's library is not installed.
        ConfigError: the backend does not know one of the options.
    """
    return cast(Backend, _make("backend", BACKENDS, name, options))


def runtime_names() -> list[str]:
    """The names of all registered runtimes of networks, sorted; none of them is imported."""
    return sorted(_registered(RUNTIMES))


def load_runtime(name: str, **options: Any) -> Any:
    """Make the runtime that is registered under a name.

    Args:
        name: an entry point of the group ``landcover.runtimes``.
        options: named arguments of the runtime's constructor.

    Returns:
        a :class:`landcover.models.network.Runtime`.

    Raises:
        PluginNotFound: no runtime has this name.
        MissingExtra: the runtime's library is not installed.
        ConfigError: the runtime does not know one of the options.
    """
    return _make("runtime", RUNTIMES, name, options)


def runtime_class(name: str) -> tuple[Any, str | None]:
    """The class of a registered runtime, and the distribution that registers it.

    Raises:
        PluginNotFound: no runtime has this name.
        MissingExtra: the runtime's library is not installed.
    """
    point = _point("runtime", RUNTIMES, name)
    return _load("runtime", point), point.dist.name if point.dist else None


def keras_layer_names() -> list[str]:
    """The names of all layers that installed packages add to Keras's own; none is imported."""
    return sorted(_registered(KERAS_LAYERS))


def load_keras_layer(name: str) -> Any:
    """The class of a layer that an installed package adds to Keras's own.

    Args:
        name: an entry point of the group ``landcover.keras_layers``: the layer as files call it,
            its class name or ``package>class``.

    Raises:
        PluginNotFound: no layer has this name.
        MissingExtra: its package needs something that is not installed.
    """
    return _load("layer of Keras", _point("layer of Keras", KERAS_LAYERS, name))


def _make(kind: str, group: str, name: str, options: dict[str, Any]) -> Any:
    point = _point(kind, group, name)
    factory = _load(kind, point)
    try:
        return factory(**options)
    except ModuleNotFoundError as error:
        raise _missing(kind, point, error) from error
    except TypeError as error:
        mistakes = _unknown(factory, options)
        if not mistakes:
            raise
        raise ConfigError(mistakes, f"{kind} {name!r}") from error


def _unknown(factory: Any, options: dict[str, Any]) -> list[str]:
    """A sentence for each option that the constructor of a plug-in does not take."""
    known = signature(factory).parameters
    if any(one.kind is Parameter.VAR_KEYWORD for one in known.values()):
        return []
    listed = ", ".join(known) or "none"
    unknown = sorted(options.keys() - known)
    return [f"no option is called {key!r}; there are: {listed}" for key in unknown]


def _point(kind: str, group: str, name: str) -> EntryPoint:
    found = _registered(group)
    if name not in found:
        raise PluginNotFound(kind, name, sorted(found))
    return found[name]


def _registered(group: str) -> dict[str, EntryPoint]:
    found: dict[str, EntryPoint] = {}
    for point in entry_points(group=group):
        other = found.setdefault(point.name, point)
        if other.value != point.value:
            raise ConfigError(
                [f"two packages register {group} {point.name!r}: {other.value} and {point.value}"]
            )
    return found


def _load(kind: str, point: EntryPoint) -> Any:
    try:
        return point.load()
    except ModuleNotFoundError as error:
        raise _missing(kind, point, error) from error


def _missing(kind: str, point: EntryPoint, error: ModuleNotFoundError) -> Exception:
    """A missing library becomes advice; a missing module of a plug-in's own is a defect: it stays."""
    module = error.name or ""
    if module.split(".")[0] == point.module.split(".")[0]:
        return error
    return MissingExtra(f"{kind} {point.name!r}", point.name, module)
