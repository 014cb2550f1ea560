from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from landcover.errors import SourceError
from landcover.tiles.listing import IMAGES, RASTERS, common_root, files, parse, relative

TREE = (
    "b/one.png",
    "b/two.PNG",
    "b/deep/three.jpg",
    "a/four.tif",
    "a/four.tif.aux.xml",
    "a/four.tfw",
    "a/.hidden.png",
    ".cache/five.png",
    "ten.png",
    "read.me",
)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in TREE:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


@pytest.fixture
def remote() -> Iterator[str]:
    """The same tree in a file system that is reached by URL only."""
    system = fsspec.filesystem("memory")
    for name in TREE:
        system.pipe(f"/tree/{name}", b"x")
    yield "memory://tree"
    system.rm("/tree", recursive=True)


def found(*entries: str, suffixes: frozenset[str] = IMAGES) -> list[str]:
    return list(files([parse(entry) for entry in entries], suffixes))


PATTERNS = [
    ("", ["ten.png", "a/four.tif", "b/one.png", "b/two.PNG", "b/deep/three.jpg"]),
    ("/b", ["b/one.png", "b/two.PNG", "b/deep/three.jpg"]),
    ("/*/*.png", ["b/one.png"]),
    ("/*/*", ["a/four.tif", "b/one.png", "b/two.PNG"]),
    ("/**/*.jpg", ["b/deep/three.jpg"]),
    ("/b/**", ["b/one.png", "b/two.PNG", "b/deep/three.jpg"]),
    ("/**/deep/*.jp*g", ["b/deep/three.jpg"]),
    ("/[ab]/????.*", ["a/four.tif"]),
    ("/ten.png", ["ten.png"]),
]


@pytest.mark.parametrize("pattern, expected", PATTERNS)
def test_files_come_in_the_order_of_folders_and_names(
    tree: Path, pattern: str, expected: list[str]
) -> None:
    assert found(f"{tree}{pattern}") == [f"{tree}/{name}" for name in expected]


def test_many_files_come_in_the_order_of_names_whatever_that_of_the_disk(tmp_path: Path) -> None:
    names = [f"{number * 37 % 101:03}.png" for number in range(101)]
    for name in names:
        (tmp_path / name).touch()
    assert found(str(tmp_path)) == [f"{tmp_path}/{name}" for name in sorted(names)]


@pytest.mark.parametrize("pattern, expected", PATTERNS)
def test_a_url_is_listed_as_a_folder_is(remote: str, pattern: str, expected: list[str]) -> None:
    assert found(f"{remote}{pattern}") == [f"{remote}/{name}" for name in expected]


def test_sidecars_are_no_scenes(tree: Path) -> None:
    for pattern in ("a", "a/*", "a/four*", "a/*.tif*"):
        assert found(f"{tree}/{pattern}", suffixes=RASTERS) == [f"{tree}/a/four.tif"]


def test_a_glob_that_names_a_suffix_means_it(tree: Path) -> None:
    assert found(f"{tree}/*.me") == [f"{tree}/read.me"]


def test_a_file_of_two_entries_is_listed_once(tree: Path) -> None:
    twice = found(f"{tree}/b/*.png", f"{tree}/b", f"{tree}/b/one.png")
    assert twice == [f"{tree}/b/{name}" for name in ("one.png", "two.PNG", "deep/three.jpg")]


def test_relative_paths_and_the_home_folder_are_made_absolute(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tree / "a")
    monkeypatch.setenv("HOME", str(tree))
    assert found("../ten.png") == found("~/ten.png") == found(f"file://{tree}/ten.png")


def test_a_file_whose_name_looks_like_a_glob_is_taken_by_its_name(tree: Path) -> None:
    (tree / "scene[1].png").touch()
    assert found(f"{tree}/scene[1].png") == [f"{tree}/scene[1].png"]


def test_a_link_that_leads_back_is_not_followed(tree: Path) -> None:
    (tree / "b/back").symlink_to(tree)
    (tree / "c").symlink_to(tree / "a")
    assert found(str(tree))[-1] == f"{tree}/c/four.tif"


@pytest.mark.parametrize(
    "pattern, says",
    [
        ("/*.tiff", r"no file matches; .* holds 3 folder\(s\), 1 .me file\(s\), 1 .png file\(s\)"),
        ("/nowhere/*.png", r"no file matches; there is no folder .*/nowhere"),
        ("/a/*/*.png", r"no file matches; .*/a holds .*\.tif file\(s\)"),
        ("/none.png", "no such file or folder"),
    ],
)
def test_what_is_there_instead_is_said_when_nothing_matches(
    tree: Path, pattern: str, says: str
) -> None:
    with pytest.raises(SourceError, match=says):
        found(f"{tree}/ten.png", f"{tree}{pattern}")


def test_nothing_matching_a_url_is_said_as_well(remote: str) -> None:
    with pytest.raises(SourceError, match=r"memory://tree/\*.tiff: no file matches; memory://tree"):
        found(f"{remote}/*.tiff")


def test_an_unknown_protocol_is_named() -> None:
    with pytest.raises(SourceError, match=r"nope://x: cannot be reached: .*nope"):
        found("nope://x/*")


@pytest.mark.parametrize(
    "url",
    [
        "https://account.blob.core.windows.net/c/a.tif?sv=2024&sig=SECRET",
        "https://someone:SECRET@host/a.tif",
        "https://bucket.s3.amazonaws.com/a.tif?X-Amz-Signature=SECRET",
    ],
)
def test_a_url_that_holds_a_secret_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(SourceError, match="holds a password or a signature") as caught:
        parse(url)
    assert "SECRET" not in str(caught.value)


def test_the_common_root_is_the_deepest_shared_folder(tree: Path) -> None:
    entries = [parse(f"{tree}/a/*.tif"), parse(f"{tree}/b/deep")]
    assert common_root(entries) == str(tree)
    assert relative(f"{tree}/b/deep/three.jpg", str(tree)) == "b/deep/three.jpg"
    assert common_root([parse(f"{tree}/ten.png")]) == str(tree)
    assert common_root([parse("abfs://c1/x/*.tif"), parse("abfs://c1/xy/*.tif")]) == "abfs://c1"


def test_a_folder_of_many_files_takes_little_memory(tmp_path: Path) -> None:
    for i in range(5_000):
        os.close(os.open(tmp_path / f"tile_{i:06}.png", os.O_CREAT))
    script = (
        "import sys, tracemalloc\n"
        "from landcover.tiles.listing import IMAGES, files, parse\n"
        "entries = [parse(sys.argv[1])]\n"
        "tracemalloc.start()\n"
        "n = sum(1 for _ in files(entries, IMAGES))\n"
        "print(n, tracemalloc.get_traced_memory()[1])\n"
    )
    output = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], check=True, capture_output=True, text=True
    ).stdout
    listed, peak = map(int, output.split())
    assert listed == 5_000 and peak < 120 * listed
