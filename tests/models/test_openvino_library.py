"""OpenVINO tells nobody that it is used, and reads a file as what it is and as nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from support.colours import SIDECAR, network

from landcover.config import ModelSettings
from landcover.errors import ModelError
from landcover.models.recipe import make_recipe

pytest.importorskip("openvino")

_WATCHED = """
import sys
events = []
sys.addaudithook(lambda event, _: events.append(event))
import landcover.models.runtimes.openvino
import threading
for thread in threading.enumerate():
    if thread is not threading.main_thread():
        thread.join(5)
print({"os.fork", "socket.connect", "socket.getaddrinfo"} & set(events), "openvino_telemetry" in sys.modules)
"""

_AT_ONCE = """
import sys
from threading import Barrier, Thread
from landcover.models.openvino_library import openvino
sys.setswitchinterval(1e-6)
barrier = Barrier(8)
def first_call():
    barrier.wait()
    openvino.Type.f32.to_dtype()
threads = [Thread(target=first_call) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""

_INTERRUPTED = """
import gc, signal, sys
import numpy as np
from landcover.config import ModelSettings
from landcover.models.model import open_model
from landcover.models.recipe import make_recipe
recipe = make_recipe(ModelSettings(path=sys.argv[1], runtime="openvino"), threads=1)
held = [open_model(recipe), open_model(recipe)]
for one in held:
    one.network.run(np.zeros((1, 3, 32, 32), np.uint8))
while held:
    one = held.pop(0)
    del one
    gc.collect()
try:
    signal.raise_signal(signal.SIGINT)
except KeyboardInterrupt:
    print("interrupted")
"""


def test_a_signal_finds_its_stack_when_networks_have_come_and_gone(tmp_path: Path) -> None:
    """It was a segmentation fault."""
    onnx.save(network(pixel=False, halo=0, size=32), tmp_path / "net.onnx")
    (tmp_path / "net.yaml").write_text(SIDECAR)
    done = subprocess.run(
        [sys.executable, "-c", _INTERRUPTED, str(tmp_path / "net.onnx")],
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "interrupted"), done


def test_importing_the_runtime_starts_no_process_and_asks_no_server() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _WATCHED], check=False, capture_output=True, text=True
    )
    assert done.stdout.strip() == "set() False", done


def test_threads_of_a_process_ask_for_their_first_type_at_once() -> None:
    # Where no call comes before, about every second process waits for ever.
    for _ in range(6):
        subprocess.run([sys.executable, "-c", _AT_ONCE], check=True, timeout=60)


@pytest.mark.parametrize("name", ["net.onnx", "net.model"])
def test_a_file_is_read_as_what_it_holds_whatever_it_is_called(name: str, tmp_path: Path) -> None:
    onnx.save(network(pixel=False, halo=0, size=32), tmp_path / name, format="protobuf")
    (tmp_path / "net.yaml").write_text(SIDECAR)
    settings = ModelSettings(path=str(tmp_path / name), runtime="openvino")
    assert make_recipe(settings).classes == ("water", "trees", "field", "town")


def test_an_operation_that_openvino_does_not_know_is_a_sentence(tmp_path: Path) -> None:
    model = network(pixel=False, halo=0, size=32)
    model.graph.node[0].op_type, model.graph.node[0].domain = "System", "own"
    model.opset_import.add(domain="own", version=1)
    onnx.save(model, tmp_path / "net.onnx")
    (tmp_path / "net.yaml").write_text(SIDECAR)
    with pytest.raises(ModelError, match=r"OpenVINO does not run it: .*set model\.runtime"):
        make_recipe(ModelSettings(path=str(tmp_path / "net.onnx"), runtime="openvino"))


def test_an_input_of_no_type_is_a_sentence(tmp_path: Path) -> None:
    model = network(pixel=False, halo=0, size=32)
    model.graph.input[0].type.tensor_type.ClearField("elem_type")
    onnx.save(model, tmp_path / "net.onnx")
    (tmp_path / "net.yaml").write_text(SIDECAR)
    with pytest.raises(ModelError, match=r"its input is of type \w+: pixels are none"):
        make_recipe(ModelSettings(path=str(tmp_path / "net.onnx"), runtime="openvino"))


def test_what_openvino_cannot_put_into_words_is_a_sentence_too(tmp_path: Path) -> None:
    model = network(pixel=False, halo=0, size=32)
    model.graph.node[0].op_type = "Nonesuch"
    content = model.SerializeToString().replace(b"Nonesuch", b"Nones\xff\xfeh")
    (tmp_path / "net.onnx").write_bytes(content)
    (tmp_path / "net.yaml").write_text(SIDECAR)
    with pytest.raises(ModelError, match=r"net\.onnx"):
        make_recipe(ModelSettings(path=str(tmp_path / "net.onnx"), runtime="openvino"))


