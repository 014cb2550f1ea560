"""A backend whose library is not installed."""

from __future__ import annotations

import a_library_nobody_has


class NeedyBackend:
    """Cannot be made."""

    def __init__(self) -> None:
        self.engine = a_library_nobody_has
