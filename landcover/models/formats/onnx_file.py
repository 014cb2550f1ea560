"""ONNX files: read whole with their weights, and refused where one look tells what they would do.

Weights may lie in other files; those must be regular files of the model's own folder. What a network
would take before it has seen a pixel (constants that nodes grow, loops, chains of operations that
libraries walk by recursion) is bounded when it is read, so that no library has to find out.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Final

import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto, helper

from landcover.errors import ModelError
from landcover.models.formats.onnx_bounds import check_structure, names_read
from landcover.models.formats.onnx_inside import cut_at
from landcover.models.formats.onnx_parts import tensors_of
from landcover.models.formats.onnx_sizes import check_sizes
from landcover.models.formats.sizes import check_unread, numbers_in

# Numbers of a tensor that says how large another one is, or how often a loop turns.
_TELLING: Final = 1_024
# Weights that may be the same bytes of a file, on average.
_MOST_SHARED: Final = 4


def read_onnx(path: Path, shown: str, head: str | int | None = None) -> onnx.ModelProto:
    """A model with all of its weights.

    Args:
        path: the file.
        shown: the model's name in messages.
        head: what is wanted of it; a model is cut at a tensor inside that is named.

    Raises:
        ModelError: it cannot be decoded, keeps weights where it must not, or would exhaust the host.
    """
    model = _parsed(path, shown)
    with valid_onnx(shown):
        apart = [t for t in tensors_of(model) if t.data_location == TensorProto.EXTERNAL]
        _fetch_all(apart, path, shown)
        check_structure(model, shown)
        _put_in_order(model.graph)
        cut_at(model, head)
    return model


def weight_files(path: Path, shown: str) -> set[Path]:
    """The files beside an ONNX file that hold some of its weights.

    Raises:
        ModelError: as :func:`read_onnx`.
    """
    model = _parsed(path, shown)
    with valid_onnx(shown):
        apart = [t for t in tensors_of(model) if t.data_location == TensorProto.EXTERNAL]
        found = {_place(tensor, path, shown)[0] for tensor in apart}
        there = sum(file.stat().st_size for file in found)
        check_unread(there, lambda: sum(_extent(t, path, shown)[2] for t in apart), shown)
        _fetch_all([t for t in apart if numbers_in(t.dims) <= _TELLING], path, shown)
        check_structure(model, shown)
        check_sizes(model, shown)
    return found


@contextmanager
def valid_onnx(shown: str) -> Iterator[None]:
    """What the library of ONNX complains of, as a sentence about the file.

    Raises:
        ModelError: in place of the library's own errors, which have no root in common.
    """
    try:
        yield
    except ModelError:
        raise
    except (
        onnx.checker.ValidationError,
        onnx.shape_inference.InferenceError,
        *(DecodeError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError),
        RuntimeError,
    ) as error:
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise ModelError(shown, f"is not valid ONNX: {reason}") from error


def _put_in_order(graph: onnx.GraphProto) -> None:
    """Each node behind those that it reads from, as ONNX has it and converters to half precision have not.

    Args:
        graph: whose nodes do not wait for one another.
    """
    makers = {name: at for at, node in enumerate(graph.node) for name in node.output if name}
    needs = [{makers[n] for n in names_read(node) if n in makers} for node in graph.node]
    if all(before < at for at, every in enumerate(needs) for before in every):
        return
    order = TopologicalSorter(dict(enumerate(needs))).static_order()
    nodes = [graph.node[at] for at in order]
    del graph.node[:]
    graph.node.extend(nodes)


def _parsed(path: Path, shown: str) -> onnx.ModelProto:
    try:
        return onnx.ModelProto.FromString(path.read_bytes())
    except DecodeError:
        raise ModelError(shown, "begins like an ONNX model but cannot be decoded") from None


def _place(tensor: onnx.TensorProto, path: Path, shown: str) -> tuple[Path, int, int | None]:
    """The file that holds a tensor, where it begins in it, and how many bytes that says it takes."""
    told = {entry.key: entry.value for entry in tensor.external_data}
    name = told.get("location", "")
    if not name or len(told) < len(tensor.external_data):
        raise ModelError(shown, f"does not say clearly where its weight {tensor.name!r} lies")
    file = path.parent / name
    # Caches of hubs are links to files that lie together elsewhere: where they lead is what counts.
    homes = path.parent.resolve(), path.resolve().parent
    outside = Path(name).is_absolute() or ".." in Path(name).parts
    if outside or not any(file.resolve().is_relative_to(home) for home in homes):
        raise ModelError(shown, f"keeps weights outside its folder, in {name!r}")
    if not file.exists():
        raise ModelError(shown, f"keeps weights in {name!r}, which is not beside it")
    if not file.is_file():
        raise ModelError(shown, f"keeps weights in {name!r}, which is no regular file")
    length = told.get("length")
    return file, int(told.get("offset", 0)), None if length is None else int(length)


def _extent(tensor: onnx.TensorProto, path: Path, shown: str) -> tuple[Path, int, int]:
    """The file that holds a tensor, where it begins in it, and how many bytes it takes."""
    file, start, length = _place(tensor, path, shown)
    item = helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    needed = numbers_in(tensor.dims) * item
    packed = tensor.data_type in (TensorProto.INT4, TensorProto.UINT4)
    taken = length if length is not None else needed
    there = file.stat().st_size
    if start < 0 or taken < 0 or start + taken > there or not (packed or taken == needed):
        raise ModelError(
            shown,
            f"its weight {tensor.name!r} should take {needed:,} bytes from byte {start:,} of "
            f"{file.name!r}, which holds {there:,}",
        )
    return file, start, taken


def _fetch_all(tensors: list[onnx.TensorProto], path: Path, shown: str) -> None:
    """Read tensors that lie in other files; not many that are all the same bytes of one."""
    files = {_place(tensor, path, shown)[0] for tensor in tensors}
    there, taken = sum(file.stat().st_size for file in files), 0
    for tensor in tensors:
        _fetch(tensor, path, shown)
        taken += len(tensor.raw_data)
        if taken > _MOST_SHARED * there:
            raise ModelError(
                shown, f"reads the same bytes of {there:,} for more than {_MOST_SHARED} weights"
            )


def _fetch(tensor: onnx.TensorProto, path: Path, shown: str) -> None:
    """Read a tensor that lies in another file."""
    file, start, taken = _extent(tensor, path, shown)
    with file.open("rb") as stream:
        stream.seek(start)
        tensor.raw_data = stream.read(taken)
    tensor.data_location = TensorProto.DEFAULT
    del tensor.external_data[:]
