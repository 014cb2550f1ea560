"""The report in a real Chromium: maps that move, tables that sort, nothing that leaves the page."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.reported import BREAKOUT, HOSTILE

import landcover
from landcover.runs.directory import RunDirectory

sync_api = pytest.importorskip("playwright.sync_api", reason="needs pip install playwright")
AXE = Path(__file__).resolve().parents[2] / "node_modules" / "axe-core" / "axe.min.js"
_NAMES = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        pytest.skip("needs a browser: apt-get install chromium")
    alone = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium's sandbox refuses root
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found, args=alone)
        yield started
        started.close()


@pytest.fixture(scope="module")
def report(
    hostile_run: RunDirectory, later_run: RunDirectory, tmp_path_factory: pytest.TempPathFactory
) -> str:
    path = tmp_path_factory.mktemp("browser") / "report.html"
    maps = [f"{run.path}/map.tif" for run in (hostile_run, later_run)]
    landcover.write_report([hostile_run.path, later_run.path], path, reference=maps)
    return path.as_uri()


@pytest.fixture
def page(browser: Any, report: str) -> Iterator[Any]:
    """The report at the width of a desk; whatever it asks for, logs or alerts is a failure."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    opened = context.new_page()
    heard: list[str] = []
    opened.on("request", lambda request: heard.append(request.url))
    opened.on("console", lambda said: heard.extend([said.text] * (said.type == "error")))
    opened.on("pageerror", lambda error: heard.append(str(error)))
    opened.on("dialog", lambda dialog: (heard.append(dialog.message), dialog.dismiss()))
    opened.goto(report)
    opened.locator("#maps.live").wait_for()
    yield opened
    assert heard == [report]
    context.close()


def _here(page: Any) -> list[str]:
    return [str(text) for text in page.locator(".here").all_text_contents()]


def _point(page: Any, across: float, down: float) -> tuple[float, float]:
    """A place of the first map on the screen, by shares of its width and height."""
    box = page.locator(".view").first.bounding_box()
    return box["x"] + across * box["width"], box["y"] + down * box["height"]


def _color(page: Any, number: int, across: float, down: float) -> list[int]:
    read = """(canvas, [x, y]) => [...canvas.getContext("2d").getImageData(
        x * canvas.width, y * canvas.height, 1, 1).data].slice(0, 3)"""
    found: list[int] = page.locator("canvas").nth(number).evaluate(read, [across, down])
    return found


def test_labels_and_scores_are_named_in_all_maps_at_once(page: Any) -> None:
    page.mouse.move(*_point(page, 0.06, 0.08))
    assert _here(page) == ["Developed, score 0.50", "no class"]
    page.mouse.move(*_point(page, 0.9, 0.6))
    assert _here(page)[0].startswith(f"{BREAKOUT}, score 0.8") and _here(page)[1] == "Cultivated"
    latitude, longitude = page.locator("#place").text_content().split(": ")[1].split(", ")
    assert float(latitude) == pytest.approx(40.647, abs=0.01)
    assert float(longitude) == pytest.approx(-98.992, abs=0.01)


def test_dragging_and_the_wheel_move_all_maps(page: Any) -> None:
    start, end = _point(page, 0.75, 0.5), _point(page, 0.25, 0.5)
    page.mouse.move(*end)
    assert _here(page)[0].startswith(HOSTILE) and _here(page)[1].startswith("Forest")
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(*end, steps=4)
    page.mouse.up()
    page.mouse.move(end[0] + 1, end[1])
    assert _here(page)[0].startswith(BREAKOUT) and _here(page)[1] == "Cultivated"
    assert _color(page, 1, 0.99, 0.5) == [255, 255, 255]
    page.mouse.wheel(0, -300)
    page.mouse.wheel(0, -300)
    assert _color(page, 1, 0.4, 0.5) == [171, 108, 40]


