"""How the CPUs of a machine are shared out among the workers of an own cluster, before it is started."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from landcover.plugins import load_backend


@pytest.mark.parametrize(
    ("name", "told", "slots", "threads"),
    [
        ("dask", {}, 4, 4),
        ("spark", {}, 16, 1),
        *((name, {"workers": 3}, 3, 5) for name in ("dask", "spark")),
        *((name, {"threads": 5}, 3, 5) for name in ("dask", "spark")),
        *((name, {"threads": 40}, 1, 40) for name in ("dask", "spark")),
        *((name, {"workers": 40}, 40, 1) for name in ("dask", "spark")),
        *((name, {"workers": 2, "threads": 3}, 2, 3) for name in ("dask", "spark")),
    ],
)
def test_workers_and_threads_that_are_not_told_share_sixteen_cpus(
    name: str,
    told: dict[str, int],
    slots: int,
    threads: int,
    monkeypatch: pytest.MonkeyPatch,
    require_backend: Callable[[str], None],
) -> None:
    require_backend(name)
    backend = load_backend(name, **told)
    monkeypatch.setattr(f"landcover.backends.{name}.usable_cpus", lambda: 16)
    assert (backend.slots, backend.threads) == (slots, threads)
