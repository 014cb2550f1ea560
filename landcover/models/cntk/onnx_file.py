"""CNTK networks as ONNX, converted once per host and kept in the cache."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Literal

from landcover.models.cache import cached
from landcover.models.formats.detection import ModelFile


def onnx_of(file: ModelFile, head: str | int | None, lrn: Literal["plain", "operator"]) -> Path:
    """The ONNX file of a CNTK network, made where it is not in the cache yet.

    It is kept under what decides its content: the CNTK file, the arguments, and the converter.

    Args:
        file: a CNTK file.
        head: the wanted output; None: the converter's choice.
        lrn: how local response normalization is written: the quicker way depends on the runtime.

    Raises:
        ModelError: the network holds something that cannot be converted.
    """
    wanted = f"{file.digest} {head!r} {lrn} {_converter()}"
    key = hashlib.sha256(wanted.encode()).hexdigest()[:32]

    def convert_to(path: Path) -> None:
        from landcover.models.cntk import convert, mapped

        model = convert(mapped(file.path), str(file.path), head, lrn)
        path.write_bytes(model.SerializeToString())

    return cached(f"converted/{key}.onnx", convert_to)


@cache
def _converter() -> str:
    """The version of the converter: a digest of its sources, so that no change is ever missed."""
    sources = sorted(Path(__file__).parent.rglob("*.py"))
    return hashlib.sha256(b"\0".join(source.read_bytes() for source in sources)).hexdigest()
