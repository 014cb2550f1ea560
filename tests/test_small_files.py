"""Small files that anyone may have written: read whole, or refused in a sentence at once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from landcover.config import load_config
from landcover.errors import ConfigError
from landcover.small_files import load_yaml, open_lock, read_regular

RUN = "source: {images: x}\nmodel: m.onnx\noutput: run\n"


def test_plain_yaml_is_what_it_says() -> None:
    text = "a: [1, 2.5, yes, null]\nb: {c: 'text', d: 2016-07-01}\n"
    assert load_yaml(text) == yaml.safe_load(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: 1\nb: 2\na: 3\n", "line 3: the key 'a' is there twice"),
        ("backend: {name: x, name: y}\n", "line 1: the key 'name' is there twice"),
        ("a: &x [1]\nb: *x\n", "line 1: anchors and aliases are not allowed here"),
        ("a: " + "[" * 5_000 + "]" * 5_000, "line 1: is nested deeper than 20 levels"),
        ("a: {" * 5_000, "line 1: is nested deeper than 20 levels"),
        ("a: 2016-13-45\n", "month must be in 1..12"),
        ("a: " + "9" * 10_000, "line 1: a number of 10,000 characters"),
        ("a: " + ":".join(["59"] * 5_000), "line 1: a number of 14,999 characters"),
        ("? [a, b]\n: 1\n", "unhashable"),
        ('a: "x\\0y"\n', "line 1: the character of number 0 is in no name"),
        ("a: [" + "1, " * 110_000 + "]\n", "has more than 100,000 keys and values"),
        ("a: !!python/object/apply:os.system ['true']\n", "line 1: text that begins with '!'"),
    ],
)
def test_yaml_that_means_two_things_or_gigabytes_is_refused(
    text: str, reason: str, tmp_path: Path
) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(RUN + text)
    with pytest.raises(ConfigError, match="is not YAML") as caught:
        load_config(file, environment={})
    assert reason.replace("line 3", "line 6").replace("line 1", "line 4") in str(caught.value)


def test_what_is_longer_than_it_was_is_read_whole_or_refused() -> None:
    """The kernel says of its own files that they have no bytes."""
    place = Path("/proc/self/maps")
    assert place.stat().st_size == 0
    found = read_regular(place)
    assert found.count(b"\n") > 1 and found.endswith(b"\n")
    with pytest.raises(OSError, match="more than the 1,000 of such a file"):
        read_regular(place, 1_000)


@pytest.mark.parametrize("place", ["fifo", "/dev/zero", "folder", "large"])
def test_what_is_no_small_regular_file_is_refused_at_once(place: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    with (tmp_path / "large").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(OSError, match=r"no regular file|is a folder|has 1,099,511,627,776 bytes"):
        read_regular(tmp_path / place)
    with pytest.raises(ConfigError, match=r"cannot be read: (is|has)"):
        load_config(tmp_path / place, environment={})


def test_a_lock_is_never_a_file_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("mine")
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "hard").hardlink_to(tmp_path / "elsewhere")
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(OSError, match="is a link, and locks are none"):
        open_lock(tmp_path / "lock")
    with pytest.raises(OSError, match=r"has another name too \(a hard link\)"):
        open_lock(tmp_path / "hard")
    with pytest.raises(OSError, match="is no regular file"):
        open_lock(tmp_path / "fifo")
    os.close(open_lock(tmp_path / "new"))
    assert (tmp_path / "elsewhere").read_text() == "mine"
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o600
