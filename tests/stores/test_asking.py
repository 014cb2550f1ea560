"""What stores are asked, how often, and what their errors mean."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import SimpleNamespace
from typing import Any

import pytest

from landcover.errors import StoreError
from landcover.stores import asking, azure
from landcover.stores.asking import Store, asked, down, is_down
from landcover.stores.errors import as_ours

_CONTENT = bytes(range(256)) * 1000


class _Answered(Exception):
    """What libraries of web servers raise."""

    def __init__(self, status: int, **headers: str) -> None:
        super().__init__(f"status {status}")
        self.status, self.headers = status, headers


class _System:
    """A file system of one file, which fails as often as it is told; its server may know no ranges."""

    def __init__(self, *failures: Exception, ranges: bool = True) -> None:
        self._failures, self._ranges = list(failures), ranges
        self.calls = 0

    def unstrip_protocol(self, path: str) -> str:
        return f"memory://{path}"

    def info(self, path: str) -> dict[str, Any]:
        return {"size": len(_CONTENT), "type": "file"}

    def cat_file(self, path: str, start: int = 0, end: int | None = None) -> bytes:
        self.calls += 1
        if self._failures:
            raise self._failures.pop(0)
        return _CONTENT[start:end] if self._ranges else _CONTENT


@pytest.fixture(autouse=True)
def waited(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """How long was waited, without doing so."""
    seconds: list[float] = []
    monkeypatch.setattr(asking.time, "sleep", seconds.append)
    yield seconds
    asking._down.clear()


def _failing(times: int, error: Exception) -> Callable[[], str]:
    left = [error] * times

    def call() -> str:
        if left:
            raise left.pop()
        return "answered"

    return call


def test_a_store_is_asked_once_while_it_is_down_and_as_often_as_before_once_it_answers(
    waited: list[float],
) -> None:
    def ask(times: int) -> str:
        return asked("https://host", "https://host/a", _failing(times, _Answered(503)))

    with pytest.raises(StoreError):
        ask(100)
    assert waited == [0.1, 0.3, 1.0, 2.0, 4.0, 8.0]
    assert (is_down("https://host"), is_down("https://other"), down()) == (
        True,
        False,
        ["https://host"],
    )
    with pytest.raises(StoreError):
        ask(1)
    assert len(waited) == 6
    assert ask(0) == "answered"
    assert (is_down("https://host"), down()) == (False, [])
    assert ask(3) == "answered"
    assert waited[6:] == [0.1, 0.3, 1.0]


def test_what_a_store_says_for_good_is_asked_once_and_the_store_is_not_down(
    waited: list[float],
) -> None:
    for status in (400, 401, 403, 416, 501):
        with pytest.raises(StoreError, match=f"HTTP {status}"):
            asked("https://host", "https://host/a", _failing(100, _Answered(status)))
    for status in (404, 410):
        with pytest.raises(FileNotFoundError):
            asked("https://host", "https://host/a", _failing(100, _Answered(status)))
    assert (waited, down()) == ([], [])


def test_a_store_says_how_long_it_is_to_be_left_alone_and_a_minute_is_the_most(
    waited: list[float],
) -> None:
    def ask(told: str) -> None:
        asked("https://host", "a", _failing(1, _Answered(429, **{"Retry-After": told})))

    soon, past = (format_datetime(datetime.now(UTC) + timedelta(seconds=s)) for s in (30, -90))
    for told in ("7", "0.01", "3600", soon, past, "soon"):
        ask(told)
    assert waited[:3] == [7.0, 0.1, 60.0]
    assert waited[3] == pytest.approx(30, abs=5)
    assert waited[4:] == [0.1, 0.1]


@pytest.mark.parametrize("ranges", [True, False])
def test_a_file_is_read_at_any_place_whether_or_not_its_server_knows_ranges(ranges: bool) -> None:
    store = Store(_System(ranges=ranges), "memory")
    assert store.head("a", 300) == _CONTENT[:300]
    with store.open("a") as file:
        assert file.read(10) == _CONTENT[:10]
        file.seek(100_003)
        assert file.read(70_000) == _CONTENT[100_003:170_003]
        file.seek(-5, 2)
        assert file.read() == _CONTENT[-5:]


def test_other_credentials_are_tried_once_and_the_same_ones_not_again() -> None:
    refused, other = _System(*[_Answered(403)] * 9), _System()
    assert Store(refused, "memory", lambda: other).cat_file("a") == _CONTENT
    assert (refused.calls, other.calls) == (1, 1)
    same = _System(*[_Answered(403)] * 9)
    with pytest.raises(StoreError, match="HTTP 403") as error:
        Store(same, "memory", lambda: same).cat_file("a")
    assert (error.value.refused, same.calls) == (True, 1)


def test_each_status_says_whether_asking_again_or_other_credentials_may_help() -> None:
    found = {}
    for status in range(300, 600):
        ours = as_ours(_Answered(status), "https://host/a")
        if isinstance(ours, StoreError):
            assert ours.status == status
            found[status] = ours.retryable, ours.refused
        else:
            assert isinstance(ours, FileNotFoundError)
    assert {*range(300, 600)} - {*found} == {404, 410}
    again = [status for status, (retryable, _) in found.items() if retryable]
    assert again == [408, 425, 429, 500, 502, 503, 504]
    assert [status for status, (_, refused) in found.items() if refused] == [401, 403]


def test_a_host_that_nobody_knows_is_final_and_one_that_is_not_found_now_is_not() -> None:
    for number, retryable in ((socket.EAI_NONAME, False), (socket.EAI_AGAIN, True)):
        error = OSError("cannot connect")
        error.__cause__ = socket.gaierror(number, "name or service")
        ours = as_ours(error, "https://hots/a")
        assert isinstance(ours, StoreError)
        assert ours.retryable is retryable
        assert ("no host of this name" in ours.reason) is not retryable


def test_what_an_archive_lacks_is_a_file_that_is_not_there() -> None:
    assert isinstance(as_ours(KeyError("a.tif"), "zip://a.tif::b.zip"), FileNotFoundError)
    error = KeyError("a.tif")
    assert as_ours(error, "memory://a.tif") is error


def test_variables_of_azure_are_known_by_the_names_of_both_libraries_each_before_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def told(**variables: str) -> SimpleNamespace:
        for name in ("ACCOUNT", "ACCOUNT_NAME", "ACCOUNT_KEY", "ACCESS_KEY", "SAS_TOKEN"):
            monkeypatch.delenv(f"AZURE_STORAGE_{name}", raising=False)
        monkeypatch.delenv("AZURE_STORAGE_CONNECTION_STRING", raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(f"AZURE_STORAGE_{name}", value)
        return SimpleNamespace(adlfs=azure.arguments(), gdal=azure.gdal_options())

    assert told() == SimpleNamespace(adlfs={}, gdal={})
    both = told(ACCOUNT="of-gdal", ACCOUNT_NAME="of-adlfs", ACCOUNT_KEY="a", ACCESS_KEY="g")
    assert both.adlfs == {"account_name": "of-adlfs", "account_key": "a"}
    assert both.gdal == {"AZURE_STORAGE_ACCOUNT": "of-gdal", "AZURE_STORAGE_ACCESS_KEY": "g"}
    one = told(ACCOUNT="ours", SAS_TOKEN="?sv=2021&sig=a%3D")
    assert one.adlfs == {"account_name": "ours", "sas_token": "sv=2021&sig=a%3D"}
    assert one.gdal["AZURE_STORAGE_SAS_TOKEN"] == "sv=2021&sig=a%3D"
    string = "BlobEndpoint=https://a;SharedAccessSignature=?sv=1"
    found = told(CONNECTION_STRING=string)
    assert found.adlfs == {"connection_string": string.replace("=?", "=")}
