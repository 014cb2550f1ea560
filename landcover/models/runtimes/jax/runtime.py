"""JAX: runs Keras 3 files, compiled by XLA."""

from __future__ import annotations

from landcover.devices import Gpu
from landcover.models.formats.detection import Format, ModelFile
from landcover.models.network import refuse_less_than_the_file
from landcover.models.runtimes.jax.graph import JaxGraph
from landcover.models.runtimes.jax.start import start_jax
from landcover.models.runtimes.keras.files import open_keras
from landcover.models.runtimes.keras.start import start_keras


class JaxRuntime:
    """Executes networks with Keras 3 on JAX.

    A network is compiled anew for each dtype of pixels and number of tiles, which takes seconds for
    a large one; few numbers are used.

    Args:
        threads: CPU threads to compute with; 0: one a core that this process may use. JAX has
            one pool a process, which keeps the number that it starts with.
        precision: only "f32": Keras computes in the precision that the file states.
        gpu: what to compute on, held by this process; None: the CPU.

    Raises:
        ModelError: Keras computes with another library in this process, or JAX finds no such GPU.
    """

    formats: tuple[Format, ...] = ("keras", "h5")

    def __init__(self, threads: int = 0, precision: str = "f32", gpu: Gpu | None = None) -> None:
        refuse_less_than_the_file("jax", precision)
        start_keras("jax")
        self._jax, self._device = start_jax(threads, gpu)

    def open(self, file: ModelFile, head: str | int | None) -> JaxGraph:
        """Find the network of a file; see :class:`~landcover.models.network.Runtime`."""
        with self._jax.default_device(self._device):
            return JaxGraph(open_keras(file, head, "jax"), self._device)
