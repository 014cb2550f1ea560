"""JAX, started once, on the one device of this process that it may use."""

from __future__ import annotations

import logging
import os
import threading
from contextlib import nullcontext
from typing import Any

from landcover.devices import Gpu
from landcover.errors import ModelError
from landcover.models.runtimes.environment import unless_set

log = logging.getLogger(__name__)

_starting = threading.Lock()
_threads: int | None = None


def start_jax(threads: int, gpu: Gpu | None) -> tuple[Any, Any]:
    """Start JAX, and return it with the device to compute on.

    Its pool of threads belongs to the process and is made when it starts: a later call that wants
    another number is logged, and changes nothing.

    Args:
        threads: CPU threads to compute with; 0: one a core that this process may use.
        gpu: held by this process; None: the CPU.

    Raises:
        ModelError: JAX finds no such GPU, or has begun without it.
        ModuleNotFoundError: it is not installed.
    """
    global _threads
    # Left alone, it takes three quarters of a GPU's memory at once.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    import jax

    with _starting:
        # JAX reads this where it makes its pool; there is no other setting.
        with unless_set("PJRT_NPROC", str(threads)) if threads else nullcontext():
            device = device_of(jax, gpu)
        if _threads is None:
            _threads = threads
        elif threads not in (0, _threads):
            now = _threads or "its own choice of"
            log.info("JAX computes with %s threads in this process, not %d", now, threads)
    return jax, device


def device_of(jax: Any, gpu: Gpu | None) -> Any:
    """JAX's name for a GPU of this process, or for the CPU; JAX starts on that one alone.

    Args:
        jax: the library.
        gpu: held by this process; None: the CPU.

    Raises:
        ModelError: JAX cannot use this GPU, or has begun without it.
    """
    # It would otherwise settle on every GPU that it sees, also on those that other processes hold.
    # Once JAX has started, neither setting changes anything.
    if gpu is None:
        if not jax.config.jax_platforms:
            jax.config.update("jax_platforms", "cpu")
        return _devices(jax, "cpu")[0]
    if jax.config.jax_platforms == "cpu":
        reason = f"has begun to compute without {gpu.name} in this process: start a new one"
        raise ModelError("runtime 'jax'", f"{reason} (with JAX_PLATFORMS unset)")
    jax.config.update("jax_cuda_visible_devices", str(gpu.ordinal))
    there = _devices(jax, "cuda")
    for device in there:
        if device.local_hardware_id == gpu.ordinal:
            return device
    raise ModelError(
        "runtime 'jax'",
        f"finds {len(there)} GPUs, {gpu.name} is not among them: pip install 'jax[cuda12]', start a "
        "new process if this one has used JAX before, or set model.device to cpu",
    )


def _devices(jax: Any, platform: str) -> list[Any]:
    try:
        return list(jax.devices(platform))
    except RuntimeError as error:  # it has no other way to say that there are none
        if platform == "cpu":
            reason = f"finds no CPU ({error}): unset JAX_PLATFORMS"
            raise ModelError("runtime 'jax'", reason) from error
        log.info("JAX has no devices of %s: %s", platform, error)
        return []
