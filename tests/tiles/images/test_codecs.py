"""The fast decoders let other threads work meanwhile: a process has one Python, and many cores."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

from landcover.tiles.codecs import jpeg, png

EDGE = 2500

DECODERS: dict[str, Callable[[bytes], Any]] = {
    "PNG": lambda content: png(content, (EDGE, EDGE, 3)),
    "JPEG": lambda content: jpeg(content, gray=False),
}


@pytest.fixture
def nobody_is_interrupted() -> Iterator[None]:
    """A thread that holds Python keeps it until it lets go by itself."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(60)
    yield
    sys.setswitchinterval(before)


@pytest.mark.parametrize("kind", DECODERS)
@pytest.mark.usefixtures("nobody_is_interrupted")
def test_other_threads_go_on_while_an_image_is_decoded(kind: str) -> None:
    pytest.importorskip({"PNG": "imagecodecs", "JPEG": "simplejpeg"}[kind])
    decode, content = DECODERS[kind], _image(kind)
    decode(content)
    begun, found = threading.Event(), list[Any]()

    def work() -> None:
        begun.set()
        found.append(decode(content))

    thread = threading.Thread(target=work)
    thread.start()
    begun.wait()
    still_decoding = not found
    thread.join()
    assert still_decoding
    assert found[0].shape == (EDGE, EDGE, 3)


def _image(kind: str) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 60, (EDGE, EDGE, 3), np.uint8)
    file = BytesIO()
    told = {"compress_level": 1} if kind == "PNG" else {}
    Image.fromarray(pixels).save(file, kind, **told)
    return file.getvalue()
