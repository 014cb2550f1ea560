"""Which runtime executes a network."""

from __future__ import annotations

from importlib.util import find_spec

from landcover.config import Device
from landcover.devices import Gpu
from landcover.errors import ModelError
from landcover.models.formats.detection import Format, ModelFile
from landcover.models.network import Runtime
from landcover.models.runtimes.facts import runtimes_for
from landcover.models.runtimes.placement import expects_gpu
from landcover.plugins import load_runtime


def choose_runtime(name: str, format: Format, device: Device = "auto") -> str:
    """Return the name of the runtime that executes files of a format.

    "auto" means the format's own runtime (onnxruntime for CNTK and ONNX files, tensorflow for all
    others) where networks run on GPUs: if ``device`` is "gpu", or if it is "auto" and this host has
    a GPU that this runtime, as it is installed, can use. On CPUs it means openvino, where that is
    installed, and the format's own otherwise.

    Openvino is the fastest on CPUs: on two cores with AVX-512 it labelled 49 tiles of 224 x 224 a second by
    a ResNet-50 in f32 where tensorflow labelled 32, and by a ResNet-18 a fifth more than onnxruntime
    (benchmarks/README.md says how to measure others). What it cannot run is refused by a sentence
    that names the format's own runtime, which is never taken in silence.

    Args:
        name: a registered runtime, or "auto".
        format: of the model file.
        device: what the network will run on, as the settings say it.
    """
    if name != "auto":
        return name
    own = runtimes_for(format)[0]
    if expects_gpu(device, own) or not find_spec("openvino"):
        return own
    return "openvino"


def start_runtime(
    name: str, file: ModelFile, precision: str, threads: int, shown: str, gpu: Gpu | None = None
) -> Runtime:
    """Make a runtime for a model file.

    Args:
        name: a registered runtime.
        file: what it shall run.
        precision: "f32", "bf16" or "f16".
        threads: CPU threads to compute with; 0: as many as the runtime thinks fit.
        shown: the model's name in messages.
        gpu: what it shall compute on, held by this process; None: the CPU.

    Raises:
        ModelError: the runtime does not run this format, or not in this precision.
        PluginNotFound: no runtime has this name.
        MissingExtra: the runtime's library is not installed.
    """
    device = {} if gpu is None else {"gpu": gpu}
    runtime: Runtime = load_runtime(name, threads=threads, precision=precision, **device)
    if file.format not in runtime.formats:
        *others, last = runtimes_for(file.format)
        able = f"{', '.join(others)} and {last}"
        raise ModelError(
            shown,
            f"runtime {name!r} does not run {file.format} files; {able} do: set model.runtime",
        )
    return runtime
