"""On which device of this host a network runs: what was asked for, held against what there is."""

from __future__ import annotations

import logging
import os
import socket
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points

from landcover.config import Device
from landcover.devices import Gpu, hold, holders, visible_gpus
from landcover.errors import MissingExtra, ModelError

log = logging.getLogger(__name__)

# What would make a runtime use the GPUs that are there.
_HINTS = {
    "onnxruntime": "this one was built without CUDA: pip install onnxruntime-gpu in its place",
    "tensorflow": "this one finds none, as its CUDA libraries are absent: pip install "
    "'tensorflow[and-cuda]'",
    "jax": "this one was installed without CUDA: pip install 'jax[cuda12]'",
    "torch": "this one was built without CUDA, or finds no driver for it: pip install torch built for "
    "CUDA (https://pytorch.org/get-started/locally)",
}


def place(wanted: Device, runtime: str, shown: str) -> Gpu | None:
    """The GPU that a network shall run on in this process; None for the CPU.

    "auto" takes the first free GPU where there is any that the runtime can use, and the CPU
    elsewhere; a worker for which no GPU is left is refused, and never computes on the CPU instead.

    Args:
        wanted: "auto", "cpu" or "gpu".
        runtime: what executes the network.
        shown: the model's name in messages.

    Raises:
        ModelError: there is no GPU for it.
    """
    if wanted == "cpu":
        return None
    gpus = visible_gpus()
    if not gpus:
        if wanted == "auto":
            return None
        raise ModelError(
            shown,
            f"model.device is gpu, but {socket.gethostname()} shows this process no GPU "
            f"(nvidia-smi -L; CUDA_VISIBLE_DEVICES is {_told()}): set model.device to auto or cpu",
        )
    # CUDA shall number cards as nvidia-smi does; it reads this when it first starts.
    os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    if not uses_gpus(runtime):
        hint = _HINTS.get(runtime, "it computes on the CPU: runtime 'onnxruntime' can")
        if wanted == "auto":
            _say_unused(runtime, hint)
            return None
        raise ModelError(shown, f"runtime {runtime!r} uses no GPU here: {hint}")
    gpu = hold(gpus)
    if gpu is None:
        raise ModelError(shown, _none_left(gpus))
    return gpu


def uses_gpus(runtime: str) -> bool:
    """Whether a runtime, as it is installed here, computes on GPUs; to be asked where there are any.

    Args:
        runtime: its name; those that are not landcover's own are taken to run on the CPU.

    Raises:
        MissingExtra: its library is not installed.
    """
    ask = _ASK.get(runtime)
    if ask is None:
        return False
    try:
        return ask()
    except ModuleNotFoundError as error:
        raise MissingExtra(f"runtime {runtime!r}", runtime, error.name or runtime) from error


def _onnxruntime() -> bool:
    import onnxruntime

    return "CUDAExecutionProvider" in onnxruntime.get_available_providers()


def _tensorflow() -> bool:
    from landcover.models.runtimes.tensorflow.start import tensorflow

    return bool(tensorflow().config.list_physical_devices("GPU"))


def _jax() -> bool:
    import_module("jax")
    # JAX itself would start to answer, on all GPUs at once and also on those that others hold. What
    # lets it compute on them are plug-ins, which pip installs beside it.
    return any("cuda" in plugin.name for plugin in entry_points(group="jax_plugins"))


def _torch() -> bool:
    import torch

    return bool(torch.cuda.is_available())


_ASK = {"onnxruntime": _onnxruntime, "tensorflow": _tensorflow, "jax": _jax, "torch": _torch}


def expects_gpu(wanted: Device, runtime: str) -> bool:
    """Whether workers on hosts like this one will run a network on GPUs; none is taken."""
    return wanted == "gpu" or (wanted == "auto" and bool(visible_gpus()) and uses_gpus(runtime))


@cache
def _say_unused(runtime: str, hint: str) -> None:
    """Once a process: a model is opened several times in a run."""
    log.warning("runtime %r leaves the GPU of this machine unused: %s", runtime, hint)


def _none_left(gpus: list[Gpu]) -> str:
    many, host = len(gpus), socket.gethostname()
    pids = ", ".join(map(str, holders(gpus)))
    return (
        f"no GPU is left for this worker: {host} shows it {many}, and other processes hold "
        f"{'all of them' if many > 1 else 'it'} (pid {pids or 'unknown'}). One worker process per "
        f"GPU: set backend.workers to at most {many} a host, or model.device to cpu"
    )


def _told() -> str:
    told = os.environ.get("CUDA_VISIBLE_DEVICES")
    return "not set" if told is None else repr(told)
