"""Faults of comparing maps of several dates."""

from __future__ import annotations

from mutants.faults import planted

DECISION = planted(
    "landcover/analysis/change/decision.py",
    "tests/analysis/test_change.py",
    (
        "staying is as likely as changing",
        "stay = weights[:, -1] * (1 - changing)",
        "stay = weights[:, -1] * changing",
    ),
    ("the move is to the first class", "moves[np.arange(len(to)), to]", "moves[:, 0]"),
    (
        "moves to other classes are left out",
        "(moves.sum(axis=1) + stay)",
        "(moves[np.arange(len(to)), to] + stay)",
    ),
    (
        "a move may come from its own class",
        "keepdims=True) - before) * later",
        "keepdims=True)) * later",
    ),
    ("moves are not shared among the dates", "[moves / len(after),", "[moves,"),
    ("a place is its own neighbour", "for x in (-1, 0, 1) if x or y]", "for x in (-1, 0, 1)]"),
    ("neighbours beside, not across corners", "if x or y]", "if bool(x) != bool(y)]"),
    ("neighbours that are unknown count", "_around(np.pad(known, 1), places)", "np.float32(8)"),
    ("neighbours are asked once", "for _ in range(HALO):", "for _ in range(1):"),
    ("what came back changed", "known & left & ~again", "known & left"),
    ("places without a class change", "return known, known & left", "return known, left"),
    (
        "the class between is the first",
        "fresh = ~left & ~same",
        "fresh = ~same",
    ),
)

ALIGNMENT = planted(
    "landcover/analysis/change/alignment.py",
    "tests/analysis/test_change.py tests/analysis/test_change_runs.py",
    (
        "corners in place of centres",
        "np.arange(grid.width)[None, :] + 0.5",
        "np.arange(grid.width)[None, :]",
    ),
    ("rows beyond the other map are its last", "rows < target.height", "rows <= target.height - 2"),
    (
        "the later of two maps counts",
        "for name in self.names:",
        "for name in reversed(self.names):",
    ),
)

LEGEND = planted(
    "landcover/analysis/change/legend.py",
    "tests/analysis/test_change.py tests/analysis/test_change_runs.py",
    (
        "before and after exchanged",
        "return _FIRST + before * (len(self.classes) - 1) + after - (after > before)",
        "return _FIRST + after * (len(self.classes) - 1) + before - (before > after)",
    ),
    (
        "pairs a class off",
        "return before, rest + (rest >= before)",
        "return before, rest + (rest > before)",
    ),
)

CONFUSION = planted(
    "landcover/analysis/change/confusion.py",
    "tests/analysis/test_change_runs.py",
    (
        "classes in the order of the file",
        "order = [listed.index(one) for one in scheme.names]",
        "order = list(range(len(scheme.names)))",
    ),
    (
        "shares of labels, not of classes",
        "known.sum(axis=1, keepdims=True)",
        "known.sum(axis=0, keepdims=True)",
    ),
)

BLOCKS = planted(
    "landcover/analysis/change/blocks.py",
    "tests/analysis/test_change.py tests/analysis/test_change_runs.py",
    (
        "blocks without what lies around",
        "found.part(*inner)",
        "found.part(slice(0, height), slice(0, width))",
    ),
    ("what is below the threshold counts", "judged.score >= rule.threshold", "judged.score >= 0"),
    ("pairs turned round", "pair = first * classes + last", "pair = last * classes + first"),
    (
        "places without a class are counted",
        "counted(one[known].astype(np.intp))",
        "counted(one.ravel().astype(np.intp))",
    ),
)
