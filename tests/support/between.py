"""Another command that comes between what a command sees and what it does."""

from __future__ import annotations

from collections.abc import Callable

from landcover.backends.local import LocalBackend


class Between(LocalBackend):
    """A backend that lets another command be given when its own command first asks it for anything.

    By then commands have looked at the directory that they are to write, and none holds it yet.

    Args:
        command: the other one.
    """

    def __init__(self, command: Callable[[], object]) -> None:
        super().__init__()
        self._command: Callable[[], object] | None = command

    @property
    def threads(self) -> int:
        """How many CPU threads this process may use."""
        command, self._command = self._command, None
        if command is not None:
            command()
        return super().threads
