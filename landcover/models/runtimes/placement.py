"""On which device of this host a network runs: what was asked for, held against what there is."""

from __future__ import annotations

import logging
import os
import socket
from functools import cache

from landcover.config import Device
from landcover.devices import Gpu, hold, holders, visible_gpus
from landcover.errors import MissingExtra, ModelError
from landcover.models.runtimes.facts import facts_of

log = logging.getLogger(__name__)


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
        hint = facts_of(runtime).gpu_advice
        if wanted == "auto":
            _say_unused(runtime, hint)
            return None
        reason = f"runtime {runtime!r} uses no GPU here: {hint}"
        raise ModelError(shown, f"{reason}; or set model.device to auto or cpu")
    gpu = hold(gpus)
    if gpu is None:
        raise ModelError(shown, _none_left(gpus))
    return gpu


def uses_gpus(runtime: str) -> bool:
    """Whether a runtime, as it is installed here, computes on GPUs; to be asked where there are any.

    Args:
        runtime: its name; a plug-in that says nothing of GPUs is taken to run on the CPU.

    Raises:
        PluginNotFound: no runtime has this name.
        MissingExtra: its library is not installed.
    """
    finds_gpus = facts_of(runtime).finds_gpus
    try:
        return finds_gpus is not None and finds_gpus()
    except ModuleNotFoundError as error:
        raise MissingExtra(f"runtime {runtime!r}", runtime, error.name or runtime) from error


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
