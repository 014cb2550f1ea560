"""What held a run up, in a sentence, with what to change."""

from __future__ import annotations

from collections.abc import Mapping


def advice(
    seconds: Mapping[str, float], runtime: str, precision: str, on_gpus: bool = False
) -> str:
    """Name the stage that most of a run's time was spent waiting for, and what would help.

    Args:
        seconds: per stage, summed over workers: ``wait`` (for pixels), ``infer``, ``write``.
        runtime: what executed the network.
        precision: its arithmetic.
        on_gpus: whether it computed on GPUs.
    """
    blocking = {stage: seconds.get(stage, 0.0) for stage in ("wait", "infer", "write")}
    total = sum(blocking.values())
    if total <= 0:
        return ""
    stage = max(blocking, key=lambda name: blocking[name])
    hint = _hint(stage, runtime, precision, on_gpus)
    return f"{_LIMIT[stage]} {blocking[stage] / total:.0%} of the time; {hint}"


_LIMIT = {
    "wait": "workers waited for pixels",
    "infer": "workers waited for the network",
    "write": "workers wrote results",
}


def _hint(stage: str, runtime: str, precision: str, on_gpus: bool) -> str:
    if stage == "wait":
        return "storage or decoding is the limit: tiled scenes, more readers or more hosts help"
    if stage == "write":
        return "larger tasks (source.task) write fewer, larger parts"
    if on_gpus:
        return "more GPUs help, with a worker each"
    if runtime != "openvino":
        return "model.runtime: openvino is faster on CPUs; more workers or a GPU help as well"
    if precision == "f32":
        return "model.precision: fastest may help, and keeps the labels; more workers help as well"
    return "more workers help"
