"""What may be shown of text in which secrets stand, and what must be left as it is."""

from __future__ import annotations

import pickle

import pytest

from landcover.errors import ConfigError, ModelError, OutputError
from landcover.redaction import printable, redacted, redacted_values

PLANTED = "p1anted/Secret+w0rd=="


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"https://host/m.onnx?sig={PLANTED}&sv=1: 403", "https://host/m.onnx"),
        (f"https://host/m.onnx?{PLANTED}", "https://host/m.onnx"),
        (f"https://me:{PLANTED}@host/m.onnx".replace("/Secret", "Secret"), "https://host/m.onnx"),
        (f"s3://{'token12345'}@bucket/key", "s3://bucket/key"),
        (f"no 'https://me:a/b?'{'token12345'}@host/x' there", "no 'https://host/x' there"),
        (f"http:/me:{'token12345'}@host/x.csv?sig={PLANTED}: no folder", "http:/host/x.csv"),
        (f"abfs://box@lake.dfs.core.windows.net/m?sig={PLANTED}", None),
        (f"abfs://me:{'token12345' * 30}@lake.dfs.core.windows.net/m", "abfs://lake.dfs"),
        (f"sc://host:443/;token={PLANTED};use_ssl=true", "sc://host:443/"),
        (f"HTTP 403 of '/vsicurl/https://host/a.tif?sig={PLANTED}'", None),
        (f"AccountName=x;AccountKey={PLANTED};EndpointSuffix=y", "AccountName=x;AccountKey=***"),
        (f"sent 'Authorization: Bearer {PLANTED}'", "Authorization: Bearer ***"),
        (f"fs.azure.account.key.lake.dfs.core.windows.net={PLANTED}", None),
        (f"backend.password='{PLANTED}' is no option", "backend.password=*** is no option"),
    ],
)
def test_a_secret_in_a_text_is_never_shown(text: str, shown: str | None) -> None:
    found = redacted(text)
    assert "anted" not in found and "token12345" not in found
    assert shown is None or shown in found


@pytest.mark.parametrize(
    "text",
    [
        "abfs://box@lake.dfs.core.windows.net/naip/tile-??.tif: no file matches",
        "runs/2016?: no such folder",
        "tiles/*.tif, bands 1 to 3 = red, green, blue; sensor=naip",
        "https://host/m.onnx: cannot be fetched; look at its address",
        "the key of class 3 is 'token'",
    ],
)
def test_what_is_no_secret_is_left_as_it_is(text: str) -> None:
    assert redacted(text) == text


def test_what_the_environment_holds_as_a_secret_is_hidden_wherever_it_stands(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("AZURE_STORAGE_SAS_TOKEN", "AWS_SECRET_ACCESS_KEY", "MY_PASSWORD"):
        monkeypatch.setenv(name, PLANTED)
        assert redacted(f"the server said: {PLANTED} is wrong") == "the server said: *** is wrong"
        monkeypatch.delenv(name)
    monkeypatch.setenv("MY_KEY", "short")
    assert redacted("a short word") == "a short word"


def test_values_under_the_name_of_a_secret_are_hidden_however_deep() -> None:
    values = {"storage_options": [{"account_key": PLANTED, "account_name": "lake"}], "tile": 224}
    shown = {"storage_options": [{"account_key": "***", "account_name": "lake"}], "tile": 224}
    assert redacted_values(values) == shown
    assert redacted_values(shown) == shown


@pytest.mark.parametrize(
    "error",
    [
        ModelError(f"https://host/m?sig={PLANTED}", f"answered sig={PLANTED}"),
        OutputError(f"https://me:{PLANTED}@host/run".replace("/Secret", "Secret"), "is full"),
        ConfigError([f"backend.token={PLANTED}: no such key"]),
    ],
)
def test_an_error_holds_no_secret_at_home_or_away(error: Exception) -> None:
    for one in (error, pickle.loads(pickle.dumps(error))):
        assert "anted" not in f"{one} {one!r} {one.__dict__}"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[2Jb\x07", r"a\u001b[2Jb\u0007"),
        ("moor\u202eslairt", r"moor\u202eslairt"),
        ("caf\udce9.tif", r"caf\udce9.tif"),
        ("Köppen 土地\n\tand more", "Köppen 土地\n\tand more"),
    ],
)
def test_a_name_does_nothing_to_a_terminal(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_sentences_have_an_end_whatever_they_quote() -> None:
    assert str(ModelError("net.onnx", "x" * 4_000)) == f"net.onnx: {'x' * 4_000}"
    told = str(ModelError("net.onnx", "x" * 8_000_000))
    assert told == f"net.onnx: {'x' * 4_000}... (7,996,000 more characters)"
    told = str(ConfigError([f"{at}: no such key" for at in range(100_000)], "a.yaml"))
    assert told.endswith("; 49: no such key; and 99,950 more")


def test_an_error_about_a_file_with_a_line_end_in_its_name_is_one_line() -> None:
    assert str(ModelError("net\nlandcover: all is well.onnx", "is torn")).count("\n") == 0


@pytest.mark.parametrize(
    "part", ["x", "a=", "token", 'token="', "a://", "http://a?", ";a", "Basic "]
)
def test_texts_that_are_long_and_made_to_be_slow_are_read_in_one_go(part: str) -> None:
    # Read again from each of its characters, one of them would take longer than a test may.
    assert printable(redacted(part * 400_000))
