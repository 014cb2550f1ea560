"""Models behind URLs are fetched once, whole, and again only when they change."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFile
from support import networks
from support.web import serving

from landcover.config import ModelSettings
from landcover.errors import ModelError
from landcover.models.cache import cache_folder, cached
from landcover.models.fetch import local_path, shown
from landcover.models.formats import sizes
from landcover.models.recipe import make_recipe
from landcover.small_files import open_lock


@pytest.fixture
def store() -> Iterator[fsspec.AbstractFileSystem]:
    files = fsspec.filesystem("memory")
    yield files
    files.rm("/", recursive=True)


def test_a_local_path_is_used_as_it_is(tmp_path: Path) -> None:
    assert local_path(str(tmp_path / "net.onnx")) == tmp_path / "net.onnx"
    assert local_path(f"file://{tmp_path}/net.onnx") == tmp_path / "net.onnx"


def test_a_file_is_fetched_once_until_it_changes(store: fsspec.AbstractFileSystem) -> None:
    store.pipe("/models/net.onnx", b"first")
    one = local_path("memory://models/net.onnx")
    assert (one.name, one.read_bytes()) == ("net.onnx", b"first")
    assert one.is_relative_to(cache_folder())
    assert local_path("memory://models/net.onnx") == one
    for content in (b"second", b"fourth"):
        store.pipe("/models/net.onnx", content)
        assert local_path("memory://models/net.onnx").read_bytes() == content


def test_a_folder_is_fetched_with_all_below_it(store: fsspec.AbstractFileSystem) -> None:
    store.pipe({"/m/net/saved_model.pb": b"graph", "/m/net/variables/variables.index": b"i"})
    for url in ("memory://m/net", "memory://m/net/"):
        folder = local_path(url)
        assert (folder / "saved_model.pb").read_bytes() == b"graph"
        assert (folder / "variables" / "variables.index").read_bytes() == b"i"
    assert local_path("memory://m/net/saved_model.pb").parent.joinpath("variables").is_dir()


def test_more_bytes_than_any_network_has_are_not_fetched(
    store: fsspec.AbstractFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sizes, "MOST_BYTES", 10)
    store.pipe({"/m/net/saved_model.pb": b"12345", "/m/net/variables/variables.index": b"123456"})
    monkeypatch.setattr(type(store), "get_file", lambda *_: pytest.fail("it was fetched"))
    with pytest.raises(ModelError, match="has 11 bytes; the most is 10"):
        local_path("memory://m/net")


def test_a_key_that_leads_elsewhere_is_not_fetched(store: fsspec.AbstractFileSystem) -> None:
    store.store["/m/net/../../canary"] = MemoryFile(store, "/m/net/../../canary", b"x")
    store.pipe("/m/net/saved_model.pb", b"graph")
    with pytest.raises(ModelError, match=r"holds a file '\.\./\.\./canary', which leads elsewhere"):
        local_path("memory://m/net")


@pytest.mark.parametrize("end", ["", ".meta", ".index"])
def test_a_checkpoint_is_fetched_with_its_parts_alone(
    store: fsspec.AbstractFileSystem, end: str
) -> None:
    parts = ("a.ckpt.meta", "a.ckpt.index", "a.ckpt.data-00000-of-00001")
    store.pipe({f"/m/{name}": b"x" for name in (*parts, "b.ckpt.meta", "notes.txt")})
    fetched = local_path(f"memory://m/a.ckpt{end}")
    assert {path.name for path in fetched.parent.iterdir()} == set(parts)


def test_a_model_behind_a_url_is_scored(store: fsspec.AbstractFileSystem, tmp_path: Path) -> None:
    store.pipe("/m/net.onnx", networks.onnx_tile(tmp_path / "net.onnx").read_bytes())
    store.pipe("/m/net.yaml", b"classes: [a, b, c, d]")
    told = ModelSettings(path="memory://m/net.onnx", runtime="onnxruntime", scale=1)
    recipe = make_recipe(told)
    assert (recipe.path, recipe.classes) == ("memory://m/net.onnx", ("a", "b", "c", "d"))


def test_what_is_not_there_is_refused(store: fsspec.AbstractFileSystem) -> None:
    with pytest.raises(ModelError, match=r"memory://m/absent\.onnx: no such file or folder"):
        local_path("memory://m/absent.onnx")
    with pytest.raises(ModelError, match="cannot be reached"):
        local_path("nosuchprotocol://m/net.onnx")


def test_a_model_of_a_web_server_is_fetched_once_whatever_its_signature(tmp_path: Path) -> None:
    content = networks.onnx_tile(tmp_path / "net.onnx").read_bytes()
    (tmp_path / "net.yaml").write_bytes(b"classes: [a, b, c, d]")
    with serving(tmp_path) as server:
        plain = local_path(f"{server.url}/net.onnx")
        signed = [local_path(f"{server.url}/net.onnx?sig={n}/x") for n in "12"]
        recipe = make_recipe(ModelSettings(path=f"{server.url}/net.onnx?sig=1", mean=0, scale=1))
        with pytest.raises(ModelError, match=r"absent\.onnx: no such file or folder"):
            local_path(f"{server.url}/absent.onnx")
    assert plain.name == "net.onnx" and plain.read_bytes() == content
    assert signed == [plain, plain] and recipe.classes == ("a", "b", "c", "d")


def test_a_secret_in_a_url_is_never_shown() -> None:
    assert shown("https://host/net.onnx?sig=secret") == "https://host/net.onnx"
    assert shown("https://me:secret@host/net.onnx") == "https://host/net.onnx"
    assert shown("abfs://models@account.net/net.onnx") == "abfs://models@account.net/net.onnx"
    assert shown("what?.onnx") == "what?.onnx"
    with pytest.raises(ModelError) as caught:
        local_path("nosuchprotocol://m/net.onnx?sig=secret")
    assert "secret" not in str(caught.value)


def test_a_file_that_cannot_be_kept_is_refused_without_the_secret_of_its_url(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object) -> Path:
        raise OSError("No space left on device")

    monkeypatch.setattr("landcover.models.fetch._fetched", full)
    with pytest.raises(ModelError, match="cannot be fetched: No space left") as caught:
        local_path("https://me:secret@host/net.onnx?sig=secret")
    assert "secret" not in str(caught.value)


def test_what_is_cached_is_made_once_however_many_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    made, all_ask, two = [], threading.Barrier(4), threading.Barrier(2)

    def locked(path: Path) -> int:
        all_ask.wait(10)  # none has seen what another one has made
        return open_lock(path)

    def make(path: Path) -> None:
        made.append(path)
        with suppress(threading.BrokenBarrierError):
            two.wait(0.5)  # as long as nobody else makes it
        path.write_text("whole")

    def ask(_: int) -> str:
        return cached("tests/once.txt", make).read_text()

    monkeypatch.setattr("landcover.models.cache.open_lock", locked)

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(ask, range(4))) == ["whole"] * 4
    assert len(made) == 1


def test_what_fails_to_be_made_leaves_nothing() -> None:
    def fail(path: Path) -> None:
        path.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        cached("tests/half.txt", fail)
    assert [p.name for p in (cache_folder() / "tests").iterdir() if "half" in p.name] == [
        ".half.txt.lock"
    ]


def test_the_cache_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LANDCOVER_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache_folder() == Path("/somewhere/landcover")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/someone")
    assert cache_folder() == Path("/home/someone/.cache/landcover")
