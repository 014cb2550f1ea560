"""What the options of all backends have in common: whole numbers from 1."""

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
