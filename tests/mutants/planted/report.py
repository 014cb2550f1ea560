"""Faults of figures and of the report."""

from __future__ import annotations

from mutants.faults import planted

LEGEND = planted(
    "landcover/report/legend.py",
    "tests/report/test_figures.py",
    (
        "the smallest class first",
        "key=lambda code: -shares[code])",
        "key=lambda code: shares[code])",
    ),
    (
        "what is left out has no share",
        "rest = sum(share for _, _, share in rows[MOST_ENTRIES:])",
        "rest = 0.0",
    ),
    ("shares that are no percent", 'return f"{share:.1%}"', 'return f"{share:.1f}"'),
    (
        "a class in the colour of another",
        "(scheme.by_code[c].color, scheme",
        "(scheme.by_code[ordered[0]].color, scheme",
    ),
)

SCALE_BAR = planted(
    "landcover/report/scale_bar.py",
    "tests/report/test_figures.py",
    (
        "a bar as long as half of the map",
        "power: float = 10 ** math.floor(math.log10(width / 4))\n    return max(step * power for step in (1, 2, 5) if step * power <= width / 4)",
        "power: float = 10 ** math.floor(math.log10(width / 2))\n    return max(step * power for step in (1, 2, 5) if step * power <= width / 2)",
    ),
    ("lengths that are not round", "for step in (1, 2, 5)", "for step in (1, 2, 3, 5)"),
    ("x and y exchanged", '"EPSG:4326", always_xy=True)', '"EPSG:4326")'),
    ("widths at the upper edge", "row = grid.height / 2", "row = 0"),
    ("kilometres in metres", '("km", 1000) if length >= 1000', '("m", 1) if length >= 1000'),
    ("maps around the earth have a width", "0 < width < _WIDEST", "0 < width"),
)

MATRIX = planted(
    "landcover/report/matrix.py",
    "tests/report/test_figures.py",
    (
        "shares of labels",
        "found.matrix.sum(axis=1, keepdims=True), 1)",
        "found.matrix.sum(axis=0, keepdims=True), 1)",
    ),
    ("right is red", "[:, :, None], _RIGHT, _WRONG)", "[:, :, None], _WRONG, _RIGHT)"),
)

TABLES = planted(
    "landcover/report/page/tables.py",
    "tests/report/test_tables.py tests/report/test_page.py",
    ("an interval twice as wide", "(high - low) / 2", "high - low"),
    ("classes that no run has", 'table.index[table["pixels"] > 0]', "table.index"),
    ("the rarest classes of a matrix", "np.argsort(-often", "np.argsort(often"),
    ("producer's for user's", "float(found.users[index])", "float(found.producers[index])"),
    ("the last part alone", 'counts[str(row["label"])] +=', 'counts[str(row["label"])] ='),
)

SHOWN = planted(
    "landcover/report/page/shown_classes.py",
    "tests/report/test_page.py",
    (
        "the most frequent classes are one",
        "key=lambda name: -seen[name])",
        "key=lambda name: seen[name])",
    ),
    ("counts of the last view", "seen.get(item.name, 0) + count", "count"),
    ("what has no class has the first", "[*table, NOTHING]", "[*table, 0]"),
)
