"""What is to be known of a runtime before it starts, for those of landcover and for plug-ins alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.metadata import entry_points

from landcover.errors import LandcoverError, MissingExtra
from landcover.models.formats.detection import FORMATS, Format
from landcover.plugins import runtime_class, runtime_names

_CNTK: tuple[Format, ...] = ("cntk", "cntk-v1")
_KERAS3: tuple[Format, ...] = ("keras", "h5")


@dataclass(frozen=True)
class RuntimeFacts:
    """What a runtime can do. A plug-in's class may have such facts as its attribute ``facts``.

    Args:
        formats: of the files that it runs.
        purpose: in a few words, for tables.
        libraries: distributions whose version may change what it computes.
        extra: of landcover that brings the first of them; "" where something else does.
        precisions: those that it can compute in, on hosts that can.
        finds_gpus: whether it computes on GPUs as it is installed here; None: never.
        unavailable: why it cannot run here, for one whose library pip does not bring; None: it
            can.
        gpu_advice: what would make it use the GPUs that are there.
    """

    formats: tuple[Format, ...]
    purpose: str = "a plug-in"
    libraries: tuple[str, ...] = ()
    extra: str = ""
    precisions: tuple[str, ...] = ("f32",)
    finds_gpus: Callable[[], bool] | None = None
    unavailable: Callable[[], str | None] | None = None
    gpu_advice: str = "it computes on the CPU: runtime 'onnxruntime' can"


def facts_of(name: str) -> RuntimeFacts:
    """The facts of a registered runtime; of a plug-in that states none, what its class tells.

    Raises:
        PluginNotFound: no runtime has this name.
        MissingExtra: the library of a plug-in is not installed.
    """
    if name in _OWN:
        return _OWN[name]
    kind, distribution = runtime_class(name)
    facts = getattr(kind, "facts", None)
    if isinstance(facts, RuntimeFacts):
        return facts
    return RuntimeFacts(tuple(kind.formats), libraries=(distribution,) if distribution else ())


def is_foreign(name: str) -> bool:
    """Whether a runtime is a plug-in: its code may change while its version stays.

    Args:
        name: of the runtime.
    """
    return name not in _OWN


def runtimes_for(format: Format) -> list[str]:
    """The registered runtimes that run files of a format.

    The one that keeps closest to the file comes first, then landcover's others, then plug-ins;
    Microsoft's own CNTK, which many cannot install, is the last of landcover's.
    """
    return [name for name in [*_OWN, *_foreign()] if format in _formats(name)]


def recorded_libraries() -> list[str]:
    """The distributions of all runtimes, whose versions a run records."""
    found: dict[str, None] = {}
    for name in [*_OWN, *_foreign()]:
        try:
            found |= dict.fromkeys(facts_of(name).libraries)
        except LandcoverError:
            continue
    return list(found)


def _foreign() -> list[str]:
    return [name for name in runtime_names() if name not in _OWN]


def _formats(name: str) -> tuple[Format, ...]:
    """Of a plug-in whose library is missing all formats: it is tried, for its reason."""
    try:
        return facts_of(name).formats
    except MissingExtra:
        return FORMATS


def _onnxruntime_finds_gpus() -> bool:
    import onnxruntime

    return "CUDAExecutionProvider" in onnxruntime.get_available_providers()


def _tensorflow_finds_gpus() -> bool:
    from landcover.models.runtimes.tensorflow.start import tensorflow

    return bool(tensorflow().config.list_physical_devices("GPU"))


def _jax_finds_gpus() -> bool:
    import_module("jax")
    # JAX itself would start to answer, on all GPUs at once and also on those that others hold. What
    # lets it compute on them are plug-ins, which pip installs beside it.
    return any("cuda" in plugin.name for plugin in entry_points(group="jax_plugins"))


def _torch_finds_gpus() -> bool:
    import torch

    return bool(torch.cuda.is_available())


def _cntk_unavailable() -> str | None:
    from landcover.models.cntk.library.install import locate

    try:
        locate()
    except LandcoverError as error:
        return str(error)
    return None


_keras3 = partial(RuntimeFacts, _KERAS3)

# In the order in which they are named for a format that several of them run.
_OWN = {
    "onnxruntime": RuntimeFacts(
        ("onnx", *_CNTK),
        "ONNX and CNTK models",
        ("onnxruntime",),
        "onnx",
        finds_gpus=_onnxruntime_finds_gpus,
        gpu_advice="this one was built without CUDA: pip install onnxruntime-gpu in its place",
    ),
    "tensorflow": RuntimeFacts(
        ("keras", "keras2", "h5", "savedmodel", "graphdef", "tf1-checkpoint"),
        "TensorFlow and Keras",
        ("tensorflow", "keras"),
        "tensorflow",
        finds_gpus=_tensorflow_finds_gpus,
        gpu_advice="this one finds none, as its CUDA libraries are absent: pip install "
        "'tensorflow[and-cuda]'",
    ),
    "openvino": RuntimeFacts(
        FORMATS,
        "all formats, faster on CPUs",
        ("openvino",),
        "openvino",
        ("f32", "bf16", "f16"),
    ),
    "jax": _keras3(
        "Keras 3, with JAX",
        ("jax", "keras"),
        "jax",
        finds_gpus=_jax_finds_gpus,
        gpu_advice="this one was installed without CUDA: pip install 'jax[cuda12]'",
    ),
    "torch": _keras3(
        "Keras 3, with PyTorch",
        ("torch", "keras"),
        "torch",
        finds_gpus=_torch_finds_gpus,
        gpu_advice="this one was built without CUDA, or finds no driver for it: pip install torch "
        "built for CUDA (https://pytorch.org/get-started/locally)",
    ),
    "cntk": RuntimeFacts(
        _CNTK, "CNTK models, by Microsoft's own library", unavailable=_cntk_unavailable
    ),
}
