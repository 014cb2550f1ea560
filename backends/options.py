"""What the options of all backends have in common: whole numbers from 1, and seconds."""

from __future__ import annotations

from landcover.errors import ConfigError


def check_counts(backend: str, **counts: int | None) -> None:
    """Refuse counts that are not whole numbers from 1; None stands for the default.

    Raises:
        ConfigError: naming every wrong count.
    """
    mistakes = [
        f"backend.{name}: must be a whole number from 1, not {count!r}"
        for name, count in counts.items()
        if count is not None and (type(count) is not int or count < 1)
    ]
    if mistakes:
        raise ConfigError(mistakes, f"backend {backend!r}")


def check_seconds(backend: str, **seconds: float | None) -> None:
    """Refuse times that are not positive numbers; None stands for the default.

    Raises:
        ConfigError: naming every wrong one.
    """
    mistakes = [
        f"backend.{name}: must be a number of seconds above 0, not {value!r}"
        for name, value in seconds.items()
        if value is not None and (type(value) not in (int, float) or not value > 0)
    ]
    if mistakes:
        raise ConfigError(mistakes, f"backend {backend!r}")
