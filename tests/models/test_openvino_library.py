"""OpenVINO tells nobody that it is used, and reads a file as what it is and as nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import onnx
import pytest
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
