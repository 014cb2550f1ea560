"""Files behind a URL are read no further than they may be long."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from landcover.errors import StoreError
from landcover.runs.storage import Storage
from landcover.stores.asking import Store


@pytest.fixture
def storage() -> Iterator[Storage]:
    """Behind a URL."""
    root = f"memory://{uuid.uuid4().hex}"
    yield Storage(root)
    fsspec.filesystem("memory").rm(root, recursive=True)


def test_of_a_file_that_is_too_long_no_more_is_fetched_than_shows_it(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage.put("part", b"x" * 1000)
    assert storage.read("part", most=1000) == b"x" * 1000
    fetched = []
    whole = MemoryFileSystem.cat_file

    def noted(self: Any, *given: Any, **told: Any) -> bytes:
        fetched.append(whole(self, *given, **told))
        return fetched[-1]

    monkeypatch.setattr(MemoryFileSystem, "cat_file", noted)
    with pytest.raises(OSError, match="has more than 10 bytes"):
        storage.read("part", most=10)
    assert fetched == [b"x" * 11]


def test_an_empty_file_of_a_store_that_knows_no_empty_ranges_is_empty() -> None:
    class Strict(MemoryFileSystem):
        status = 416

        def cat_file(self, path: str, **_: Any) -> bytes:
            raise StoreError(path, "the store answers HTTP 416", status=self.status)

    store = Store(Strict(), "memory://strict")
    assert store.head("/strict/empty", 10) == b""
    Strict.status = 400
    with pytest.raises(StoreError, match="416"):
        store.head("/strict/empty", 10)
