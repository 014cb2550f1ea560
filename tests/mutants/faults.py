"""What a planted fault is: a file, a piece of text that stands in it once, and what takes its place."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True)
class Fault:
    """A fault that tests must notice.

    Args:
        file: of the product, relative to the root of the repository.
        wrong: what is wrong with it, in a few words.
        old: what stands there, once in the file.
        new: what is put in its place.
        tests: files, folders or single tests of pytest, of which one must fail.
        harmless: why no test can notice it; "" for a real fault.
    """

    file: str
    wrong: str
    old: str
    new: str
    tests: tuple[str, ...]
    harmless: str = ""

    def __str__(self) -> str:
        return f"{self.file}: {self.wrong}"

    def planted_in(self, text: str) -> str:
        """The text of the file with the fault in it.

        Raises:
            ValueError: if the text to be replaced is not there, or not once.
        """
        times = text.count(self.old)
        if times != 1 or self.old == self.new:
            raise ValueError(f"{self}: stale: {self.old!r} stands there {times} times, not once")
        return text.replace(self.old, self.new)

    def mistakes(self, root: Path = ROOT) -> list[str]:
        """Why the fault cannot be planted, or not be noticed; none where it can."""
        found = []
        try:
            self.planted_in((root / self.file).read_text())
        except (OSError, ValueError) as error:
            found.append(str(error))
        for test in self.tests:
            path, _, name = test.partition("::")
            name = name.rpartition("::")[2]
            if not (root / path).exists() or (
                name and not re.search(rf"(def|class) {name}\b", (root / path).read_text())
            ):
                found.append(f"{self}: stale: there is no test {test}")
        return found


def planted(file: str, tests: str, *faults: tuple[str, ...]) -> list[Fault]:
    """Faults of one file.

    Args:
        file: of the product.
        tests: those that must notice them, with spaces between.
        faults: of each what is wrong, the old text, the new text, and, for one that no test can
            notice, why.
    """
    return [
        Fault(file, wrong, old, new, tuple(tests.split()), *harmless)
        for wrong, old, new, *harmless in faults
    ]
