"""Change in the report: transitions, and candidates with pictures of both dates."""

from __future__ import annotations

import base64
import io
import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from support.reported import HOSTILE, Elements

import landcover
from landcover.errors import OutputError
from landcover.report.page import changes

Change = tuple[str, str, str]


@pytest.fixture(scope="module")
def page(change: Change, tmp_path_factory: pytest.TempPathFactory) -> Elements:
    path = tmp_path_factory.mktemp("report") / "report.html"
    landcover.write_report(change[:2], path, change=landcover.open_change(change[2]))
    return Elements(path.read_text())


def _cards(page: Elements) -> list[dict[str, str]]:
    return [attributes for tag, attributes in page.elements if "data-score" in attributes]


def test_transitions_and_candidates_are_those_of_the_directory(
    page: Elements, change: Change
) -> None:
    found = landcover.open_change(change[2])
    table = found.candidates()
    cards = _cards(page)
    assert [int(card["data-id"]) for card in cards] == table["id"].tolist() == [1, 2]
    assert [card["data-before"] for card in cards] == table["before"].tolist()
    assert [float(card["data-score"]) for card in cards] == table["score"].tolist()
    decided = found.transitions.loc[(HOSTILE, "Developed"), "decided_hectares"]
    row = page.words[page.words.index("Labels differ, hectares") + 1 :]
    assert row[:3] == [HOSTILE, "Developed", f"{decided:.2f}"]
    maps = [a["alt"] for _, a in page.elements if a.get("class") == "classes"]
    assert len(maps) == 3 and "change" in maps[-1]
    data = json.loads(next(text for tag, text in page.inside if text.startswith("{")))
    assert f"{HOSTILE} to Developed" in [one["name"] for one in data["classes"]]
    assert [one["safe"] for one in data["classes"] if one["name"] == "unchanged"] == ["#ececec"]


def test_candidates_lie_where_they_are_on_the_maps(page: Elements) -> None:
    # Of 16 x 12 pixels, one a tile: rows 2 to 4 and columns 3 to 5 make a block.
    places = [tuple(map(float, card["data-at"].split())) for card in _cards(page)]
    (col, row, across), other = places
    assert 3 <= col < 6 and 2 <= row < 5 and across == pytest.approx(3, rel=0.02)
    assert 10 <= other[0] < 13 and 8 <= other[1] < 10


def test_pictures_show_both_dates(page: Elements) -> None:
    pictures = [a for tag, a in page.elements if tag == "img" and "Candidate" in a["alt"]]
    assert [one["alt"] for one in pictures[:2]] == [
        "Candidate 1, run-2010",
        "Candidate 1, run-2016",
    ]
    assert len(pictures) == 4
    for one in pictures:
        kind, held = one["src"].split(",")
        assert kind == "data:image/jpeg;base64"
        with Image.open(io.BytesIO(base64.b64decode(held))) as image:
            assert image.size == (384, 384)


def test_pictures_outside_of_the_directory_are_never_read(change: Change, tmp_path: Path) -> None:
    folder = tmp_path / "change"
    shutil.copytree(change[2], folder)
    Image.new("RGB", (8, 8)).save(tmp_path / "secret.png")
    table = pq.read_table(folder / "candidates.parquet")
    names = pa.array(["../secret.png", str(tmp_path / "secret.png")])
    at = table.column_names.index("chip_before")
    pq.write_table(table.set_column(at, "chip_before", names), folder / "candidates.parquet")
    for chip in folder.glob("chips/*-after.png"):
        chip.write_text("no picture")
    landcover.write_report(change[1], tmp_path / "report.html", change=folder)
    page = Elements((tmp_path / "report.html").read_text())
    assert len(_cards(page)) == 2
    assert not [a for tag, a in page.elements if tag == "img" and "Candidate" in a["alt"]]


def test_pictures_stop_where_the_file_would_become_large(
    change: Change, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "_BYTES", 100)
    landcover.write_report(change[1], tmp_path / "report.html", change=change[2])
    page = Elements((tmp_path / "report.html").read_text())
    assert len(_cards(page)) == 2
    assert not [a for tag, a in page.elements if tag == "img" and "Candidate" in a["alt"]]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("change.json", "{", "cannot be read"),
        ("change.json", "[1]", "is not what landcover change writes"),
        ("change.json", '{"runs": [{"name": "a"}]}', "is not what landcover change writes"),
        ("change.json", None, "it is no comparison of runs"),
        ("candidates.parquet", "PAR1", "cannot be read"),
        ("change.tif", "II*", "cannot be read"),
    ],
)
def test_a_damaged_comparison_is_one_sentence(
    change: Change, tmp_path: Path, name: str, content: str | None, said: str
) -> None:
    folder = tmp_path / "change"
    shutil.copytree(change[2], folder)
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_text(content)
    with pytest.raises(OutputError, match=said):
        landcover.write_report(change[1], tmp_path / "report.html", change=folder)
    assert not (tmp_path / "report.html").exists()
