"""What is sent to workers: a recipe and references, and no secret but the one in the model's own URL."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import cloudpickle
import onnx
import pytest
from support.colours import SIDECAR, blobs, network, write_scene
from support.web import serving

import landcover as lc
from landcover.backends.local import LocalBackend

IN_THE_ENVIRONMENT = {
    "AZURE_STORAGE_KEY": "OfTheEnvironment1",
    "AZURE_STORAGE_SAS_TOKEN": "OfTheEnvironment2",
    "AWS_SECRET_ACCESS_KEY": "OfTheEnvironment3",
    "HTTPS_PROXY_PASSWORD": "OfTheEnvironment4",
}
OPTIONS = {"spark.hadoop.fs.azure.account.key.x": "OfTheBackend5", "password": "OfTheBackend6"}


class Recording(LocalBackend):
    """Sends what it is given through a pickler, as Dask and Spark do, and keeps what was sent."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.functions: list[bytes] = []
        self.items: list[bytes] = []
        self.results: list[bytes] = []

    def map(self, function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
        self.functions.append(cloudpickle.dumps(function))

        def sent() -> Iterator[Any]:
            for item in items:
                self.items.append(cloudpickle.dumps(item))
                yield cloudpickle.loads(self.items[-1])

        for result in super().map(cloudpickle.loads(self.functions[-1]), sent()):
            self.results.append(cloudpickle.dumps(result))
            yield cloudpickle.loads(self.results[-1])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_scene(tmp_path / "scene.tif", blobs(1, 96, 96))
    onnx.save(network(pixel=False, halo=0, size=32), tmp_path / "colours.onnx")
    (tmp_path / "colours.yaml").write_text(SIDECAR)
    return tmp_path


def test_the_model_s_url_travels_as_it_is_and_no_other_secret_does(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in IN_THE_ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    with serving(folder) as server, Recording() as backend:
        url = server.url.replace("://", "://me:UserInfo@") + "/colours.onnx?sig=Signature"
        config = {
            "source": {"rasters": str(folder / "scene.tif"), "task": 2},
            "model": url,
            "backend": {"name": "local", **OPTIONS},
            "output": str(folder / "run"),
        }
        lc.score(config, backend=backend)
    assert len(backend.items) > 2
    every = b"".join((*backend.functions, *backend.items, *backend.results))
    for secret in (*IN_THE_ENVIRONMENT.values(), *OPTIONS.values()):
        assert secret.encode() not in every
    # What opens the model needs its URL, once; what puts maps together does not.
    (job,) = {one for one in backend.functions if b"UserInfo" in one or b"Signature" in one}
    assert job.count(b"UserInfo") == job.count(b"Signature") == 1
    for sent in (*backend.items, *backend.results):
        assert b"UserInfo" not in sent and b"Signature" not in sent
        assert len(sent) < 4_000