def test_maps_can_be_moved_by_keys_alone(page: Any) -> None:
    page.locator(".view").nth(1).focus()
    page.keyboard.press("+")
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    assert _here(page)[0].startswith(HOSTILE) and _here(page)[1] == "Forest"
    for _ in range(6):
        page.keyboard.press("ArrowRight")
    assert _here(page)[0].startswith(BREAKOUT) and _here(page)[1] == "Cultivated"
    page.keyboard.press("0")
    assert _color(page, 1, 0.005, 0.005) == [255, 255, 255]


def test_classes_can_be_switched_off_hatched_and_coloured_for_all_readers(page: Any) -> None:
    forest = (1, 0.3, 0.7)
    assert _color(page, *forest) == [104, 171, 95]
    page.get_by_label("Colours").select_option("safe")
    assert _color(page, *forest) not in ([104, 171, 95], [233, 235, 237])
    page.get_by_label("Forest").uncheck()
    assert _color(page, *forest) == [233, 235, 237]
    page.get_by_label("Hatch").select_option(label=HOSTILE)
    around = {tuple(_color(page, 0, 0.3 + step / 500, 0.7)) for step in range(12)}
    assert {(0, 0, 0), (255, 255, 255)} <= around
    page.get_by_label("Show", exact=True).select_option("scores")
    assert page.locator("#ramp").is_visible()


def test_tables_sort_by_their_headings(page: Any) -> None:
    table = page.locator("#areas table")
    heading = table.get_by_role("button", name="2018, hectares")
    heading.click()
    first = table.locator("tbody tr th")
    assert first.first.text_content().strip() == "Cultivated"
    assert table.locator("th[aria-sort=descending]").count() == 1
    heading.press("Enter")
    assert first.last.text_content().strip() == "Cultivated"


def test_candidates_are_filtered_ordered_and_shown_on_the_maps(
    browser: Any, change: tuple[str, str, str], tmp_path: Path
) -> None:
    path = tmp_path / "report.html"
    landcover.write_report(change[:2], path, change=change[2])
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto(path.as_uri())
    cards = page.locator(".cards > li:visible")
    page.locator("#candidates.live").wait_for()
    assert page.locator("#filtered").text_content() == "2 of 2 candidates"
    page.get_by_label("From", exact=True).select_option(BREAKOUT)
    assert cards.count() == 1 and BREAKOUT in cards.first.text_content()
    page.get_by_label("From", exact=True).select_option("")
    page.get_by_label("Order", exact=True).select_option("hectares")
    assert HOSTILE in cards.first.text_content()
    page.get_by_label("Hectares at least").fill("0.3")
    assert page.locator("#filtered").text_content() == "1 of 2 candidates"
    cards.first.get_by_role("button", name="on the maps").click()
    assert _here(page)[0].startswith(HOSTILE) and _here(page)[1].startswith("Developed")
    assert _here(page)[2] == f"{HOSTILE} to Developed"
    found = _serious(page)
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    context.close()
    assert found == []


def test_names_stay_text_in_the_page_that_scripts_have_made(page: Any) -> None:
    assert page.get_by_label(HOSTILE, exact=True).is_checked()
    assert page.locator("img:not(.view img)").count() == 0
    assert page.locator("script").count() == 2
    assert page.get_by_role("cell", name=HOSTILE, exact=True).count() >= 1


@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_fits_the_screen(page: Any, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("canvas").last.bounding_box()["width"] > min(width, 600) * 0.8


def test_axe_finds_nothing_serious(page: Any) -> None:
    if not AXE.is_file():
        pytest.skip("needs axe-core: npm install --no-save axe-core")
    assert _serious(page) == []


def _serious(page: Any) -> list[Any]:
    """What the rules of accessibility find; nothing where they are not there."""
    if not AXE.is_file():
        return []
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run()")
    assert len(found["passes"]) > 20
    return [
        (one["id"], [node["html"] for node in one["nodes"]])
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
    ]


def test_without_scripts_the_maps_stand_still_and_tables_are_there(
    browser: Any, report: str
) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(report)
    assert page.locator(".view img.classes").first.is_visible()
    assert page.get_by_role("columnheader", name="2018, hectares").is_visible()
    assert not page.get_by_text("Zoom in").is_visible()
    context.close()
