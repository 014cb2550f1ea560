"""The expected numbers are extents that CNTK 2.7 computed, and cuDNN-like sums by hand."""

from __future__ import annotations

import pytest

from landcover.models.cntk.conversion.rules.windows import Axis, Placement, place


@pytest.mark.parametrize(
    ("axis", "expected"),
    [
        (Axis(224, 3, 2, auto=True), Placement(112, 1, 1)),
        (Axis(224, 7, 2, auto=True), Placement(112, 3, 3)),
        (Axis(31, 2, 1, auto=True), Placement(31, 0, 1)),
        (Axis(31, 4, 1, auto=True), Placement(31, 1, 2)),
        (Axis(30, 1, 3, auto=True), Placement(10, -1, 0)),
        (Axis(21, 3, 1, dilation=2, auto=True), Placement(21, 2, 2)),
        (Axis(31, 3, 2), Placement(15, 0, 0)),
        (Axis(112, 3, 2, lower=1), Placement(56, 1, 0)),
        (Axis(23, 2, 2, ceil=True), Placement(12, 0, 1)),
        (Axis(22, 2, 3, ceil=True), Placement(8, 0, 1)),
        (Axis(23, 3, 2, auto=True, ceil=True), Placement(12, 1, 1)),
    ],
)
def test_windows_lie_where_cntk_puts_them(axis: Axis, expected: Placement) -> None:
    assert place(axis) == expected


def test_a_window_larger_than_the_image_has_no_place() -> None:
    assert place(Axis(5, 7)) is None


def test_windows_on_a_free_extent_need_padding_that_fits_all_extents() -> None:
    assert place(Axis("height", 3, auto=True)) == Placement("height", 1, 1)
    strided = place(Axis("height", 3, 2, auto=True))
    assert strided is not None
    assert (strided.before, strided.after) == (1, 1)
    assert place(Axis("height", 3, 3, auto=True)) is None