def test_a_product_of_no_numbers_is_refused_before_openvino_ends_the_process(
    tmp_path: Path,
) -> None:
    model = network(pixel=False, halo=0, size=32)
    for name, shape in {"left": (2, 3, 2), "right": (1, 2, 2, 3)}.items():
        held = numpy_helper.from_array(np.ones(shape, np.float32), name)
        model.graph.initializer.append(held)
    for name, number in {"none": 0, "rows": 1, "columns": 3}.items():
        model.graph.initializer.append(numpy_helper.from_array(np.array([number]), name))
    model.graph.node.extend(
        [
            helper.make_node("Slice", ["left", "none", "none", "rows"], ["no rows"]),
            helper.make_node("Slice", ["right", "none", "none", "columns"], ["no columns"]),
            helper.make_node("MatMul", ["no rows", "no columns"], ["product"]),
            helper.make_node("ReduceSum", ["product"], ["total"], keepdims=0),
            helper.make_node("Add", ["scores", "total"], ["returned"]),
        ]
    )
    model.graph.output[0].name = "returned"
    onnx.save(model, tmp_path / "net.onnx")
    (tmp_path / "net.yaml").write_text(SIDECAR)
    with pytest.raises(ModelError, match=r"net\.onnx: multiplies no numbers, in MatMul "):
        make_recipe(ModelSettings(path=str(tmp_path / "net.onnx"), runtime="openvino"))


def _placed(nodes: list[onnx.NodeProto], held: dict[str, np.ndarray]) -> tuple[object, object]:
    """What a network of four numbers and places among them returns, in OpenVINO and in ONNX Runtime."""
    import onnxruntime

    from landcover.models.openvino_library import openvino
    from landcover.models.runtimes.openvino_places import keep_places_inside

    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("at", 7, [1, 1])],
        [helper.make_tensor_value_info("y", 1, None)],
        [numpy_helper.from_array(value, name) for name, value in held.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    content = made.SerializeToString()
    core = openvino.Core()
    model = core.read_model(content)
    keep_places_inside(model)
    compiled = core.compile_model(model, "CPU")
    session = onnxruntime.InferenceSession(content)
    return (
        lambda at: compiled([np.array([[at]])])[0].tolist(),
        lambda at: session.run(None, {"at": np.array([[at]])})[0].tolist(),
    )


_NUMBERS = {"four": np.arange(4, dtype=np.float32), "one": np.ones(1, np.float32)}
_FLAT = helper.make_node("Reshape", ["at", "flat"], ["place"])
_GATHER = [helper.make_node("GatherND", ["four", "at"], ["y"])]
_SCATTER = [_FLAT, helper.make_node("ScatterElements", ["four", "place", "one"], ["y"])]


@pytest.mark.parametrize("nodes", [_GATHER, _SCATTER], ids=["read", "written"])
def test_places_that_a_network_computes_are_those_it_has(nodes: list[onnx.NodeProto]) -> None:
    """OpenVINO's CPU reads and writes whatever memory lies there."""
    found, meant = _placed(nodes, {**_NUMBERS, "flat": np.array([-1])})
    for at in range(-4, 4):
        assert found(at) == meant(at)
    assert found(10**6) == found(3) and found(-(10**6)) == found(0)


def test_places_of_a_permutation_are_those_it_has() -> None:
    """TensorFlow's InvertPermutation, as OpenVINO writes it."""
    from landcover.models.openvino_library import openvino, operations
    from landcover.models.runtimes.openvino_places import keep_places_inside

    at = operations.parameter([4], np.int32)
    axis = operations.constant(0, np.int32)
    numbers = operations.constant(np.arange(4, dtype=np.int32))
    model = openvino.Model([operations.scatter_update(at, at, numbers, axis)], [at], "net")
    keep_places_inside(model)
    compiled = openvino.Core().compile_model(model, "CPU")
    assert compiled([np.array([2, 0, 3, 1], np.int32)])[0].tolist() == [1, 3, 0, 2]
    assert compiled([np.array([0, 1, 2, 10**8], np.int32)])[0].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("computed", [False, True])
@pytest.mark.parametrize(
    "ends", [(-1, -2), (-3, 5), (2, -1), (-9, 20), (20, -9), (-3, -3), (-9, -9)]
)
def test_no_more_is_cut_off_than_there_is(ends: tuple[int, int], computed: bool) -> None:
    nodes = [
        helper.make_node("Mul", ["at", "nought"], ["none"]),
        helper.make_node("Reshape", ["none", "flat"], ["flatly"]),
        helper.make_node("Add", ["by", "flatly"], ["computed"]),
        helper.make_node("Pad", ["four", "computed" if computed else "by"], ["padded"]),
        helper.make_node("Cast", ["flatly"], ["real"], to=1),
        helper.make_node("Add", ["padded", "real"], ["y"]),
    ]
    told = {"nought": np.array([0]), "flat": np.array([-1]), "by": np.array(ends)}
    held = {**_NUMBERS, **told}
    found, meant = _placed(nodes, held)
    if sum(ends) < -3:
        assert len(found(0)) == 1
    elif min(ends) > -4:
        assert found(0) == meant(0)
    else:
        assert len(found(0)) >= 20
