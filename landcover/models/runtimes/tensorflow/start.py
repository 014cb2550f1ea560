"""TensorFlow, imported once, quietly, and with the threads that it may use."""

from __future__ import annotations

import logging
import os
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from landcover.devices import Gpu
from landcover.errors import ModelError
from landcover.local_files import scratch_file
from landcover.models.runtimes.environment import stderr_to, unless_set
from landcover.models.runtimes.keras.start import KERAS_BACKEND

log = logging.getLogger(__name__)

_starting = threading.Lock()

# What has copies of its own of libraries that TensorFlow has too: SQLite, curl, OpenSSL, zstd.
_BEFORE = ("sqlite3", "ssl", "pyproj", "rasterio", "pyogrio")

# What TensorFlow's compiled part says of the machine while it is loaded, whatever its log level.
_CHATTER = re.compile(rb"[IWE]\d{4} |WARNING: All log messages before absl|To enable the following")


def tensorflow(threads: int = 0) -> Any:
    """Import TensorFlow and return it.

    Its threads belong to the process and are fixed when it first computes: a later call that wants
    another number is logged, and changes nothing.

    Args:
        threads: CPU threads to compute with; 0: as many as TensorFlow thinks fit.

    Raises:
        ModuleNotFoundError: it is not installed.
    """
    # Read when the library is loaded: without it, it prints a dozen lines about the machine, and
    # calls graphs that it has frozen itself an error. What does go wrong it raises.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with _starting:
        # TensorFlow imports Keras, which then computes with one library until the process ends.
        with first_import(), unless_set(KERAS_BACKEND, "tensorflow"):
            import tensorflow as tf

            tf.config.list_physical_devices()  # complains where there is no GPU

        # TensorFlow has a handler of its own, and warns of what reading old files cannot avoid.
        tf.get_logger().setLevel(logging.ERROR)
        limits = tf.config.threading
        if threads and limits.get_intra_op_parallelism_threads() != threads:
            try:
                limits.set_intra_op_parallelism_threads(threads)
                limits.set_inter_op_parallelism_threads(max(1, threads // 2))
            except RuntimeError:
                now = limits.get_intra_op_parallelism_threads() or "its own choice of"
                log.info(
                    "TensorFlow computes with %s threads in this process, not %d", now, threads
                )
    return tf


def show_gpu(tf: Any, gpu: Gpu | None) -> None:
    """Let TensorFlow use one GPU of this process, or none: left alone, it takes the memory of all.

    What it may use is fixed when it first computes. f32 is f32: the shorter numbers (TF32) that
    CUDA would take for convolutions are switched off.

    Args:
        tf: TensorFlow.
        gpu: held by this process; None: the CPU alone.

    Raises:
        ModelError: TensorFlow cannot use this GPU, or has begun without it.
    """
    there = tf.config.list_physical_devices("GPU")
    if gpu is not None and gpu.ordinal >= len(there):
        reason = f"finds {len(there)} GPUs, {gpu.name} is not among them: set model.device to cpu"
        raise ModelError("runtime 'tensorflow'", reason)
    wanted = [] if gpu is None else [there[gpu.ordinal]]
    try:
        tf.config.set_visible_devices(wanted, "GPU")
        for device in wanted:
            tf.config.experimental.set_memory_growth(device, True)
    except RuntimeError as error:
        if gpu is None:
            log.info("TensorFlow began to use GPUs of this process before: %s", error)
            return
        reason = f"has begun to compute without {gpu.name} in this process: start a new one"
        raise ModelError("runtime 'tensorflow'", reason) from error
    if wanted:
        tf.config.experimental.enable_tensor_float_32_execution(False)


@contextmanager
def first_import() -> Iterator[None]:
    """What the first import of TensorFlow needs around it, and a later one does not.

    Libraries of which TensorFlow has copies are loaded before it: it shows its own to the whole
    process, and what is loaded later takes them. GDAL would write GeoPackages without an index of
    places, for instance, as TensorFlow's SQLite knows none.

    Its greetings go from stderr to the log, where only those who ask see them.
    """
    if "tensorflow" in sys.modules:
        yield
        return
    for name in _BEFORE:
        import_module(name)
    with scratch_file() as said:
        try:
            with stderr_to(said):
                yield
        finally:
            said.seek(0)
            for line in said:
                if _CHATTER.match(line):
                    log.debug("%s", line.decode(errors="replace").rstrip())
                else:
                    os.write(2, line)
